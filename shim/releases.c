/* SPDX-License-Identifier: MIT */
#include "shim/releases.h"

#include <stddef.h>

/* A state: the member in the upper 16 bits (plus one, so that none is 0), the number below. */
static const uint64_t NUMBER_BITS = (1ull << 48) - 1;
enum { NUMBER_WIDTH = 48 };

static struct releases *releases;

void releases_start(struct releases *shared)
{
    releases = shared;
}

/* All ones: its number is just being taken. */
static uint64_t state_of(int member, uint64_t number)
{
    return (uint64_t)(member + 1) << NUMBER_WIDTH | (number & NUMBER_BITS);
}

static int member_of(uint64_t state)
{
    return (int)(state >> NUMBER_WIDTH) - 1;
}

/* Nobody but the one who takes the number touches the entry then. */
static bool is_pending(uint64_t state)
{
    return (state & NUMBER_BITS) == NUMBER_BITS;
}

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static bool exchange(uint64_t *word, uint64_t from, uint64_t to)
{
    return __atomic_compare_exchange_n(word, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Each may stand in either of two buckets: so one finds room until the table is nearly full. */
struct places {
    struct release *bucket[2];
};

static struct places places_of(uint64_t id, int member)
{
    uint64_t mixed = (id + (uint64_t)member * 0x9e3779b97f4a7c15ull) * 0xbf58476d1ce4e5b9ull;

    mixed = (mixed ^ mixed >> 31) * 0x94d049bb133111ebull;
    return (struct places){{releases->buckets[mixed % RELEASE_BUCKETS],
                            releases->buckets[(mixed >> 32) % RELEASE_BUCKETS]}};
}

static struct release *entry_at(const struct places *places, int i)
{
    return &places->bucket[i / RELEASES_PER_BUCKET][i % RELEASES_PER_BUCKET];
}

/* Its state goes to `state`: an entry can become another's between two looks at it. */
static struct release *find(const struct places *places, uint64_t id, int member, uint64_t *state)
{
    for (int i = 0; i < 2 * RELEASES_PER_BUCKET; i++) {
        struct release *entry = entry_at(places, i);
        if (load(&entry->id) != id)
            continue;
        *state = load(&entry->state);
        if (member_of(*state) == member && load(&entry->id) == id)
            return entry;
    }
    return NULL;
}

/* The entry belongs to whoever made its state 0. */
static struct release *take_free(const struct places *places, uint64_t id)
{
    for (int i = 0; i < 2 * RELEASES_PER_BUCKET; i++) {
        struct release *entry = entry_at(places, i);
        if (load(&entry->id) == 0 && exchange(&entry->id, 0, id))
            return entry;
    }
    return NULL;
}

/* Of a process that is no more: its place is free, or somebody's who was born later. */
static bool is_stale(uint64_t state)
{
    uint64_t owner = members_owner(member_of(state));
    return owner == 0 || owner > (state & NUMBER_BITS);
}

static struct release *take_oldest(const struct places *places, uint64_t id)
{
    struct release *oldest = NULL;
    uint64_t its_state = 0;

    for (int i = 0; i < 2 * RELEASES_PER_BUCKET; i++) {
        struct release *entry = entry_at(places, i);
        uint64_t state = load(&entry->state);
        if (state == 0 || is_pending(state) || member_of(state) == RELEASE_SENT)
            continue;
        bool older = oldest == NULL || (state & NUMBER_BITS) < (its_state & NUMBER_BITS);
        if (!older && !is_stale(state))
            continue;
        oldest = entry;
        its_state = state;
        if (is_stale(state))
            break;
    }
    if (oldest == NULL || !exchange(&oldest->state, its_state, 0))
        return NULL;
    __atomic_store_n(&oldest->id, id, __ATOMIC_SEQ_CST);
    return oldest;
}

uint64_t releases_put(uint64_t id, int member, bool *noted)
{
    uint64_t pending = state_of(member, NUMBER_PENDING), state;
    struct places places = places_of(id, member);
    struct release *entry = find(&places, id, member, &state);

    if (entry != NULL && (is_pending(state) || !exchange(&entry->state, state, pending)))
        entry = NULL;
    for (int tries = 0; entry == NULL && tries < 4; tries++) {
        entry = take_free(&places, id);
        if (entry == NULL)
            entry = take_oldest(&places, id);
        if (entry != NULL)
            __atomic_store_n(&entry->state, pending, __ATOMIC_SEQ_CST);
    }
    *noted = entry != NULL;
    uint64_t number = members_number();
    if (entry != NULL)
        __atomic_store_n(&entry->state, state_of(member, number), __ATOMIC_SEQ_CST);
    return number;
}

uint64_t releases_find(uint64_t id, int member)
{
    struct places places = places_of(id, member);
    uint64_t state;
    int tries = 0;

    do {
        if (find(&places, id, member, &state) == NULL)
            return 0;
        if (!is_pending(state))
            return state & NUMBER_BITS;
    } while (members_wait(tries++));
    return NUMBER_PENDING;
}

void releases_renumber(uint64_t id, int member, uint64_t number)
{
    struct places places = places_of(id, member);
    uint64_t state;
    struct release *entry = find(&places, id, member, &state);

    if (entry != NULL && !is_pending(state))
        exchange(&entry->state, state, state_of(member, number));
}

uint64_t releases_remove(uint64_t id, int member)
{
    struct places places = places_of(id, member);
    uint64_t state;
    struct release *entry = find(&places, id, member, &state);

    if (entry == NULL || is_pending(state) || !exchange(&entry->state, state, 0))
        return 0;
    __atomic_store_n(&entry->id, 0, __ATOMIC_SEQ_CST);
    return state & NUMBER_BITS;
}
