/* SPDX-License-Identifier: MIT */
/*
 * Memory for the hash tables, mapped by ourselves: close() must not call the program's allocator.
 * Freed pieces are kept by size. Not thread-safe: each shard has its own pool under its own lock.
 */
#ifndef SOFTCLOSE_SHIM_POOL_H
#define SOFTCLOSE_SHIM_POOL_H

#include <stddef.h>

enum { POOL_STEP = 16, POOL_SMALL_CLASSES = 16, POOL_CLASSES = POOL_SMALL_CLASSES + 16 };

struct pool {
    char *next, *end;
    void *freed[POOL_CLASSES];
};

/* `region` must be zero pages (mmap) and aligned to 16. */
void pool_start(struct pool *pool, void *region, size_t bytes);

/* NULL when the kernel gives no more. Contents are undefined. */
void *pool_alloc(struct pool *pool, size_t bytes);

void pool_free(struct pool *pool, void *piece, size_t bytes);

/* Zero pages (mmap), touched lazily; NULL when there are none to be had. */
void *pool_reserve(size_t bytes);

#endif
