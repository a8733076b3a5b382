/* SPDX-License-Identifier: MIT */
/*
 * What happens when: start, fork and the end of coverage, each an ordered list with the reason for
 * its order. How a program ends (exec, exit) stands above closing: ending.h.
 */
#ifndef SOFTCLOSE_SHIM_START_H
#define SOFTCLOSE_SHIM_START_H

#include <stdbool.h>
#include <sys/types.h>

extern bool start_active; /* false: inert or passive. Before the start true, to be asked. */

/* For wrappers of calls that make sockets: one load and one branch when softclose is off. */
static inline bool start_maybe(void)
{
    return __builtin_expect(__atomic_load_n(&start_active, __ATOMIC_RELAXED), 0);
}

/* May this call observe? Starts softclose at the first call, adopts a forked child; false when off,
 * while starting, and in a vfork child. One getpid(). */
bool start_enter(void);

/* Is this a child in its parent's memory? */
bool start_in_vfork_child(void);

/* Around every kind of fork; start_forked() when the call has returned: 0 in the child, -1 when it
 * failed. */
void start_before_fork(void);
void start_after_fork_parent(void);
void start_after_fork_child(void);
void start_forked(pid_t pid);

/* Passive: no call observes any more; and again active. */
void start_pause(void);
void start_resume(void);

/* Inert from now on: every descriptor answers "not ours". */
void start_off(void);

#endif
