/* SPDX-License-Identifier: MIT */
/*
 * The ends of a program: exec, exit by any road, daemon(). Every socket that the kernel will close
 * without a call of ours is told before.
 */
#ifndef SOFTCLOSE_SHIM_ENDING_H
#define SOFTCLOSE_SHIM_ENDING_H

/* The process ends: every socket still open is told, then the summary. Once. */
void ending_exit(void *caller);

/* Sockets that an exec of this process closes, then the summary; and when it failed after all.
 * `path` may be NULL (unknown). In a vfork child one count, nothing else. */
void ending_exec(const char *path, char *const *environment, void *caller);
void ending_exec_failed(void);

/* A program is about to be started with this environment: notes when softclose will not be there.
 */
void ending_note_environment(const char *path, char *const *environment);

/* daemon(3) forks within libc and ends the parent there. */
void ending_daemon(void);
void ending_daemon_done(void);

#endif
