/* SPDX-License-Identifier: MIT */
/* matrix --enforce: is the situation cured, on whatever road the socket is closed? */
#ifndef SOFTCLOSE_TESTS_CURE_H
#define SOFTCLOSE_TESTS_CURE_H

#include "judge.h"

/* Why nobody can cure it, or must not, NULL when it is to be cured. */
const char *cure_limit(const struct situation *situation, enum proto_here proto);

/* The scenario under enforce: the peer reads to the end, goes on sending for `late_ms`, finishes.
 * `steps` holds what is to be done after the close. */
void cure_scenario(const struct situation *situation, const struct road *road,
                   enum proto_here proto, int late_ms, struct scenario *scenario, char *steps,
                   size_t size);

/* No reset by the program, and the peer has all that was written, and the end. */
enum verdict judge_cure(const struct situation *situation, const struct road *road,
                        enum proto_here proto, const struct truth *truth, char *why);

#endif
