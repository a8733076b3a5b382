/* SPDX-License-Identifier: MIT */
/*
 * The ends of a program, exec, exit by any road, daemon(), and of our being there. Every socket
 * that the kernel will close without a call of ours is told before.
 */
#ifndef SOFTCLOSE_SHIM_ENDING_H
#define SOFTCLOSE_SHIM_ENDING_H

#include <stdbool.h>

#include "shim/exec_check.h"

/* The process ends: every socket still open is told, then the summary. Once. */
void ending_exit(void *caller);

/* Before anybody's first handler of quick_exit(3), so that ours runs last. Once. */
void ending_before_quick_exit(void);

/* A thread is about to end the process while another one is at it already, perhaps because of what
 * that one's repairs have done to its connections: natively they are whole until the very end, and
 * so the first one's status is the process's. Waits for it, a bounded time. Without enforce
 * nothing.
 */
void ending_yield(void);

/* Sockets that an exec of this process closes, then the summary; and when it failed after all. In a
 * vfork child one count, nothing else. */
void ending_exec(const struct exec_call *call, void *caller);
void ending_exec_failed(void);

/* In the child of a fork: an exec that its thread had begun in the parent is not its own. */
void ending_forked(void);

/* A program is about to be started with this environment: notes when softclose will not be there.
 */
void ending_note_environment(const char *path, char *const *environment);

/* The program is about to filter its own system calls (seccomp): from now on none of ours. False
 * when softclose was not running here. ending_filter_failed() takes it back. */
bool ending_filter(void);
void ending_filter_failed(void);

/* unshare(2) and setns(2) want a process without other threads: ours is sent away first. */
void ending_thread(void);

/* daemon(3) forks within libc and ends the parent there. */
void ending_daemon(void);
void ending_daemon_done(void);

#endif
