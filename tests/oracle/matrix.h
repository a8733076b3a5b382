/* SPDX-License-Identifier: MIT */
#ifndef SOFTCLOSE_TESTS_MATRIX_H
#define SOFTCLOSE_TESTS_MATRIX_H

#include "judge.h"

enum mode { PREDICT, NATIVE, UNCHANGED, ENFORCE };

struct cell {
    const struct situation *situation;
    const struct road *road;
    enum proto_here proto;
    enum verdict verdict;
    unsigned replays; /* how often it was played again: it differed, or was not reached */
    char why[WHY];
};

struct options {
    enum mode mode;
    const char *only; /* glob on "situation/proto/road" */
    const char *shim;
    const char *events; /* file that the logs of all cells are added to, or NULL */
    int jobs;
    int late_ms; /* how long the peer goes on sending, for ENFORCE */
    bool verbose;
};

/* Play and judge all cells, `options->jobs` at a time; `cells` is memory shared with the workers.
 */
bool play_all(const struct options *options, struct cell *cells, size_t count);

#endif
