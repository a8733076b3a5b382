/* SPDX-License-Identifier: MIT */
/*
 * The ends of a program, exec, exit by any road, daemon(), and of our being there. Every socket
 * that the kernel will close without a call of ours is told before.
 */
#ifndef SOFTCLOSE_SHIM_ENDING_H
#define SOFTCLOSE_SHIM_ENDING_H

#include <stdbool.h>

/* The process ends: every socket still open is told, then the summary. Once. */
void ending_exit(void *caller);

/* Sockets that an exec of this process closes, then the summary; and when it failed after all.
 * `path` may be NULL (unknown). In a vfork child one count, nothing else. */
void ending_exec(const char *path, char *const *environment, void *caller);
void ending_exec_failed(void);

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
