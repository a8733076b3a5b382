/* SPDX-License-Identifier: MIT */
/*
 * Where the events of a run go: what --log and SOFTCLOSE_LOG mean (contract: a path with %p pid,
 * %e program, %h host, %t start time in seconds since 1970, %% a percent sign; or stderr, none,
 * unix:/path).
 */
#ifndef SOFTCLOSE_TOOLS_LOG_PATH_H
#define SOFTCLOSE_TOOLS_LOG_PATH_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#define LOG_DEFAULT "softclose.%e.%p.jsonl"

enum log_kind {
    LOG_ONE_FILE, /* expanded by softclose, one file for the whole process tree */
    LOG_MANY,     /* holds an explicit %p: each process expands it, one file each */
    LOG_STREAM,   /* stderr, none or unix:, which are passed on as they are */
};

enum log_kind log_kind(const char *given);

/* `pattern` with everything expanded; NULL when there is no memory. */
char *log_expand(const char *pattern, pid_t pid, const char *program, time_t start);

/* `path` from the root directory, for a program that changes its own; NULL and errno. */
char *log_absolute(const char *path);

/* `path` with every % doubled, so that the shim takes it as it stands. */
char *log_escape(const char *path);

/* `path` as a word for a shell, quoted where needed; with `many`, %p becomes an open *. */
char *log_shell_word(const char *path, bool many);

#endif
