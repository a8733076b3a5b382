/* SPDX-License-Identifier: MIT */
#include "shim/drain_table.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "shim/endpoint.h"
#include "shim/pool.h"

enum { SPARE = 64 }; /* places beyond close.max_draining */

enum peer_family { PEER_NONE, PEER_IPV4, PEER_IPV6 };

/* With its place in the heap 100 bytes: a hundred thousand may be under way. Times in ns. */
struct place {
    uint64_t id, since;
    uint64_t started, last, most, bytes;
    uint32_t idle_ms, total_ms;
    int32_t program_fd;
    int32_t fd : 24; /* the lowest free one: DRAIN_TABLE_MOST and a few */
    uint32_t copying : 2, watched : 1;
    uint32_t heap;         /* its index in the heap */
    uint32_t older, newer; /* neighbours by age; of a free place `older` is the next free one */
    uint8_t peer_address[16];
    in_port_t peer_port;
    /* `type` has no room for datagrams, which are not drained. */
    uint16_t peer_family : 2, proto : 2, type : 1, role : 2, shut : 2, telling : 2;
    uint16_t on_limit : 1, deaf : 1, soften : 1, softened : 1;
};

_Static_assert(sizeof(struct place) == 96, "no padding");

static struct place *places;
static uint32_t *heap; /* places, the earliest deadline first */
static uint32_t places_most;
static uint32_t heap_count, place_count, free_place, oldest, newest;
static uint32_t softening; /* how many of them are of a shutdown(SHUT_RDWR) */

/* IPv6's flow and scope are left out: no event tells them. */
static void keep_peer(struct place *place, const struct endpoint_small *peer)
{
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;

    place->peer_family = PEER_NONE;
    if (peer->length == sizeof ipv4) {
        memcpy(&ipv4, peer->bytes, sizeof ipv4);
        place->peer_family = PEER_IPV4;
        place->peer_port = ipv4.sin_port;
        memcpy(place->peer_address, &ipv4.sin_addr, sizeof ipv4.sin_addr);
    } else if (peer->length == sizeof ipv6) {
        memcpy(&ipv6, peer->bytes, sizeof ipv6);
        place->peer_family = PEER_IPV6;
        place->peer_port = ipv6.sin6_port;
        memcpy(place->peer_address, &ipv6.sin6_addr, sizeof ipv6.sin6_addr);
    }
}

static void get_peer(const struct place *place, struct endpoint_small *out)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = place->peer_port};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = place->peer_port};

    memcpy(&ipv4.sin_addr, place->peer_address, sizeof ipv4.sin_addr);
    memcpy(&ipv6.sin6_addr, place->peer_address, sizeof ipv6.sin6_addr);
    if (place->peer_family == PEER_IPV4)
        endpoint_shrink((const struct sockaddr *)&ipv4, sizeof ipv4, out);
    else
        endpoint_shrink((const struct sockaddr *)&ipv6,
                        place->peer_family == PEER_IPV6 ? sizeof ipv6 : 0, out);
}

static uint64_t deadline_at(uint32_t index)
{
    const struct place *place = &places[heap[index]];
    const struct drain clock = {.idle_ms = place->idle_ms,
                                .total_ms = place->total_ms,
                                .started = place->started,
                                .last = place->last};
    return drain_deadline(&clock);
}

static void heap_set(uint32_t index, uint32_t place)
{
    heap[index] = place;
    places[place].heap = index;
}

static void heap_swap(uint32_t a, uint32_t b)
{
    uint32_t place = heap[a];
    heap_set(a, heap[b]);
    heap_set(b, place);
}

static void heap_sink(uint32_t index)
{
    for (;;) {
        uint32_t least = index, left = 2 * index + 1;
        for (uint32_t child = left; child < left + 2 && child < heap_count; child++)
            if (deadline_at(child) < deadline_at(least))
                least = child;
        if (least == index)
            return;
        heap_swap(index, least);
        index = least;
    }
}

static void heap_rise(uint32_t index)
{
    while (index > 0 && deadline_at(index) < deadline_at((index - 1) / 2)) {
        heap_swap(index, (index - 1) / 2);
        index = (index - 1) / 2;
    }
}

static void heap_remove(uint32_t index)
{
    heap_count--;
    if (index == heap_count)
        return;
    heap_set(index, heap[heap_count]);
    heap_sink(index);
    heap_rise(index);
}

bool drain_table_start(uint32_t max_draining)
{
    if (places == NULL) {
        places_most =
            max_draining < DRAIN_TABLE_MOST - SPARE ? max_draining + SPARE : DRAIN_TABLE_MOST;
        struct place *room = pool_reserve(places_most * (sizeof *places + sizeof *heap));
        if (room == NULL)
            return false;
        heap = (uint32_t *)(void *)(room + places_most);
        atomic_signal_fence(memory_order_release); /* a child forked here has all of it or none */
        places = room;
    }
    heap_count = place_count = softening = 0;
    free_place = oldest = newest = DRAIN_TABLE_NONE;
    return true;
}

static uint32_t place_take(void)
{
    uint32_t index = free_place;

    if (index != DRAIN_TABLE_NONE)
        free_place = places[index].older;
    else if (place_count < places_most)
        index = place_count++;
    else
        return DRAIN_TABLE_NONE;
    places[index].older = newest;
    places[index].newer = DRAIN_TABLE_NONE;
    if (newest != DRAIN_TABLE_NONE)
        places[newest].newer = index;
    else
        oldest = index;
    newest = index;
    return index;
}

static void place_give(uint32_t index)
{
    struct place *place = &places[index];

    if (place->older != DRAIN_TABLE_NONE)
        places[place->older].newer = place->newer;
    else
        oldest = place->newer;
    if (place->newer != DRAIN_TABLE_NONE)
        places[place->newer].older = place->older;
    else
        newest = place->older;
    place->fd = -1;
    place->older = free_place;
    free_place = index;
}

uint32_t drain_table_take(const struct draining *draining)
{
    const struct drain *drain = &draining->drain;
    const struct socket *socket = &draining->socket;
    uint32_t index = place_take();

    if (index == DRAIN_TABLE_NONE)
        return index;
    struct place *place = &places[index];
    *place = (struct place){
        .older = place->older,
        .newer = place->newer,
        .id = socket->id,
        .since = socket->since,
        .role = socket->role,
        .shut = socket->shut,
        .softened = socket->softened,
        .started = drain->started,
        .last = drain->last,
        .most = drain->most,
        .bytes = drain->bytes,
        .idle_ms = drain->idle_ms,
        .total_ms = drain->total_ms,
        .fd = drain->fd,
        .program_fd = draining->program_fd,
        .proto = drain->how.proto,
        .type = drain->how.type,
        .copying = drain->how.copying,
        .on_limit = drain->on_limit,
        .telling = drain->telling,
        .deaf = drain->deaf,
        .soften = drain->soften,
    };
    keep_peer(place, &socket->peer);
    softening += place->soften;
    heap_count++;
    heap_set(heap_count - 1, index);
    heap_rise(heap_count - 1);
    return index;
}

void drain_table_give(uint32_t index)
{
    softening -= places[index].soften;
    heap_remove(places[index].heap);
    place_give(index);
}

void drain_table_drain(uint32_t index, struct drain *out)
{
    const struct place *place = &places[index];

    *out = (struct drain){
        .fd = place->fd,
        .how = {.proto = place->proto, .type = place->type, .copying = place->copying},
        .on_limit = place->on_limit,
        .telling = place->telling,
        .deaf = place->deaf,
        .soften = place->soften,
        .idle_ms = place->idle_ms,
        .total_ms = place->total_ms,
        .most = place->most,
        .bytes = place->bytes,
        .started = place->started,
        .last = place->last,
    };
}

void drain_table_get(uint32_t index, struct draining *out)
{
    const struct place *place = &places[index];

    drain_table_drain(index, &out->drain);
    out->program_fd = place->program_fd;
    out->socket = (struct socket){
        .id = place->id,
        .since = place->since,
        .proto = place->proto,
        .type = place->type,
        .role = place->role,
        .shut = place->shut,
        .softened = place->softened,
    };
    get_peer(place, &out->socket.peer);
}

void drain_table_progress(uint32_t index, const struct drain *drain)
{
    struct place *place = &places[index];

    place->bytes = drain->bytes;
    place->deaf = drain->deaf;
    place->copying = drain->how.copying;
    if (place->last == drain->last)
        return;
    place->last = drain->last;
    heap_sink(place->heap); /* deadlines only ever move later */
}

void drain_table_watch(uint32_t index)
{
    places[index].watched = true;
}

bool drain_table_watched(uint32_t index)
{
    return places[index].watched;
}

bool drain_table_softens(uint32_t index)
{
    return places[index].soften;
}

uint32_t drain_table_softening(uint64_t id)
{
    uint32_t index = softening > 0 ? oldest : DRAIN_TABLE_NONE;

    while (index != DRAIN_TABLE_NONE && (places[index].id != id || !places[index].soften))
        index = places[index].newer;
    return index;
}

uint32_t drain_table_count(void)
{
    return heap_count;
}

uint32_t drain_table_room(void)
{
    return places_most;
}

uint32_t drain_table_oldest(void)
{
    return oldest;
}

uint32_t drain_table_next(uint64_t *deadline)
{
    if (heap_count == 0)
        return DRAIN_TABLE_NONE;
    *deadline = deadline_at(0);
    return heap[0];
}
