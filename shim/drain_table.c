/* SPDX-License-Identifier: MIT */
#include "shim/drain_table.h"

#include <stddef.h>
#include <sys/mman.h>

#include "shim/raw.h"

enum { SPARE = 64 }; /* places beyond close.max_draining */

static struct place *places;
static uint32_t *heap; /* places, the earliest deadline first */
static uint32_t places_most;
static uint32_t heap_count, place_count, free_place, oldest, newest;

static uint64_t deadline_at(uint32_t index)
{
    return drain_deadline(&places[heap[index]].drain);
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
    long result;

    if (places == NULL) {
        places_most =
            max_draining < DRAIN_TABLE_MOST - SPARE ? max_draining + SPARE : DRAIN_TABLE_MOST;
        size_t bytes = places_most * (sizeof *places + sizeof *heap);
        result = raw_call(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if ((unsigned long)result > -4096UL)
            return false;
        places = (struct place *)result;
        heap = (uint32_t *)(void *)(places + places_most);
    }
    heap_count = place_count = 0;
    free_place = oldest = newest = DRAIN_TABLE_NONE;
    return true;
}

static uint32_t place_take(void)
{
    uint32_t index = free_place;

    if (index != DRAIN_TABLE_NONE)
        free_place = places[index].free;
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
    place->free = free_place;
    free_place = index;
}

uint32_t drain_table_take(const struct drain *drain, int fd, const struct socket *socket)
{
    uint32_t index = place_take();

    if (index == DRAIN_TABLE_NONE)
        return index;
    places[index].program_fd = drain->fd;
    places[index].drain = *drain;
    places[index].drain.fd = fd;
    places[index].socket = *socket;
    heap_count++;
    heap_set(heap_count - 1, index);
    heap_rise(heap_count - 1);
    return index;
}

void drain_table_give(uint32_t index)
{
    heap_remove(places[index].heap);
    place_give(index);
}

struct place *drain_table_place(uint32_t index)
{
    return &places[index];
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
    uint32_t top;

    if (heap_count == 0)
        return DRAIN_TABLE_NONE;
    /* Deadlines only ever move later, so the top may be out of date: sink it until it is not. */
    do {
        top = heap[0];
        heap_sink(0);
    } while (heap[0] != top);
    *deadline = deadline_at(0);
    return top;
}
