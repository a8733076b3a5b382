/* SPDX-License-Identifier: MIT */
#include "kin_choice.h"

struct truth truth;
uint64_t random_state, trial_seed;

unsigned below(unsigned limit)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(random_state >> 33) % limit;
}

static int new_actor(void)
{
    return truth.actors < ACTORS ? truth.actors++ : -1;
}

int someone(const bool *busy)
{
    int found = -1, seen = 0;

    for (int i = 0; i < ACTORS; i++)
        if (truth.alive[i] && !truth.executed[i] && !busy[i] && below((unsigned)++seen) == 0)
            found = i;
    return found;
}

static int socket_of(int actor, int wish)
{
    int found = -1, seen = 0;

    if (wish >= 0 && truth.holds[actor][wish])
        return wish;
    for (int i = 0; i < SOCKETS; i++)
        if (truth.holds[actor][i] && below((unsigned)++seen) == 0)
            found = i;
    return found;
}

static int closed_socket(void)
{
    for (int i = 0; i < SOCKETS; i++)
        if (!truth.open[i])
            return i;
    return -1;
}

struct command invent(int actor, int idle, bool together, int wish)
{
    static const enum verb alone[] = {
        VERB_OPEN, VERB_OPEN, VERB_OPEN,   VERB_CLOSE, VERB_CLOSE, VERB_TRY, VERB_ASK,
        VERB_FORK, VERB_FORK, VERB_DOUBLE, VERB_EXEC,  VERB_CLOSE, VERB_END, VERB_CLOSE_BESIDE};
    static const enum verb at_once[] = {VERB_CLOSE, VERB_CLOSE, VERB_CLOSE,       VERB_CLOSE,
                                        VERB_END,   VERB_FORK,  VERB_CLOSE_BESIDE};
    struct command command = {.child = -1, .socket = -1};

    command.verb = together ? at_once[below(sizeof at_once / sizeof *at_once)]
                            : alone[below(sizeof alone / sizeof *alone)];
    if ((command.verb == VERB_EXEC && trial_seed % 4 != 0) ||
        (command.verb == VERB_END && idle < 3 && below(8) != 0))
        command.verb = together ? VERB_CLOSE : VERB_OPEN;
    command.manner = (int)below(command.verb == VERB_CLOSE ? 2 : 3);
    if (command.verb == VERB_OPEN) {
        command.socket = closed_socket();
        command.cloexec = below(2) == 0;
    } else if (command.verb != VERB_FORK && command.verb != VERB_DOUBLE) {
        command.socket = socket_of(actor, wish);
    }
    if (command.verb == VERB_FORK || command.verb == VERB_DOUBLE ||
        command.verb == VERB_CLOSE_BESIDE)
        command.child = new_actor();
    if (command.verb == VERB_DOUBLE)
        command.grandchild = new_actor();
    bool possible = command.verb == VERB_END || command.verb == VERB_EXEC || command.socket >= 0 ||
                    command.child >= 0;
    if ((command.verb == VERB_CLOSE_BESIDE && (command.socket < 0 || command.child < 0)) ||
        (command.verb == VERB_DOUBLE && command.grandchild < 0))
        possible = false;
    if (!possible)
        command.verb = VERB_KILL;
    return command;
}
