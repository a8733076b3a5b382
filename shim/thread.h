/* SPDX-License-Identifier: MIT */
/*
 * A thread that libc knows nothing of: made with clone(2) on memory of our own, so that it can be
 * started within close(), from a signal handler, without malloc and without libc's locks. It
 * shares memory, signal dispositions, the file system context and, at first, the descriptor table:
 * it is to leave that with close_range(2) and CLOSE_RANGE_UNSHARE. All signals are blocked in it.
 *
 * It has zeroed thread-local storage of its own: system calls that set errno and this library's
 * initial-exec variables work, nothing else of libc that keeps per-thread state does.
 */
#ifndef SOFTCLOSE_SHIM_THREAD_H
#define SOFTCLOSE_SHIM_THREAD_H

#include <stdbool.h>
#include <stdint.h>

/* One at a time: the one before has left `run`, or is about to. False when it could not be started
 * (RLIMIT_NPROC, seccomp, memory). Never waits. */
bool thread_start(void (*run)(void));

/* Is a thread there, if only on its last instructions? */
bool thread_running(void);

/* After `run` has returned: waits until the thread is gone (microseconds). */
void thread_wait(void);

/* How many there are (0 to 2), and in *which a word that changes when one comes or goes. */
unsigned thread_count(uint64_t *which);

/* In a forked child: there is none. */
void thread_forked(void);

/* libc changes the credentials of the threads that it knows. This one follows by itself, from time
 * to time: the owner of /proc/PID is the process's effective user. `tasks` is /proc/PID/task, which
 * is still there after a chroot(2); -1: by its path. */
void thread_follow_credentials(int tasks);

#endif
