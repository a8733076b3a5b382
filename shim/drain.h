/* SPDX-License-Identifier: MIT */
/*
 * Half-close and drain: what one drain is and when it gives up. Two manners run here, in the
 * caller: inline (what is here) and block (until the peer has finished or a limit is reached). The
 * third, background, is drainer.h. Knows nothing of interposition.
 */
#ifndef SOFTCLOSE_SHIM_DRAIN_H
#define SOFTCLOSE_SHIM_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/policy.h"
#include "shim/discard.h"

/* Whether its end is told: never (log.events = none), when it gave up, always (as was its close).
 */
enum drain_telling { TELL_NEVER, TELL_FAILURE, TELL_ALWAYS };

struct drain {
    int fd;
    struct discard_how how;
    enum on_limit on_limit;
    enum drain_telling telling;
    bool deaf;   /* the reading half is down: recv(2) no longer tells the peer's end */
    bool soften; /* of a shutdown(SHUT_RDWR): the program still has the descriptor */
    uint32_t idle_ms, total_ms;
    uint64_t most;          /* bytes, 0 = no limit */
    uint64_t bytes;         /* discarded so far */
    uint64_t started, last; /* CLOCK_MONOTONIC ns: the beginning, the last data */
};

/* `told`: the event of the operation that it follows from is written. */
void drain_start(struct drain *drain, int fd, const struct facts *facts,
                 const struct settings *settings, bool told, uint64_t now);

/* Reads what is here. UNDER_WAY, EOF, ERROR or BYTES. */
enum drain_result drain_read(struct drain *drain, uint64_t now);

/* When it gives up if nothing more comes, CLOCK_MONOTONIC ns. */
uint64_t drain_deadline(const struct drain *drain);

/* Which limit has been reached at `now`, or UNDER_WAY. */
enum drain_result drain_expired(const struct drain *drain, uint64_t now);

/* Blocks until it is over; bounded by its limits. Sleeps in ppoll(2). */
enum drain_result drain_block(struct drain *drain);

/* Waits until everything sent is acknowledged, as SO_LINGER {on, seconds} promises (0: not at all);
 * returns when the connection is gone, too. A drain that is UNDER_WAY reads meanwhile: a peer may
 * receive nothing before it has got rid of what it sends. How it stands then. Sleeps 1 to 10 ms at
 * a time. */
enum drain_result drain_linger(struct drain *drain, enum drain_result result, int32_t seconds);

/* Before the last close: makes that of a drain that gave up a reset if the policy wants it, else an
 * orderly end: what is here by now is read, beyond the limit, too. Never one that blocks. */
void drain_before_close(struct drain *drain, enum drain_result result);

#endif
