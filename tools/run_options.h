/* SPDX-License-Identifier: MIT */
/* The command line of `softclose run`. */
#ifndef SOFTCLOSE_TOOLS_RUN_OPTIONS_H
#define SOFTCLOSE_TOOLS_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common_options.h"

enum { FAIL_ON_MAX = 32 };

struct fail_on {
    char name[32]; /* of a cause or an outcome */
    uint64_t more_than;
};

struct run_options {
    struct common_options common;
    const char *log; /* NULL = not given */
    struct fail_on fail_on[FAIL_ON_MAX];
    int fail_on_count;
    bool report;
    char **program; /* the program and its arguments */
};

/* Returns -1 to go on, or the exit status. */
int run_options_parse(struct run_options *options, int argc, char **argv);
void run_options_free(struct run_options *options);

/* Reads and checks the policy file and the --set keys; false after naming every error. */
bool run_options_check_policy(const struct run_options *options);

#endif
