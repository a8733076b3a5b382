/* SPDX-License-Identifier: MIT */
#include "shim/pool.h"

void pool_start(struct pool *pool, void *region, size_t bytes)
{
    *pool = (struct pool){.next = region, .end = (char *)region + bytes};
}

/* Steps of 64 bytes up to 512, then powers of two (uthash doubles its bucket arrays). */
static unsigned class_of(size_t bytes, size_t *rounded)
{
    if (bytes <= (size_t)POOL_STEP * POOL_SMALL_CLASSES) {
        size_t steps = bytes == 0 ? 1 : (bytes + POOL_STEP - 1) / POOL_STEP;
        *rounded = steps * POOL_STEP;
        return (unsigned)steps - 1;
    }
    unsigned class = POOL_SMALL_CLASSES;
    for (*rounded = 1024; *rounded < bytes && class < POOL_CLASSES - 1; *rounded *= 2)
        class ++;
    return class;
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
    if ((size_t)(pool->end - pool->next) < rounded)
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
