/* SPDX-License-Identifier: MIT */
/* What of this process is resident and its own: counted by the kernel in pages, not estimated. */
#ifndef SOFTCLOSE_TESTS_MEMORY_H
#define SOFTCLOSE_TESTS_MEMORY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_IS_OURS 0 /* the sanitizer's shadow is counted, too */
#else
#define MEMORY_IS_OURS 1
#endif

/* Bytes; -1 where the kernel does not tell. */
static inline long memory_touched(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    long kib = -1;

    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "Anonymous:", 10) == 0)
            kib = atol(line + 10);
    if (file != NULL)
        fclose(file);
    return kib < 0 ? -1 : kib * 1024;
}

#endif
