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

struct observation {
    int fd;
    const char *via; /* the road, as events name it; not set for shutdown and linger */
    struct socket socket;
    struct facts facts;
    struct settings settings;
    struct verdict verdict;
    unsigned taken; /* actions that were carried out: enum action */
    const char *rule;
    bool wanted;      /* log.events asks for this event */
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

/* After observation_identify(): facts, holders, verdict. `how` for OP_SHUTDOWN, `linger` (seconds)
 * for OP_LINGER; `caller` is the return address of the wrapper. */
void observation_decide(struct observation *observation, enum operation op, enum shut how,
                        int32_t linger, bool at_exit, void *caller);

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
