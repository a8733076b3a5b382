/* SPDX-License-Identifier: MIT */
/*
 * A thread that libc knows nothing of: made with clone(2) on memory of our own, so that it can be
 * started within close(), from a signal handler, without malloc and without libc's locks. It
 * shares memory, signal dispositions and the file system context, and has a descriptor table of
 * its own (a copy of the program's at first). All signals are blocked in it.
 *
 * It has zeroed thread-local storage of its own: system calls that set errno and this library's
 * initial-exec variables work, nothing else of libc that keeps per-thread state does.
 */
#ifndef SOFTCLOSE_SHIM_THREAD_H
#define SOFTCLOSE_SHIM_THREAD_H

#include <stdbool.h>

/* One at a time. False when it could not be started (RLIMIT_NPROC, seccomp, memory). */
bool thread_start(void (*run)(void));

/* After `run` has returned: waits until the thread is gone (microseconds). */
void thread_wait(void);

/* In a forked child: there is none. */
void thread_forked(void);

#endif
