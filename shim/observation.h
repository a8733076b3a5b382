/* SPDX-License-Identifier: MIT */
/*
 * One operation of the program on one socket: ask the kernel, decide, tell. The only caller of
 * decide() in the shim. Async-signal-safe; errno is never touched.
 */
#ifndef SOFTCLOSE_SHIM_OBSERVATION_H
#define SOFTCLOSE_SHIM_OBSERVATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/policy.h"
#include "shim/sites.h"
#include "shim/sockets.h"

/* What the program is doing, as far as the kernel cannot tell it: the facts' fields of these names.
 * By value, so that what a caller does not mention is 0. */
struct question {
    enum operation op;
    enum shut how;
    int32_t linger;
    bool at_exit, awaited, unflushed;
    bool perhaps; /* OP_CLOSE by an exec that may fail: relatives are not told of it */
};

struct observation {
    int fd;
    const char *via; /* the road, as events name it; not set for shutdown and linger */
    struct socket socket;
    struct facts facts;
    struct settings settings;
    struct verdict verdict;
    unsigned wish;  /* actions that the policy asks for: decide_wish() */
    unsigned taken; /* actions that were carried out: enum action */
    bool wanted;    /* log.events asks for this event: only then the next two are set */
    const char *rule;
    uint64_t started; /* CLOCK_MONOTONIC ns */
    size_t site_count;
    uintptr_t sites[SITES_MOST];
};

/* The policy in force and whom it is about; borrowed for good. */
void observation_start(const struct policy *policy, enum policy_mode mode, const char *program,
                       const char *path);

/* Is the policy applied, or only observed? */
bool observation_enforces(void);

/*
 * Finds out which socket `fd` is (the table's memory verified by the kernel's cookie; one that the
 * table does not know is entered as inherited). False when it is none.
 */
bool observation_identify(struct observation *observation, int fd);

/* After observation_identify(): facts, holders, verdict. `caller` is the return address of the
 * wrapper. */
void observation_decide(struct observation *observation, struct question question, void *caller);

/* Asks decide() again, after observation->facts have become more. */
void observation_decide_again(struct observation *observation);

/* At the end of the process: does a relative go on with the socket, and does nobody want that told?
 * Then it is decided, for observation_tell() to count, without a system call: a forked child may
 * end with thousands that are its parent's. What the table says of the descriptor is not proved. */
bool observation_goes_on(struct observation *observation, int fd);

/* A connection that nobody has accepted, taken from the backlog of a listener that closes: decided
 * as a close of it. False when it cannot be looked at. */
bool observation_accepted(struct observation *out, const struct observation *listener, int fd);

/* Writes and counts the event. `error` is the errno of the call, 0 when it succeeded. */
void observation_tell(const struct observation *observation, int error);

/* The keys that belong to no connection: close.exit_wait, close.on_signal. */
void observation_process_settings(struct settings *out);

/* A close of a number that is not open. */
void observation_bad_fd(int fd, const char *via, void *caller);

#endif
