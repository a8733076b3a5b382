/* SPDX-License-Identifier: MIT */
/*
 * A log of `strace -f -yy -ttt -T -o FILE`, read whole and put into the order in which things
 * began and ended: "<unfinished ...>" and "<... resumed>" lines are joined to one call.
 */
#ifndef SOFTCLOSE_COMPAT_STRACE_LOG_H
#define SOFTCLOSE_COMPAT_STRACE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct call {
    int tid;
    long line;        /* where it began, counted from 1 */
    int64_t ended_ns; /* when it returned, ns since 1970; 0 = it never did */
    char *name;
    char *arguments;    /* everything between the outer parentheses */
    const char *result; /* what stands after "= "; "" when it never returned */
    long value;         /* the number in it; -1 when it failed or never returned */
    bool applied; /* clone family: the child has been made (kept by the reader of the calls) */
};

enum step_kind { STEP_BEGIN, STEP_END, STEP_EXITED, STEP_KILLED };

struct step {
    enum step_kind kind;
    int tid;
    long line;
    int64_t time_ns;
    struct call *call; /* STEP_BEGIN and STEP_END */
};

struct strace_log {
    struct step *steps;
    size_t count;
    char **lines; /* lines[0] is line 1 */
    size_t line_count;
};

/* Reads `path`; on failure says why on stderr and returns false. Never freed: one log a process. */
bool strace_log_read(const char *path, struct strace_log *log);

#endif
