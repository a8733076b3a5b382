/* SPDX-License-Identifier: MIT */
/*
 * Which of the related processes (members.h) has a socket: one that was forked, in however many
 * steps, from the process in which it was opened, after it was opened and before it was released
 * there (releases.h), has not released it since, and is alive. Async-signal-safe.
 */
#ifndef SOFTCLOSE_SHIM_RELATIVES_H
#define SOFTCLOSE_SHIM_RELATIVES_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/ledger.h"
#include "shim/members.h"

/* A socket, asked about by a process that has released it with `number`. */
struct query {
    uint64_t id, opened, number;
    int self;   /* the place of the process that asks */
    int origin; /* of the one where it was opened, as far as this process can tell */
    int fd;     /* the socket here */
    members_died *died;
    uint64_t begun; /* when everybody was asked for the first time */
    bool again;     /* it is not the first time */
    bool deaths;    /* one was found dead that was not known to be when it began */
};

/* LEDGER_ALONE, LEDGER_DOUBT or LEDGER_SHARED. One kill(2) and one or two readlink(2) for each that
 * is asked, until one has it. */
enum ledger_answer relatives_ask(struct query *query);

/* Has the one where it was opened it still, and was it not replaced by another program? `alive` is
 * the birth of the one that was last found alive, whose life is not asked for again. */
bool relatives_origin_has(const struct query *query, uint64_t *alive);

/* Can the owner with this birth have it? */
bool relatives_may_have(const struct query *query, int place, uint64_t birth);

/* Did it get the socket when it was forked? */
bool relatives_was_given(const struct query *query, int place, uint64_t birth);

#endif
