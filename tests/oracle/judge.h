/* SPDX-License-Identifier: MIT */
/* Holds a table, a prediction or another run against what the kernel did. */
#ifndef SOFTCLOSE_TESTS_JUDGE_H
#define SOFTCLOSE_TESTS_JUDGE_H

#include "prediction.h"
#include "situations.h"

enum verdict {
    RIGHT,
    WRONG,       /* no reset in question, but not what was to be said */
    FALSE_ALARM, /* a reset was predicted that the kernel did not send */
    MISSED,      /* the kernel sent a reset that was not predicted */
    UNREACHED,   /* the situation did not come about, or the kernel did not do as in the table */
    SKIPPED,
    VERDICTS
};

enum { WHY = 2400 };

/* The kernel against the table. */
enum verdict judge_truth(const struct situation *situation, const struct road *road,
                         enum proto_here proto, const struct truth *truth, char *why);

/* The prediction against the kernel. */
enum verdict judge_prediction(const struct situation *situation, const struct road *road,
                              enum proto_here proto, const struct truth *truth,
                              const struct prediction *prediction, char *why);

/* A run under audit against a native one. */
enum verdict judge_unchanged(const struct situation *situation, const struct truth *native,
                             const struct truth *audited, char *why);

/* One line of what the kernel did. */
const char *truth_text(const struct truth *truth, char *buffer, size_t size);

/* How many of the resets came from that port. */
size_t sent_by(const struct resets *resets, uint16_t port);

/* How many resets a table's text stands for: "TCP_STATE*3" = 3, NULL = 0. */
size_t resets_expected(const char *text);

#endif
