/* SPDX-License-Identifier: MIT */
/*
 * What the threads of this process are doing, as /proc/PID/task/TID/syscall (proc(5)) tells, which
 * a thread may read of its own process. Not if that has changed its user: then .../wchan tells at
 * least of those threads that sleep where no socket is held. A look opens files, which takes
 * numbers of the program's: only the drain thread looks, whose descriptor table is its own.
 */
#ifndef SOFTCLOSE_SHIM_TASKS_H
#define SOFTCLOSE_SHIM_TASKS_H

#include <stdbool.h>
#include <sys/types.h>

/* Opens the directory of threads, below `proc` if that is a descriptor of /proc. It stays open as
 * long as the drain thread lives. */
void tasks_start(int proc);

/* Up to so many files may stay open: each look then takes a fourth of the time. Off at the start.
 */
enum { TASKS_OPEN_FILES = 64 };
void tasks_keep_open(bool keep);

/* That directory; -1 when there is none. */
int tasks_directory(void);

enum task_doing {
    TASK_WAITS,
    TASK_RUNS, /* in no call, or in one that is not told */
    TASK_ENDED,
    TASK_FAILED /* it cannot be told */
};

/* Called for a descriptor whose data the call that a thread waits in takes or gives. */
typedef void task_in_call(int fd);

enum task_doing task_look(pid_t tid, task_in_call *found);

/* Has one that runs had so much processor time since it last waited that no call can be left? It is
 * asked for the first time in vain, and then again from time to time. */
bool task_has_run_long(pid_t tid);

#endif
