/* SPDX-License-Identifier: MIT */
/*
 * The locks of the table of sockets, each for a part of it. A thread has one of them at a time, or
 * all around a fork. One that cannot be had (a signal handler inside its own thread's critical
 * section, a holder that left by longjmp) is refused after a bounded while: the caller passes by.
 * The only system call is the yield of a contended lock.
 */
#ifndef SOFTCLOSE_SHIM_LOCKS_H
#define SOFTCLOSE_SHIM_LOCKS_H

#include <stdbool.h>

enum { LOCK_SHARDS = 16 };

/* The first of each kind; the others follow it. */
enum { LOCK_DESCRIPTORS = 0, LOCK_SOCKETS = LOCK_SHARDS, LOCK_COUNT = 2 * LOCK_SHARDS };

bool locks_take(unsigned which);
void locks_give(unsigned which);

/* Around a fork. */
bool locks_take_all(void);
void locks_give_all(void);
bool locks_all_mine(void);

/* Has this thread that one, alone? */
bool locks_mine(unsigned which);

/* In the child of a fork that nobody prepared: free, but for the one that this thread is about to
 * go on with. */
void locks_forget(void);

#endif
