/* SPDX-License-Identifier: MIT */
/* What the programs of this directory share: each measures itself, and ends with 2 when it cannot.
 */
#ifndef SOFTCLOSE_TESTS_BENCH_H
#define SOFTCLOSE_TESTS_BENCH_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline void must(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    exit(2);
}

/* In seconds. */
static inline double clock_now(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* CLOCK_MONOTONIC, in nanoseconds. */
static inline double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* VmRSS of this process, in KiB: proc(5). */
static inline long resident(void)
{
    char line[256];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");

    must(status != NULL, "/proc/self/status");
    while (fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = atol(line + 6);
    fclose(status);
    return kib;
}

#endif
