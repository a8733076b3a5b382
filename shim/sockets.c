/* SPDX-License-Identifier: MIT */
#include "shim/sockets.h"

#include <limits.h>
#include <stddef.h>

#include "shim/descriptors.h"
#include "shim/locks.h"
#include "shim/pool.h"

/* A full pool must not end the program: the element stays out of the table. */
#define HASH_NONFATAL_OOM 1
#define uthash_malloc(bytes) pool_alloc(&shard->pool, bytes)
#define uthash_free(piece, bytes) pool_free(&shard->pool, piece, bytes)
#define uthash_nonfatal_oom(element) ((void)(element), shard->refused = true)
/* Ids are numbers, many of them in a row: their product with 2^64 divided by the golden ratio. */
#define HASH_FUNCTION(key, length, hash)                                                           \
    ((hash) = (unsigned)(*(const uint64_t *)(key)*UINT64_C(0x9e3779b97f4a7c15) >> 32))
#define HASH_KEYCMP(a, b, length) (*(const uint64_t *)(a) != *(const uint64_t *)(b))
#include <uthash.h>

/* Pools grow by themselves; small at first, for programs that lock or count their memory. */
enum { SHARD_BYTES = 32 << 10 };

struct entry {
    struct socket socket;
    UT_hash_handle hh;
};

static struct shard {
    struct pool pool;
    struct entry *entries;
    bool refused; /* no memory for the one that was just added */
} __attribute__((aligned(64))) shards[LOCK_SHARDS];

static char *region;

static unsigned lock_of(const struct shard *shard)
{
    return LOCK_SOCKETS + (unsigned)(shard - shards);
}

static bool shard_lock(struct shard *shard)
{
    return region != NULL && locks_take(lock_of(shard));
}

static void shard_unlock(struct shard *shard)
{
    locks_give(lock_of(shard));
}

static struct shard *shard_of(uint64_t id)
{
    return &shards[id % LOCK_SHARDS];
}

/* The shard that this thread is about to go on with stays as it is. */
static void shards_start(void)
{
    for (size_t i = 0; i < LOCK_SHARDS; i++) {
        if (locks_mine(lock_of(&shards[i])))
            continue;
        pool_start(&shards[i].pool, region + i * SHARD_BYTES, SHARD_BYTES);
        shards[i].entries = NULL;
    }
}

bool sockets_start(unsigned descriptors)
{
    region = pool_reserve(LOCK_SHARDS * SHARD_BYTES);
    if (region == NULL || !descriptors_start())
        return false;
    shards_start();
    return states_start(descriptors);
}

/* In the shard's lock. */
static struct entry *entry_of(struct shard *shard, uint64_t id)
{
    struct entry *entry;

    HASH_FIND(hh, shard->entries, &id, sizeof id, entry);
    return entry;
}

static struct entry *entry_add(struct shard *shard, const struct socket *socket)
{
    struct entry *entry = pool_alloc(&shard->pool, sizeof *entry);

    if (entry == NULL)
        return NULL;
    entry->socket = *socket;
    entry->socket.descriptors = 0;
    shard->refused = false;
    HASH_ADD(hh, shard->entries, socket.id, sizeof entry->socket.id, entry);
    if (!shard->refused)
        return entry;
    pool_free(&shard->pool, entry, sizeof *entry);
    return NULL;
}

static unsigned announced;

void sockets_announce(struct socket *socket, int change)
{
    socket->announced += (unsigned)change;
    __atomic_add_fetch(&announced, (unsigned)change, __ATOMIC_RELAXED);
}

unsigned sockets_announced(void)
{
    return __atomic_load_n(&announced, __ATOMIC_RELAXED);
}

/* One descriptor fewer; the last one takes the socket along. */
static void drop_reference(uint64_t id)
{
    struct shard *shard = shard_of(id);
    struct entry *entry;

    if (!shard_lock(shard))
        return;
    entry = entry_of(shard, id);
    if (entry != NULL && entry->socket.announced > 0)
        sockets_announce(&entry->socket, -1);
    if (entry != NULL && --entry->socket.descriptors == 0) {
        sockets_announce(&entry->socket, -(int)entry->socket.announced);
        HASH_DEL(shard->entries, entry);
        pool_free(&shard->pool, entry, sizeof *entry);
    } else if (entry != NULL) {
        entry->socket.renumbered = true;
    }
    shard_unlock(shard);
}

static bool add_reference(const struct socket *socket)
{
    struct shard *shard = shard_of(socket->id);
    struct entry *entry;

    if (!shard_lock(shard))
        return false;
    entry = entry_of(shard, socket->id);
    if (entry == NULL)
        entry = entry_add(shard, socket);
    if (entry != NULL)
        entry->socket.descriptors++;
    shard_unlock(shard);
    return entry != NULL;
}

static void is_elsewhere(struct socket *socket, void *context)
{
    (void)context;
    socket->elsewhere = true;
}

void sockets_add(int fd, const struct socket *socket)
{
    uint64_t before = descriptors_take(fd, 0);

    if (before != 0)
        drop_reference(before);
    bool known = add_reference(socket);
    if (known && !descriptors_put(fd, socket->id)) {
        /* Not counted: a search can tell that it is there. */
        sockets_update(socket->id, is_elsewhere, NULL);
        drop_reference(socket->id);
        known = false;
    }
    /* Even without a place in the table the descriptor is known to be a socket: its close asks the
     * kernel and is reported, only without history. */
    sockets_state_set(fd, known ? DESCRIPTOR_SOCKET : DESCRIPTOR_SOCKET | DESCRIPTOR_UNSURE);
    sockets_state_clear(fd, known ? DESCRIPTOR_CLOSED | DESCRIPTOR_UNSURE : DESCRIPTOR_CLOSED);
}

uint64_t sockets_id(int fd)
{
    return descriptors_id(fd);
}

bool sockets_find(int fd, struct socket *out)
{
    uint64_t id = descriptors_id(fd);
    struct shard *shard = shard_of(id);
    const struct entry *entry;

    if (id == 0 || !shard_lock(shard))
        return false;
    entry = entry_of(shard, id);
    if (entry != NULL)
        *out = entry->socket;
    shard_unlock(shard);
    return entry != NULL;
}

int sockets_descriptors(uint64_t id, int *fds, int most)
{
    int count = 0;

    for (int fd = 0; (fd = sockets_next(fd, INT_MAX, DESCRIPTOR_SOCKET)) >= 0; fd++)
        if (descriptors_id(fd) == id && count++ < most)
            fds[count - 1] = fd;
    return count;
}

void sockets_remove(int fd, uint64_t id)
{
    if (descriptors_take(fd, id) != 0)
        drop_reference(id);
    /* With UNSURE the bits stay: the number may be another socket's already. The kernel is asked at
     * the next close of that number. */
}

bool sockets_known(uint64_t id)
{
    struct shard *shard = shard_of(id);
    const struct entry *entry;

    if (!shard_lock(shard))
        return true;
    entry = entry_of(shard, id);
    shard_unlock(shard);
    return entry != NULL;
}

void sockets_update(uint64_t id, void (*change)(struct socket *socket, void *context),
                    void *context)
{
    struct shard *shard = shard_of(id);
    struct entry *entry;

    if (id == 0 || !shard_lock(shard))
        return;
    entry = entry_of(shard, id);
    if (entry != NULL)
        change(&entry->socket, context);
    shard_unlock(shard);
}

void sockets_each(void (*each)(struct socket *socket, void *context), void *context)
{
    bool mine = locks_all_mine();

    for (size_t i = 0; i < LOCK_SHARDS; i++) {
        if (!mine && !shard_lock(&shards[i]))
            continue;
        for (struct entry *entry = shards[i].entries; entry != NULL; entry = entry->hh.next)
            each(&entry->socket, context);
        if (!mine)
            shard_unlock(&shards[i]);
    }
}

bool sockets_lock_all(void)
{
    return region != NULL && locks_take_all();
}

void sockets_unlock_all(void)
{
    locks_give_all();
}

void sockets_forget(void)
{
    if (region == NULL)
        return;
    /* Forked by a signal handler between lock and unlock, we are about to go on there: that shard
     * stays as it is, and is unlocked as ever. */
    descriptors_forget();
    shards_start();
    locks_forget();
    announced = 0;
}
