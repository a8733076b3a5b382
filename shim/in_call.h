/* SPDX-License-Identifier: MIT */
/*
 * Is another thread of this process inside a system call on a descriptor? From its entry to its
 * return such a call keeps the open file description (fget(), fs/file.c): when another thread
 * closes the descriptor meanwhile, nothing happens to the connection until the call returns. It is
 * a holder like any other, and what it waits for must not be taken from it.
 *
 * The drain thread looks (tasks.h); closers leave a question here and wait (drainer_ask()). About
 * 6 us for each thread of the process.
 *
 * Of a thread that is running /proc tells no call. It is looked at again until it is seen waiting
 * or has had 2 ms of processor time without waiting (which one that computes has had since an
 * earlier look), so that a call in which it had been waiting would be over; if it does not get that
 * in time, the answer is UNKNOWN. poll(2) and its relatives only look on and do not
 * count; nor does a call that changes no data.
 */
#ifndef SOFTCLOSE_SHIM_IN_CALL_H
#define SOFTCLOSE_SHIM_IN_CALL_H

#include <stdbool.h>
#include <stdint.h>

enum in_call { IN_CALL_NO, IN_CALL_YES, IN_CALL_UNKNOWN };

/* ---- who asks; async-signal-safe ---- */

/* Leaves a question: its number, or -1 when too many are open. */
int in_call_ask(int fd);

/* Waits for the answer until then (CLOCK_MONOTONIC ns), and gives the question up. False: there was
 * none. */
bool in_call_wait(int question, uint64_t until, enum in_call *answer);

/* In a forked child: what was asked is the parent's. */
void in_call_forked(void);

/* ---- the drain thread ---- */

/* Answers all questions that are open; at most 0.5 s. */
void in_call_answer(void);

#endif
