/* SPDX-License-Identifier: MIT */
/* Memory for the small programs beside the tests: given back at the end of the process, and a
 * lack of it ends the program. */
#ifndef SOFTCLOSE_COMPAT_GROW_H
#define SOFTCLOSE_COMPAT_GROW_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void *no_memory_ends(void *memory)
{
    if (!memory) {
        fputs("no memory\n", stderr);
        exit(2);
    }
    return memory;
}

/* Zeroed. */
static inline void *allocate(size_t size)
{
    return no_memory_ends(calloc(1, size));
}

/* Room for one more after `count` elements; what is new at each doubling is not zeroed. */
static inline void *grow(void *array, size_t count, size_t size)
{
    if (count & (count - 1))
        return array; /* full only at powers of two */
    return no_memory_ends(realloc(array, (count ? 2 * count : 1) * size));
}

static inline char *copy_text(const char *text, size_t length)
{
    char *copy = allocate(length + 1);
    memcpy(copy, text, length);
    return copy;
}

#endif
