/* SPDX-License-Identifier: MIT */
/*
 * A family of real processes that share a ledger, each with the library's own table of sockets and
 * nothing else of it; they do what they are told, one by one or all at the same moment.
 */
#ifndef SOFTCLOSE_TESTS_STRESS_KIN_H
#define SOFTCLOSE_TESTS_STRESS_KIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { ACTORS = 20, SOCKETS = 12 };

enum verb {
    VERB_OPEN,         /* a socket */
    VERB_CLOSE,        /* it */
    VERB_TRY,          /* to close it, and fail */
    VERB_ASK,          /* who has it */
    VERB_FORK,         /* a child */
    VERB_DOUBLE,       /* a child that forks and ends */
    VERB_CLOSE_BESIDE, /* a socket, while another thread forks a child */
    VERB_EXEC,         /* another program, that waits to be killed */
    VERB_END,          /* in order */
    VERB_KILL,         /* the director does it */
};

struct command {
    enum verb verb;
    int socket;
    int child, grandchild; /* actors to be */
    bool cloexec;
    int manner; /* where those who act together wait for each other: kin_actor.c */
};

/* What an actor was told of a socket that it released or asked about. */
enum told { TOLD_NOTHING, TOLD_SHARED, TOLD_UNKNOWN, TOLD_LAST };

/* What a new child has of each socket. */
enum has { HAS_NOT, HAS, HAS_ONLY_IN_TABLE };

struct stage {
    struct command commands[ACTORS];
    pid_t pids[ACTORS];
    uint8_t told[ACTORS][SOCKETS];
    uint8_t has[ACTORS][SOCKETS];
    unsigned arrived[2], expected; /* those who act together; 0: it is one alone */
    uint64_t first_id;
};

extern struct stage *stage;
extern int kin_orders[ACTORS][2], kin_answers[2];

/* The first of a family: never returns. */
void kin_begin(void);

#endif
