/* SPDX-License-Identifier: MIT */
/* What the family is in truth, as the director counts it, and what is to happen next. */
#ifndef SOFTCLOSE_TESTS_KIN_CHOICE_H
#define SOFTCLOSE_TESTS_KIN_CHOICE_H

#include "kin.h"

struct truth {
    bool alive[ACTORS], executed[ACTORS], holds[ACTORS][SOCKETS];
    bool open[SOCKETS], cloexec[SOCKETS];
    bool muddy[SOCKETS]; /* a child may have got it by chance */
    bool lax;            /* a member has executed another program */
    int actors;          /* that ever were */
};

extern struct truth truth;
extern uint64_t random_state, trial_seed; /* of the choices under way; what they began with */

unsigned below(unsigned limit);

/* One that can act and is not busy, -1: nobody. */
int someone(const bool *busy);

/* Something that this actor can do; VERB_KILL when nothing else. `wish`: the socket, if it has it.
 */
struct command invent(int actor, int idle, bool together, int wish);

#endif
