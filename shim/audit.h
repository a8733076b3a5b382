/* SPDX-License-Identifier: MIT */
/*
 * Events: what is told of an operation, as one JSON line (contract section 4), and the counters of
 * the summary. Async-signal-safe except audit_start().
 */
#ifndef SOFTCLOSE_SHIM_AUDIT_H
#define SOFTCLOSE_SHIM_AUDIT_H

#include <stddef.h>
#include <stdint.h>

#include "policy/policy.h"
#include "shim/drain.h"
#include "shim/sites.h"
#include "shim/sockets.h"

struct audit_identity {
    const char *executable; /* name */
    const char *path;
    const char *policy_path;   /* "built-in" or the file */
    const char *policy_digest; /* SHA-256 in hex */
    enum policy_mode mode;
};

/* Everything that an event about a socket tells. Borrowed for the call. */
struct audit_event {
    const char *event; /* close shutdown linger */
    int fd;
    const char *via; /* close: the road */
    const struct socket *socket;
    const struct facts *facts;
    const struct verdict *verdict;
    const char *rule;
    unsigned wish;    /* actions that the policy asks for */
    unsigned taken;   /* actions that were carried out */
    uint64_t started; /* CLOCK_MONOTONIC ns */
    int error;        /* errno of the call, 0 = none */
    const uintptr_t *sites;
    size_t site_count;
};

/* Strings are borrowed for good. Writes the process event. */
void audit_start(const struct audit_identity *identity);

/* In a forked child: counters from zero, its own process event before its first other event. */
void audit_forked(void);

/* Writes the event if `wanted`; counts it in any case. */
void audit_tell(const struct audit_event *event, bool wanted);

/* A close of a number that is not open. */
void audit_bad_fd(int fd, const char *via, const struct verdict *verdict, uintptr_t site,
                  bool wanted);

/* Anything the user should know. `path` may be NULL; count 0 is not written. */
void audit_note(const char *code, const char *text, const char *path, uint64_t count);

/* The process event of this process, if it has not been written yet. */
void audit_introduce(void);

/* A drain has ended; called before its last close. `fd` is the drainer's number, `program_fd` the
 * program's; fd -1: the connection is gone, and only what the table remembers can be told. */
void audit_drain(int fd, int program_fd, const struct socket *socket, const struct drain *drain,
                 enum drain_result result);

/* Counters of this process, and a line for the person if events were lost. */
void audit_summary(void);

#endif
