/* SPDX-License-Identifier: MIT */
#include "shim/pool.h"

#include <stdbool.h>
#include <sys/mman.h>

#include "shim/raw.h"

void pool_start(struct pool *pool, void *region, size_t bytes)
{
    *pool = (struct pool){.next = region, .end = (char *)region + bytes};
}

/* Steps of 16 bytes up to 256, then powers of two (uthash doubles its bucket arrays). */
static unsigned class_of(size_t bytes, size_t *rounded)
{
    if (bytes <= (size_t)POOL_STEP * POOL_SMALL_CLASSES) {
        size_t steps = bytes == 0 ? 1 : (bytes + POOL_STEP - 1) / POOL_STEP;
        *rounded = steps * POOL_STEP;
        return (unsigned)steps - 1;
    }
    unsigned class = POOL_SMALL_CLASSES;
    for (*rounded = 512; *rounded < bytes && class < POOL_CLASSES - 1; *rounded *= 2)
        class ++;
    return class;
}

/* What is left of the old region is given up: at most one piece's worth. */
static bool grow(struct pool *pool, size_t wanted)
{
    enum { STEP = 256 << 10 };
    size_t bytes = wanted > STEP ? wanted : STEP;
    long memory =
        raw_call(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if ((unsigned long)memory > -4096UL)
        return false;
    pool->next = (char *)memory;
    pool->end = pool->next + bytes;
    return true;
}

void *pool_alloc(struct pool *pool, size_t bytes)
{
    size_t rounded;
    unsigned class = class_of(bytes, &rounded);
    void *piece = pool->freed[class];

    if (bytes > rounded)
        return NULL;
    if (piece != NULL) {
        pool->freed[class] = *(void **)piece;
        return piece;
    }
    if ((size_t)(pool->end - pool->next) < rounded && !grow(pool, rounded))
        return NULL;
    piece = pool->next;
    pool->next += rounded;
    return piece;
}

void pool_free(struct pool *pool, void *piece, size_t bytes)
{
    size_t rounded;
    unsigned class = class_of(bytes, &rounded);

    *(void **)piece = pool->freed[class];
    pool->freed[class] = piece;
}

void *pool_reserve(size_t bytes)
{
    long memory = raw_call(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return (unsigned long)memory > -4096UL ? NULL : (void *)memory;
}
