/* SPDX-License-Identifier: MIT */
#include "shim/locks.h"

#include "shim/raw.h"

static struct lock {
    unsigned word;
    bool abandoned;
} __attribute__((aligned(64))) locks[LOCK_COUNT];

/* Set while this thread is between take and give: a signal handler that comes in passes by. */
static _Thread_local volatile bool inside;

/* One more than which one that is. 0 = none: variables of the drain thread all begin as 0. */
static _Thread_local volatile unsigned held;

/* Set while this thread holds every lock, around a fork. */
static _Thread_local volatile bool holds_all;

static inline bool take_free(struct lock *lock)
{
    unsigned free = 0;
    return __atomic_compare_exchange_n(&lock->word, &free, 1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

/* Bounded: about 200 spins, then yields. A holder is gone for longer only when its thread left by
 * longjmp from a handler, and then passing by is all that is left. Once a lock could not be had,
 * nobody waits for it as long again until it is free. */
static __attribute__((noinline)) bool wait_for(struct lock *lock)
{
    unsigned most = __atomic_load_n(&lock->abandoned, __ATOMIC_RELAXED) ? 1 : 20000;

    for (unsigned tries = 0; tries < most; tries++) {
        if (take_free(lock)) {
            __atomic_store_n(&lock->abandoned, false, __ATOMIC_RELAXED);
            return true;
        }
        if (tries >= 200)
            raw_call(SYS_sched_yield);
    }
    __atomic_store_n(&lock->abandoned, true, __ATOMIC_RELAXED);
    return false;
}

static inline bool take_word(struct lock *lock)
{
    if (!take_free(lock))
        return wait_for(lock);
    if (__atomic_load_n(&lock->abandoned, __ATOMIC_RELAXED))
        __atomic_store_n(&lock->abandoned, false, __ATOMIC_RELAXED);
    return true;
}

static void give_word(struct lock *lock)
{
    __atomic_store_n(&lock->word, 0, __ATOMIC_RELEASE);
}

bool locks_take(unsigned which)
{
    if (inside)
        return false;
    inside = true;
    held = which + 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (take_word(&locks[which]))
        return true;
    held = 0;
    inside = false;
    return false;
}

void locks_give(unsigned which)
{
    give_word(&locks[which]);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    held = 0;
    inside = false;
}

bool locks_take_all(void)
{
    if (inside)
        return false;
    inside = true;
    for (unsigned i = 0; i < LOCK_COUNT; i++) {
        if (take_word(&locks[i]))
            continue;
        while (i-- > 0)
            give_word(&locks[i]);
        inside = false;
        return false;
    }
    holds_all = true;
    return true;
}

void locks_give_all(void)
{
    holds_all = false;
    for (unsigned i = 0; i < LOCK_COUNT; i++)
        give_word(&locks[i]);
    inside = false;
}

bool locks_all_mine(void)
{
    return holds_all;
}

bool locks_mine(unsigned which)
{
    return held == which + 1;
}

void locks_forget(void)
{
    for (unsigned i = 0; i < LOCK_COUNT; i++)
        if (!locks_mine(i))
            give_word(&locks[i]);
    inside = held != 0;
    holds_all = false;
}
