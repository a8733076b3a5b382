/* SPDX-License-Identifier: MIT */
/*
 * What generates a program: numbers from the seed, the program so far, and roughly what is in which
 * slot, so that most operations meet a socket they can work on.
 */
#ifndef SOFTCLOSE_TESTS_GENERATOR_H
#define SOFTCLOSE_TESTS_GENERATOR_H

#include "program.h"

enum kind { EMPTY, SOCKET, LISTENER, CONNECTION, LOCAL, EPOLL, OTHER, KINDS };

struct generator {
    uint64_t state;
    struct program *program;
    enum kind kinds[SLOTS];
    int protocols[SLOTS];
    int depth, blocks, slots_used;
    int sent_to;         /* the slot whose peer has sent something last */
    int set, set_member; /* the last pair of epoll_add */
    bool mptcp, in_thread;
};

int below(struct generator *g, int limit);
bool one_in(struct generator *g, int n);

/* Appends a step, as long as there is room. */
void put(struct generator *g, enum operation operation, int a, int b, int c);

int any(struct generator *g); /* slot */

/* A slot that holds one of this kind; any slot when there is none, or now and then. */
int of_kind(struct generator *g, enum kind kind);
bool none(const struct generator *g, enum kind kind);

int fresh(struct generator *g, enum kind kind); /* the next slot, for this */

/* A connection's slot; makes one when there is none. */
int stream(struct generator *g);

/* Most often nothing more is done with it; now and then it is, by mistake. */
void gone(struct generator *g, int slot);

#endif
