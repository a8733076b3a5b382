/* SPDX-License-Identifier: MIT */
#include "shim/under_way.h"

#include <stddef.h>

/* What is nested deeper is counted only. */
enum { NESTED = 4 };
static _Thread_local struct close {
    uint64_t id; /* of the socket, 0 is none */
    const void *frame;
} closes[NESTED];

/* How many, in the lower bits; above them the number of changes. A signal handler's closes come in
 * between any two instructions, and may leave by siglongjmp(): a change is one instruction, and
 * fails when there was another since the look before it. */
enum { DEPTH_BITS = 16, DEPTH = (1 << DEPTH_BITS) - 1 };
static _Thread_local uint64_t state;

static uint64_t look(void)
{
    uint64_t now = __atomic_load_n(&state, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return now;
}

static unsigned depth_of(uint64_t seen)
{
    return (unsigned)(seen & DEPTH);
}

static bool change(uint64_t seen, unsigned depth)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return __atomic_compare_exchange_n(&state, &seen,
                                       ((seen >> DEPTH_BITS) + 1) << DEPTH_BITS | depth, false,
                                       __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* The stack grows downwards: what is not above this frame is gone. On a stack of a handler's own
 * that may be wrong, and then the close that was interrupted is one more holder. */
static void forget_gone(const struct close *own, void (*left)(uint64_t id))
{
    for (;;) {
        uint64_t seen = look();
        unsigned top = depth_of(seen);
        if (top == 0 || (top <= NESTED && closes[top - 1].frame > own->frame))
            return;
        struct close last = top <= NESTED ? closes[top - 1] : *own;
        bool is_own = last.frame == own->frame && last.id == own->id;
        if (change(seen, top - 1) && !is_own)
            left(last.id);
    }
}

void under_way_begin(uint64_t id, const void *frame, void (*left)(uint64_t id))
{
    struct close own = {0, frame}; /* a close of the same socket may have been left here */

    for (;;) {
        forget_gone(&own, left);
        uint64_t seen = look();
        unsigned top = depth_of(seen);
        own.id = id;
        if (top < NESTED) {
            /* A handler's close that was left there meanwhile is lost, or has its id still. */
            closes[top].id = id;
            __atomic_signal_fence(__ATOMIC_SEQ_CST);
            closes[top].frame = frame;
        }
        if (change(seen, top + 1))
            return;
    }
}

void under_way_end(uint64_t id, const void *frame, void (*left)(uint64_t id))
{
    forget_gone(&(struct close){id, frame}, left);
}

static bool among(unsigned count, uint64_t id)
{
    for (unsigned i = 0; i < count && i < NESTED; i++)
        if (closes[i].id == id)
            return true;
    return false;
}

bool under_way_below(uint64_t id)
{
    unsigned depth = depth_of(look());
    return depth > 0 && among(depth - 1, id);
}

bool under_way_here(uint64_t id)
{
    return among(depth_of(look()), id);
}
