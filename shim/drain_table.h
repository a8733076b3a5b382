/* SPDX-License-Identifier: MIT */
/*
 * The drains under way in the background: by age, to evict the oldest, and by deadline, in a heap.
 * Touched by the drain thread only. Its memory is mapped once and kept: some 100 bytes for each
 * drain, which is all that a drain and the event of its end need and the kernel may not tell by
 * then.
 */
#ifndef SOFTCLOSE_SHIM_DRAIN_TABLE_H
#define SOFTCLOSE_SHIM_DRAIN_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/drain.h"
#include "shim/sockets.h"

enum { DRAIN_TABLE_MOST = 1 << 17 }; /* drains at once, whatever close.max_draining says */

static const uint32_t DRAIN_TABLE_NONE = UINT32_MAX;

/* What is kept of a drain, as it goes in and comes out. */
struct draining {
    struct drain drain;   /* its fd is the thread's */
    struct socket socket; /* id, since, role, proto, type, shut, softened, peer */
    int program_fd;       /* the number it had in the program */
};

/* Room for `max_draining` drains; empties it. False: no memory. */
bool drain_table_start(uint32_t max_draining);

/* A place for the drain; DRAIN_TABLE_NONE when there is none. */
uint32_t drain_table_take(const struct draining *draining);

void drain_table_give(uint32_t index);

void drain_table_get(uint32_t index, struct draining *out);

/* The same, only the drain. Its fd is -1 when the place has been given back. */
void drain_table_drain(uint32_t index, struct drain *out);

/* After a read: its bytes, last, deaf, and how it is read. */
void drain_table_progress(uint32_t index, const struct drain *drain);

/* It is in the thread's epoll set. */
void drain_table_watch(uint32_t index);
bool drain_table_watched(uint32_t index);

/* Is it of a shutdown(SHUT_RDWR)? */
bool drain_table_softens(uint32_t index);

/* The one that softens that socket, or DRAIN_TABLE_NONE. */
uint32_t drain_table_softening(uint64_t id);

uint32_t drain_table_count(void);
uint32_t drain_table_room(void);
uint32_t drain_table_oldest(void); /* DRAIN_TABLE_NONE: empty */

/* The drain with the earliest deadline (CLOCK_MONOTONIC ns), or DRAIN_TABLE_NONE. */
uint32_t drain_table_next(uint64_t *deadline);

#endif
