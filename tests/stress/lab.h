/* SPDX-License-Identifier: MIT */
/* Runs a program once, in a place of its own, and holds two runs against each other. */
#ifndef SOFTCLOSE_TESTS_LAB_H
#define SOFTCLOSE_TESTS_LAB_H

#include "oracle.h"
#include "record.h"

enum mode { NATIVE, AUDIT, ENFORCE, MODES };

struct outcome {
    int status; /* of waitpid(), -1: it did not come to an end */
    struct counters counters;
    struct resets resets;
    struct connection connections[CONNECTIONS];
    uint32_t connection_count;
    uint64_t operations;
    char trace[TRACE_ROOM];
};

struct lab {
    struct record *record; /* a mapping of the file at `path` */
    char directory[64], path[80], log[80];
    char address[2][40]; /* v4, v6 */
    char subject[512];
    const char *shim;
    bool keep_log;
    struct tracer tracer;
    unsigned number;
};

/* Namespaces for processes, mounts and network, one processor; the caller becomes process 1. */
bool lab_open(struct lab *lab, unsigned number, int tracer_number);

/* False when the run itself was not possible. */
bool lab_run(struct lab *lab, const struct program *program, enum mode mode,
             struct outcome *outcome);

/* What enforce may do other than what every byte and EOF would be, or other than natively, and why;
 * printed with the counts. */
enum exemption {
    EXEMPT_PEER_LEFT, /* in the order of enum why */
    EXEMPT_UNACCEPTED,
    EXEMPT_SENT,
    EXEMPT_DISCONNECTED,
    EXEMPT_SHUT_READ,
    EXEMPT_KILLED,
    EXEMPT_UNSHARED,
    EXEMPT_SHUT_SHARED,
    EXEMPT_UNFLUSHED,
    EXEMPT_READER,
    EXEMPT_PASSED_ON,
    EXEMPT_GAVE_UP,  /* a reset for a peer that goes on beyond close.exit_wait */
    EXEMPT_EPOLL,    /* a reset: an epoll set may know it by a number that is gone */
    EXEMPT_UNTOLD,   /* looked into are accepted UNIX sockets, by one thread */
    EXEMPT_SOFTENED, /* results: the reading half of a softened shutdown */
    EXEMPT_INSIDE,   /* results: a reset that the program itself does not get any more */
    EXEMPT_DENIED,   /* results: linger.zero = deny */
    EXEMPT_ORDER,    /* audit: counts of resets, both ends closed by one close_range() */
    EXEMPTIONS
};

extern const char *const exemption_names[EXEMPTIONS];

enum failure { FINE, DIFFERENT, RETURNED, PEER_LOST, RESET_SENT, HUNG, FAILURES };

extern const char *const failure_names[FAILURES];

struct findings {
    uint64_t connections, whole, resets_native, resets_enforced, exempt[EXEMPTIONS];
};

enum { WHY_ROOM = 1200 };

/* Every result, errno and byte, every reset: is it the same? */
enum failure judge_audit(const struct program *program, const struct outcome *native,
                         const struct outcome *audited, struct findings *findings, char *why);

enum failure judge_enforce(const struct program *program, const struct outcome *native,
                           const struct outcome *enforced, struct findings *findings, char *why);

/* The policy that this program runs with under enforce. */
const char *policy_of(const struct program *program);
bool policy_denies(const struct program *program);

/* Run in both modes and judge; again when it failed: what does not fail again is counted in
 * *unsteady and is fine. */
enum failure lab_try(struct lab *lab, const struct program *program, unsigned modes,
                     struct findings *findings, uint64_t *unsteady, char *why);

/* The smallest program found that still fails in the same way. */
void shrink(struct lab *lab, struct program *program, unsigned modes, enum failure failure);

#endif
