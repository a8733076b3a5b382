/* SPDX-License-Identifier: MIT */
/*
 * The drains under way in the background: by age, to evict the oldest, and by deadline, in a heap.
 * Touched by the drain thread only. Its memory is mapped once and kept.
 */
#ifndef SOFTCLOSE_SHIM_DRAIN_TABLE_H
#define SOFTCLOSE_SHIM_DRAIN_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/drain.h"
#include "shim/sockets.h"

enum { DRAIN_TABLE_MOST = 1 << 17 }; /* drains at once, whatever close.max_draining says */

static const uint32_t DRAIN_TABLE_NONE = UINT32_MAX;

struct place {
    struct drain drain; /* its fd is the thread's; -1 once it is over */
    struct socket socket;
    int program_fd;              /* the number it had in the program */
    uint32_t heap;               /* its index in the heap */
    uint32_t older, newer, free; /* neighbours by age, or the next free place */
};

/* Room for `max_draining` drains; empties it. False: no memory. */
bool drain_table_start(uint32_t max_draining);

/* A place for the drain, which the thread knows as `fd`; DRAIN_TABLE_NONE when there is none. */
uint32_t drain_table_take(const struct drain *drain, int fd, const struct socket *socket);

void drain_table_give(uint32_t index);
struct place *drain_table_place(uint32_t index);
uint32_t drain_table_count(void);
uint32_t drain_table_room(void);
uint32_t drain_table_oldest(void); /* DRAIN_TABLE_NONE: empty */

/* The drain with the earliest deadline (CLOCK_MONOTONIC ns), or DRAIN_TABLE_NONE. */
uint32_t drain_table_next(uint64_t *deadline);

#endif
