/* SPDX-License-Identifier: MIT */
#include "shim/descriptors.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "shim/locks.h"
#include "shim/pool.h"
#include "shim/raw.h"
#include "shim/states.h"

/* The kernel's own limit is some 2^30 (fs.nr_open). */
enum { PART = 1 << 16, PARTS = (1 << 30) / PART };

static uint64_t *parts[PARTS];

static uint64_t *find(int fd)
{
    unsigned index = (unsigned)fd;
    uint64_t *part =
        index / PART < PARTS ? __atomic_load_n(&parts[index / PART], __ATOMIC_ACQUIRE) : NULL;
    return part == NULL ? NULL : &part[index % PART];
}

static uint64_t *find_or_map(int fd)
{
    unsigned index = (unsigned)fd;
    uint64_t *place = find(fd), *nothing = NULL;

    if (place != NULL || index / PART >= PARTS)
        return place;
    uint64_t *part = pool_reserve(PART * sizeof *part);
    if (part != NULL && !__atomic_compare_exchange_n(&parts[index / PART], &nothing, part, false,
                                                     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        raw_call(SYS_munmap, part, PART * sizeof *part); /* somebody else was faster */
    return find(fd);
}

static unsigned lock_of(int fd)
{
    return LOCK_DESCRIPTORS + (unsigned)fd % LOCK_SHARDS;
}

bool descriptors_start(void)
{
    return find_or_map(0) != NULL;
}

uint64_t descriptors_id(int fd)
{
    const uint64_t *place = find(fd);
    return place == NULL ? 0 : __atomic_load_n(place, __ATOMIC_ACQUIRE);
}

uint64_t descriptors_take(int fd, uint64_t only)
{
    uint64_t *place = find(fd);
    uint64_t id;

    if (place == NULL || __atomic_load_n(place, __ATOMIC_RELAXED) == 0 || !locks_take(lock_of(fd)))
        return 0;
    id = *place;
    if (only != 0 && id != only)
        id = 0;
    if (id != 0) {
        __atomic_store_n(place, 0, __ATOMIC_RELEASE);
        /* Under the lock: another thread may be about to enter a new socket of that number. */
        sockets_state_taken(fd);
    }
    locks_give(lock_of(fd));
    return id;
}

bool descriptors_put(int fd, uint64_t id)
{
    uint64_t *place = find_or_map(fd);

    if (place == NULL || !locks_take(lock_of(fd)))
        return false;
    __atomic_store_n(place, id, __ATOMIC_RELEASE);
    locks_give(lock_of(fd));
    return true;
}

void descriptors_forget(void)
{
    const size_t bytes = PART * sizeof **parts;

    for (size_t i = 0; i < PARTS; i++) /* memory that is locked cannot be given back */
        if (parts[i] != NULL && raw_call(SYS_madvise, parts[i], bytes, MADV_DONTNEED) != 0)
            memset(parts[i], 0, bytes);
}
