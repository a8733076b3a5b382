/* SPDX-License-Identifier: MIT */
/*
 * The options that several commands have, with one meaning and one wording: --color, -q, --help,
 * --version of all of them; --policy, --set, --audit, --enforce of those that read a policy.
 */
#ifndef SOFTCLOSE_TOOLS_COMMON_OPTIONS_H
#define SOFTCLOSE_TOOLS_COMMON_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>

#include "policy/policy.h"
#include "talk.h"

/* A command's own options are numbered from OPTION_OWN on. */
enum {
    OPTION_HELP = 256,
    OPTION_VERSION,
    OPTION_COLOR,
    OPTION_POLICY,
    OPTION_SET,
    OPTION_AUDIT,
    OPTION_ENFORCE,
    OPTION_OWN
};

/* Elements of a command's array of struct option; its last element is {0}. */
#define COMMON_OPTIONS                                                                             \
    {"color", required_argument, NULL, OPTION_COLOR}, {"quiet", no_argument, NULL, 'q'},           \
        {"help", no_argument, NULL, OPTION_HELP},                                                  \
    {                                                                                              \
        "version", no_argument, NULL, OPTION_VERSION                                               \
    }
#define POLICY_OPTIONS                                                                             \
    {"policy", required_argument, NULL, OPTION_POLICY},                                            \
        {"set", required_argument, NULL, OPTION_SET}, {"audit", no_argument, NULL, OPTION_AUDIT},  \
    {                                                                                              \
        "enforce", no_argument, NULL, OPTION_ENFORCE                                               \
    }

struct common_options {
    const char *command; /* "run" */
    const char *help;    /* printed for --help */
    int bad_usage;       /* the exit status for it */
    enum color_when color;
    bool quiet;
    const char *policy; /* NULL = not given */
    char *set;          /* joined with ';', NULL = not given */
    enum policy_mode mode;
};

/* What getopt_long() returned and the command does not know itself. Returns an exit status, or -1
 * to go on. */
int common_options_take(struct common_options *options, int option);
void common_options_free(struct common_options *options);

#endif
