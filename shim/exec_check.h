/* SPDX-License-Identifier: MIT */
/*
 * Will an exec succeed? What close-on-exec would close is touched only if it will: after an exec
 * that has failed the program goes on, with its connections as they were.
 *
 * Async-signal-safe: raw system calls, no memory, no errno. The arguments are the program's and may
 * point anywhere.
 */
#ifndef SOFTCLOSE_SHIM_EXEC_CHECK_H
#define SOFTCLOSE_SHIM_EXEC_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "shim/coverage.h"

struct exec_call {
    int directory; /* as of execveat(2); AT_FDCWD for all others but fexecve(3) */
    const char *path;
    char *const *arguments;
    char *const *environment;
    int flags;
    bool by_shell; /* execvp(3) and its like give a file of no known format to /bin/sh */
};

enum exec_answer {
    EXEC_FAILS,
    EXEC_UNSURE, /* a binary format that is not ours to judge: binfmt_misc may know it */
    EXEC_GOES,   /* as far as can be known before */
};

enum { EXEC_PATH = 512 }; /* not PATH_MAX: this may run on a small stack */

/* The file as a path that can be opened: the call's, or one below /proc/self/fd written to `room`.
 * NULL when it does not fit or cannot be read. */
const char *exec_path(const struct exec_call *call, char room[EXEC_PATH]);

/* `coverage` is what coverage_check() has found out of that path. */
enum exec_answer exec_check(const struct exec_call *call, const char *path,
                            const struct coverage *coverage);

#endif
