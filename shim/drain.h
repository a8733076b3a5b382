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

enum drain_result {
    DRAIN_EOF,
    DRAIN_IDLE,
    DRAIN_TOTAL,
    DRAIN_BYTES,
    DRAIN_EVICTED,
    DRAIN_EXIT,
    DRAIN_ERROR,
    DRAIN_UNDER_WAY, /* not over yet */
};

/* The word that stands in the event. */
const char *drain_result_name(enum drain_result result);

struct drain {
    int fd;
    uint8_t proto, type; /* enum proto, enum sock_type */
    bool reset_at_limit; /* close.on_limit = reset */
    bool deaf;           /* the reading half is down: recv(2) no longer tells the peer's end */
    bool soften;         /* of a shutdown(SHUT_RDWR): the program still has the descriptor */
    uint32_t idle_ms, total_ms;
    uint64_t most;          /* bytes, 0 = no limit */
    uint64_t bytes;         /* discarded so far */
    uint64_t started, last; /* CLOCK_MONOTONIC ns: the beginning, the last data */
};

void drain_start(struct drain *drain, int fd, const struct facts *facts,
                 const struct settings *settings, uint64_t now);

/* Reads what is here. UNDER_WAY, EOF, ERROR or BYTES. */
enum drain_result drain_read(struct drain *drain, uint64_t now);

/* When it gives up if nothing more comes, CLOCK_MONOTONIC ns. */
uint64_t drain_deadline(const struct drain *drain);

/* Which limit has been reached at `now`, or UNDER_WAY. */
enum drain_result drain_expired(const struct drain *drain, uint64_t now);

/* Blocks until it is over; bounded by its limits. Sleeps in ppoll(2). */
enum drain_result drain_block(struct drain *drain);

/* Waits until everything sent is acknowledged, as SO_LINGER {on, seconds} promises; returns when
 * the connection is gone, too. Sleeps 1 to 10 ms at a time. */
void drain_linger(int fd, int32_t seconds);

/* Before the last close of a drain that gave up: makes it a reset if the policy wants that, else
 * an orderly end; never one that blocks. */
void drain_before_close(const struct drain *drain, enum drain_result result);

#endif
