/* SPDX-License-Identifier: MIT */
/* The command line of `softclose explain`. */
#ifndef SOFTCLOSE_TOOLS_EXPLAIN_OPTIONS_H
#define SOFTCLOSE_TOOLS_EXPLAIN_OPTIONS_H

#include <stdbool.h>

#include "common_options.h"
#include "policy/policy.h"

struct explain_options {
    struct common_options common;
    const char *event;   /* NULL = not given */
    const char *program; /* NULL = not given */
    bool role_given, proto_given, local_given, peer_given, state_given;
    char **facts; /* NAME, VALUE, NAME, VALUE... in the order given */
    int fact_count;
};

/* Returns -1 to go on, or the exit status. */
int explain_options_parse(struct explain_options *options, int argc, char **argv);
void explain_options_free(struct explain_options *options);

/* Puts what was given about the connection over what an event said. The values are good already. */
void explain_options_apply(const struct explain_options *options, struct facts *facts);

/* What was not said of an imagined connection, from what was: its state, and what follows. */
void explain_options_complete(const struct explain_options *options, struct facts *facts);

#endif
