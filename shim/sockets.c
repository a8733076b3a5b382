/* SPDX-License-Identifier: MIT */
#include "shim/sockets.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "shim/pool.h"
#include "shim/raw.h"

/* A full pool must not end the program: the element stays out of the table. */
#define HASH_NONFATAL_OOM 1
#define uthash_malloc(bytes) pool_alloc(&shard->pool, bytes)
#define uthash_free(piece, bytes) pool_free(&shard->pool, piece, bytes)
#define uthash_nonfatal_oom(element) ((element)->lost = true)
#include <uthash.h>

enum { SHARDS = 16 };

struct descriptor {
    int fd;
    bool lost;
    uint64_t id;
    UT_hash_handle hh;
};

struct entry {
    struct socket socket;
    bool lost;
    UT_hash_handle hh;
};

struct shard {
    unsigned lock;
    bool abandoned;
    struct pool pool;
    union {
        struct descriptor *descriptors;
        struct entry *sockets;
    };
} __attribute__((aligned(64)));

struct socket_states socket_states = {.beyond = DESCRIPTOR_SOCKET};

static struct shard descriptor_shards[SHARDS];
static struct shard socket_shards[SHARDS];
static char *region;

/* The highest descriptor that ever had a bit, own ones apart: nothing is looked for above it. */
static int highest = -1;
static size_t shard_bytes;

/* Set while this thread is between lock and unlock: a signal handler that comes in passes by. */
static _Thread_local volatile bool inside;

/* Set while this thread holds every lock, around a fork. */
static _Thread_local volatile bool holds_all;

/* Once a lock could not be had, nobody waits for it as long again until it is free: its holder has
 * left it by longjmp. */
static bool lock_word(unsigned *lock, bool *abandoned)
{
    /* Bounded: about 200 spins, then yields. A holder is gone for longer only when its thread left
     * by longjmp from a handler, and then passing by is all that is left. */
    unsigned most = __atomic_load_n(abandoned, __ATOMIC_RELAXED) ? 1 : 20000;

    for (unsigned tries = 0; tries < most; tries++) {
        unsigned free = 0;
        if (__atomic_compare_exchange_n(lock, &free, 1, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED)) {
            __atomic_store_n(abandoned, false, __ATOMIC_RELAXED);
            return true;
        }
        if (tries >= 200)
            raw_call(SYS_sched_yield);
    }
    __atomic_store_n(abandoned, true, __ATOMIC_RELAXED);
    return false;
}

static bool shard_lock(struct shard *shard)
{
    if (inside || shard->pool.end == NULL)
        return false;
    inside = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (lock_word(&shard->lock, &shard->abandoned))
        return true;
    inside = false;
    return false;
}

static void shard_unlock(struct shard *shard)
{
    __atomic_store_n(&shard->lock, 0, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    inside = false;
}

static struct shard *shard_of_fd(int fd)
{
    return &descriptor_shards[(unsigned)fd % SHARDS];
}

static struct shard *shard_of_id(uint64_t id)
{
    return &socket_shards[id % SHARDS];
}

static void pools_start(void)
{
    for (size_t i = 0; i < SHARDS; i++) {
        pool_start(&descriptor_shards[i].pool, region + 2 * i * shard_bytes, shard_bytes);
        pool_start(&socket_shards[i].pool, region + (2 * i + 1) * shard_bytes, shard_bytes);
        descriptor_shards[i].descriptors = NULL;
        socket_shards[i].sockets = NULL;
        descriptor_shards[i].lock = socket_shards[i].lock = 0;
    }
}

static char *reserve(size_t bytes)
{
    long memory = raw_call(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return (unsigned long)memory > -4096UL ? NULL : (char *)memory;
}

bool sockets_start(unsigned descriptors)
{
    uint8_t *bytes = (uint8_t *)reserve(descriptors);

    /* Pools grow by themselves; small at first, for programs that lock or count their memory. */
    shard_bytes = 32u << 10;
    region = reserve(2 * SHARDS * shard_bytes);
    if (bytes == NULL || region == NULL)
        return false;
    pools_start();
    socket_states.bytes = bytes;
    __atomic_store_n(&socket_states.count, descriptors, __ATOMIC_RELEASE);
    return true;
}

void sockets_stop(void)
{
    socket_states.beyond = 0;
    __atomic_store_n(&socket_states.count, 0, __ATOMIC_RELEASE);
}

uint8_t sockets_state(int fd)
{
    unsigned index = (unsigned)fd;
    return index < socket_states.count
               ? __atomic_load_n(&socket_states.bytes[index], __ATOMIC_ACQUIRE)
               : socket_states.beyond;
}

void sockets_state_set(int fd, uint8_t bits)
{
    int known = __atomic_load_n(&highest, __ATOMIC_RELAXED);

    if ((unsigned)fd >= socket_states.count)
        return;
    __atomic_or_fetch(&socket_states.bytes[fd], bits, __ATOMIC_RELEASE);
    while (bits != DESCRIPTOR_OWN && fd > known &&
           !__atomic_compare_exchange_n(&highest, &known, fd, false, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED)) {
    }
}

void sockets_state_clear(int fd, uint8_t bits)
{
    if ((unsigned)fd < socket_states.count)
        __atomic_and_fetch(&socket_states.bytes[fd], (uint8_t)~bits, __ATOMIC_RELEASE);
}

int sockets_next(int fd, int last, uint8_t bits)
{
    int known = __atomic_load_n(&highest, __ATOMIC_ACQUIRE);

    if (last > known)
        last = known;
    for (unsigned i = fd < 0 ? 0 : (unsigned)fd; i < socket_states.count && (int)i <= last; i++) {
        /* Eight at a time over the empty stretches. */
        while (i % 8 == 0 && i + 8 <= socket_states.count &&
               *(uint64_t *)(void *)&socket_states.bytes[i] == 0 && (int)i + 8 <= last)
            i += 8;
        if (i < socket_states.count && (sockets_state((int)i) & bits) != 0)
            return (int)i;
    }
    return -1;
}

/* One descriptor fewer; the last one takes the socket along. */
static void drop_reference(uint64_t id)
{
    struct shard *shard = shard_of_id(id);
    struct entry *entry = NULL;

    if (!shard_lock(shard))
        return;
    HASH_FIND(hh, shard->sockets, &id, sizeof id, entry);
    if (entry != NULL && entry->socket.announced > 0)
        entry->socket.announced--;
    if (entry != NULL && --entry->socket.descriptors == 0) {
        HASH_DEL(shard->sockets, entry);
        pool_free(&shard->pool, entry, sizeof *entry);
    } else if (entry != NULL) {
        entry->socket.renumbered = true;
    }
    shard_unlock(shard);
}

static bool add_reference(const struct socket *socket)
{
    struct shard *shard = shard_of_id(socket->id);
    struct entry *entry = NULL;

    if (!shard_lock(shard))
        return false;
    HASH_FIND(hh, shard->sockets, &socket->id, sizeof socket->id, entry);
    if (entry == NULL) {
        entry = pool_alloc(&shard->pool, sizeof *entry);
        if (entry != NULL) {
            *entry = (struct entry){.socket = *socket};
            entry->socket.descriptors = 0;
            HASH_ADD(hh, shard->sockets, socket.id, sizeof entry->socket.id, entry);
            if (entry->lost) {
                pool_free(&shard->pool, entry, sizeof *entry);
                entry = NULL;
            }
        }
    }
    if (entry != NULL)
        entry->socket.descriptors++;
    shard_unlock(shard);
    return entry != NULL;
}

/* Takes the descriptor out of its table; returns the id it stood for, or 0. `only` restricts
 * that to one socket (0 = any). */
static uint64_t take_descriptor(int fd, uint64_t only)
{
    struct shard *shard = shard_of_fd(fd);
    struct descriptor *descriptor = NULL;
    uint64_t id = 0;

    if (!shard_lock(shard))
        return 0;
    HASH_FIND_INT(shard->descriptors, &fd, descriptor);
    if (descriptor != NULL && (only == 0 || descriptor->id == only)) {
        id = descriptor->id;
        HASH_DEL(shard->descriptors, descriptor);
        pool_free(&shard->pool, descriptor, sizeof *descriptor);
        if ((sockets_state(fd) & DESCRIPTOR_UNSURE) == 0)
            sockets_state_clear(fd, DESCRIPTOR_SOCKET);
    }
    shard_unlock(shard);
    return id;
}

static bool put_descriptor(int fd, uint64_t id)
{
    struct shard *shard = shard_of_fd(fd);
    struct descriptor *descriptor;

    if (!shard_lock(shard))
        return false;
    descriptor = pool_alloc(&shard->pool, sizeof *descriptor);
    if (descriptor != NULL) {
        *descriptor = (struct descriptor){.fd = fd, .id = id};
        HASH_ADD_INT(shard->descriptors, fd, descriptor);
        if (descriptor->lost) {
            pool_free(&shard->pool, descriptor, sizeof *descriptor);
            descriptor = NULL;
        }
    }
    shard_unlock(shard);
    return descriptor != NULL;
}

void sockets_add(int fd, const struct socket *socket)
{
    uint64_t before = take_descriptor(fd, 0);

    if (before != 0)
        drop_reference(before);
    bool known = add_reference(socket);
    if (known && !put_descriptor(fd, socket->id)) {
        drop_reference(socket->id);
        known = false;
    }
    /* Even without a place in the table the descriptor is known to be a socket: its close asks the
     * kernel and is reported, only without history. */
    sockets_state_set(fd, known ? DESCRIPTOR_SOCKET : DESCRIPTOR_SOCKET | DESCRIPTOR_UNSURE);
    sockets_state_clear(fd, known ? DESCRIPTOR_CLOSED | DESCRIPTOR_UNSURE : DESCRIPTOR_CLOSED);
}

bool sockets_find(int fd, struct socket *out)
{
    struct shard *shard = shard_of_fd(fd);
    struct descriptor *descriptor = NULL;
    struct entry *entry = NULL;
    uint64_t id = 0;

    if (!shard_lock(shard))
        return false;
    HASH_FIND_INT(shard->descriptors, &fd, descriptor);
    if (descriptor != NULL)
        id = descriptor->id;
    shard_unlock(shard);
    if (id == 0)
        return false;

    shard = shard_of_id(id);
    if (!shard_lock(shard))
        return false;
    HASH_FIND(hh, shard->sockets, &id, sizeof id, entry);
    if (entry != NULL)
        *out = entry->socket;
    shard_unlock(shard);
    return entry != NULL;
}

void sockets_remove(int fd, uint64_t id)
{
    if (take_descriptor(fd, id) != 0)
        drop_reference(id);
    /* With UNSURE the bits stay: the number may be another socket's already. The kernel is asked at
     * the next close of that number. */
}

bool sockets_known(uint64_t id)
{
    struct shard *shard = shard_of_id(id);
    struct entry *entry = NULL;

    if (!shard_lock(shard))
        return true;
    HASH_FIND(hh, shard->sockets, &id, sizeof id, entry);
    shard_unlock(shard);
    return entry != NULL;
}

void sockets_update(uint64_t id, void (*change)(struct socket *socket, void *context),
                    void *context)
{
    struct shard *shard = shard_of_id(id);
    struct entry *entry = NULL;

    if (id == 0 || !shard_lock(shard))
        return;
    HASH_FIND(hh, shard->sockets, &id, sizeof id, entry);
    if (entry != NULL)
        change(&entry->socket, context);
    shard_unlock(shard);
}

static void each_of_shard(struct shard *shard, void (*each)(struct socket *, void *), void *context)
{
    for (struct entry *entry = shard->sockets; entry != NULL; entry = entry->hh.next)
        each(&entry->socket, context);
}

void sockets_each(void (*each)(struct socket *socket, void *context), void *context)
{
    for (size_t i = 0; i < SHARDS; i++) {
        if (!holds_all && !shard_lock(&socket_shards[i]))
            continue;
        each_of_shard(&socket_shards[i], each, context);
        if (!holds_all)
            shard_unlock(&socket_shards[i]);
    }
}

bool sockets_lock_all(void)
{
    if (inside || region == NULL)
        return false;
    inside = true;
    for (size_t i = 0; i < 2 * SHARDS; i++) {
        struct shard *shard = i < SHARDS ? &descriptor_shards[i] : &socket_shards[i - SHARDS];
        if (lock_word(&shard->lock, &shard->abandoned))
            continue;
        while (i-- > 0) {
            shard = i < SHARDS ? &descriptor_shards[i] : &socket_shards[i - SHARDS];
            __atomic_store_n(&shard->lock, 0, __ATOMIC_RELEASE);
        }
        inside = false;
        return false;
    }
    holds_all = true;
    return true;
}

void sockets_unlock_all(void)
{
    holds_all = false;
    for (size_t i = 0; i < SHARDS; i++) {
        __atomic_store_n(&descriptor_shards[i].lock, 0, __ATOMIC_RELEASE);
        __atomic_store_n(&socket_shards[i].lock, 0, __ATOMIC_RELEASE);
    }
    inside = false;
}

void sockets_forget(void)
{
    if (region == NULL)
        return;
    pools_start();
    inside = holds_all = false;
}
