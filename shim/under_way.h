/* SPDX-License-Identifier: MIT */
/*
 * The closes that the calling thread is in: a signal handler that closes comes in above the close
 * that it interrupts. Async-signal-safe.
 */
#ifndef SOFTCLOSE_SHIM_UNDER_WAY_H
#define SOFTCLOSE_SHIM_UNDER_WAY_H

#include <stdbool.h>
#include <stdint.h>

/* Around a close, from before holders_leave() on. `frame` is the address of something that its
 * stack frame holds: a close that a signal handler has left by siglongjmp() is found by that in the
 * thread's next one whose frame is not below, or at its end, and given to `left`: it is to be taken
 * back. */
void under_way_begin(uint64_t id, const void *frame, void (*left)(uint64_t id));
void under_way_end(uint64_t id, const void *frame, void (*left)(uint64_t id));

/* Is it being closed below the innermost close, which goes on only after that one? */
bool under_way_below(uint64_t id);

/* Or by the innermost one itself? */
bool under_way_here(uint64_t id);

#endif
