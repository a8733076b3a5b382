/* SPDX-License-Identifier: MIT */
/*
 * The drain thread's own side, and what it shares with the program's (drainer.h): one word of state
 * and a queue. Nobody ever waits for the thread to run: a message stays in the queue until then.
 */
#ifndef SOFTCLOSE_SHIM_DRAIN_THREAD_H
#define SOFTCLOSE_SHIM_DRAIN_THREAD_H

#include <stdbool.h>
#include <stdint.h>

/* Parts of the load: the bit, which process of a family of forks it counts for, the number. */
enum {
    DRAIN_THREAD_ALIVE = 1u << 31,
    DRAIN_FORKS = 0x7F000000,
    DRAIN_ONE_FORK = 0x01000000,
    DRAIN_NUMBER = 0x00FFFFFF
};

struct drain_shared {
    /* DRAIN_THREAD_ALIVE, and how many drains were handed over and are not over yet. The bit is set
     * by whoever starts the thread, and cleared by the thread, only while the number is 0: who
     * raises the number and then sees the bit may send. */
    uint32_t load;
    uint32_t stop;          /* drainer_wait() has given up: end what is left */
    bool dismissed;         /* drainer_dismiss(): leave at once */
    bool stderr_gone;       /* descriptor 2 is no longer the log */
    bool unfit;             /* the thread could not make its descriptor table: not tried again */
    uint64_t crowded_until; /* CLOCK_MONOTONIC ns: no number was left in the thread's table */
    uint32_t unanswered;    /* questions (in_call.h) in a row that it did not answer in time */
    uint64_t silent_until;  /* the same: until then it is asked none */
    /* A futex. REFUSED ends the thread's pause, or prevents the next one. */
    enum drain_pause { PAUSE_NONE, PAUSE_UNDER_WAY, PAUSE_REFUSED } pause;
};

extern struct drain_shared drain_shared;

/* The body of the thread. */
void drain_thread_run(void);

/* Nobody can drain what is in the queue `fd` now: tells so of each. */
void drain_thread_drop_queue(int fd);

/* A drain is over: counts it down, wakes who waits for that. */
void drain_thread_one_less(void);

#endif
