/* SPDX-License-Identifier: MIT */
/*
 * What the two halves of `step` share: roads that are gone along instruction by instruction
 * (step_roads.c), and the tracer that raises a signal at each of them (step.c).
 */
#ifndef SOFTCLOSE_TESTS_STEP_H
#define SOFTCLOSE_TESTS_STEP_H

#include <stdbool.h>

#include "pair.h"

enum { UNREAD = 10 };

/* What the handler of the signal does. */
enum deed { DEED_NONE, DEED_UNIX, DEED_TCP, DEED_OVER, DEED_FORK, DEED_CANCEL, DEED_COUNT };

enum { RESULTS_MOST = 16 };

/* In memory that the processes share. One of them at a time writes. */
struct report {
    volatile bool over;        /* the road's call has returned */
    volatile unsigned handled; /* handlers that have run to their end */
    unsigned closes;           /* that were asked for and have succeeded */
    unsigned outer_ends[3];    /* what the road's peer saw: a reset, an end, nothing */
    unsigned inner_ends[2];    /* and that of the handler's connection: a reset, an end */
    unsigned cancelled;        /* calls that did not return */
    char wrong[160];           /* the first thing that was not as it must be, or "" */
    struct {
        char text[80];
        unsigned count;
    } results[RESULTS_MOST]; /* how the road ended, and how often */
};

struct road {
    const char *name;
    void (*prepare)(void);
    int (*act)(void);    /* 0 or -1 with errno */
    bool (*check)(void); /* NULL: the descriptor is gone, and the peer has seen the end */
    bool locks; /* holds locks of libc's: nothing forks or is cancelled there natively either */
};

extern const struct road step_roads[];
extern const unsigned step_road_count;

/* --- what roads and deeds (step_deeds.c) share --- */

extern struct report *step_report;
extern int step_listener;
extern enum deed step_deed;

void step_on_signal(int number);
void step_wrong(const char *what);
bool step_is_open(int fd); /* leaves errno alone */
int step_closed(int fd);   /* close(), counted */

/* A connection through the listener: as pair_through(), which allocates memory for what is unread.
 */
struct pair step_connect(size_t unread);

/* --- */

/* Called once, before any road: a listener, and what pthread_cancel() loads at its first use. */
void step_start(struct report *report);

/* In a process of its own, which a tracer waits for: prepares, stops (int3), goes along the road,
 * sets `over`, checks, ends. SIGUSR1 does the deed. */
_Noreturn void step_subject(const struct road *road, enum deed deed);

#endif
