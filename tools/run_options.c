/* SPDX-License-Identifier: MIT */
#include "run_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "policy/names.h"
#include "policy_file.h"

static const char help[] =
    "Usage: softclose run [OPTION]... [--] PROGRAM [ARG]...\n"
    "Runs PROGRAM and records how it, and the programs it starts, close their sockets.\n"
    "\n"
    "  --audit              only observe (default)\n"
    "  --enforce            apply the policy: half-close and drain what would be reset\n"
    "  --policy=FILE        the policy file (default: the built-in policy)\n"
    "  --set=KEY=VALUE      one key over the policy, e.g. log.events=resets; repeatable\n"
    "  --log=FILE           where events go (default softclose.%e.%p.jsonl); %e program,\n"
    "                       %p pid, %h host, %t time; also stderr, unix:PATH, none.\n"
    "                       With an explicit %p each process writes a file of its own\n"
    "  --engine=ENGINE      auto or preload, which are the same in this version\n"
    "  --report[=text]      at the end, print the report on standard error\n"
    "  --fail-on=NAME[>N]   exit with 3 instead of 0 if more than N (default 0) closes had\n"
    "                       this cause or outcome, e.g. unread, reset, exposed>5; repeatable.\n"
    "                       What --enforce has repaired does not count\n"
    "  --color=WHEN         colour of the report: auto (default), always, never\n"
    "  -q, --quiet          say nothing but errors\n"
    "  --help               this text\n"
    "  --version            the version\n"
    "\n"
    "Exit status: that of PROGRAM; 3 by --fail-on; 125 if softclose failed, 126 if PROGRAM\n"
    "cannot be executed, 127 if it was not found.\n";

enum { OPTION_LOG = OPTION_OWN, OPTION_ENGINE, OPTION_REPORT, OPTION_FAIL_ON, OPTION_VERIFY };

static const struct option options_known[] = {
    {"log", required_argument, NULL, OPTION_LOG},
    {"engine", required_argument, NULL, OPTION_ENGINE},
    {"report", optional_argument, NULL, OPTION_REPORT},
    {"fail-on", required_argument, NULL, OPTION_FAIL_ON},
    {"verify", no_argument, NULL, OPTION_VERIFY},
    POLICY_OPTIONS,
    COMMON_OPTIONS,
    {0},
};

static int usage(const char *what, const char *value)
{
    return usage_error(STATUS_FAILED, "run", "%s: '%s'", what, value);
}

static int add_fail_on(struct run_options *options, const char *word)
{
    struct fail_on *added = &options->fail_on[options->fail_on_count];
    size_t length = strcspn(word, ">");
    if (options->fail_on_count == FAIL_ON_MAX)
        return usage("too many --fail-on, from", word);
    if (length == 0 || length >= sizeof added->name)
        return usage("--fail-on wants the name of a cause or an outcome, not", word);
    memcpy(added->name, word, length);
    added->name[length] = '\0';
    if (outcome_from(added->name) < 0 && cause_from(added->name) < 0) {
        usage("--fail-on wants the name of a cause or an outcome, not", added->name);
        fputs("Outcomes:", stderr);
        for (int i = 0; i < OUTCOME_COUNT; i++)
            fprintf(stderr, " %s", outcome_name((enum outcome)i));
        fputs("\nCauses:", stderr);
        for (int i = CAUSE_NULL + 1; i < CAUSE_COUNT; i++)
            fprintf(stderr, " %s", cause_name((enum cause)i));
        fputc('\n', stderr);
        return STATUS_FAILED;
    }
    added->more_than = 0;
    if (word[length] == '>') {
        char *end;
        const char *number = word + length + 1;
        errno = 0;
        added->more_than = strtoull(number, &end, 10);
        if (*number < '0' || *number > '9' || *end || errno)
            return usage("--fail-on wants a whole number after >, not", number);
    }
    options->fail_on_count++;
    return -1;
}

static int take_engine(const char *engine)
{
    if (strcmp(engine, "auto") == 0 || strcmp(engine, "preload") == 0)
        return -1;
    if (strcmp(engine, "seccomp") == 0)
        return usage("the engine is not in this version; leave --engine away for", engine);
    return usage("--engine must be auto, preload or seccomp, not", engine);
}

/* Returns an exit status, or -1 to go on. */
static int take_option(struct run_options *options, int option)
{
    switch (option) {
    case OPTION_LOG:
        options->log = optarg;
        if (!*optarg || strcmp(optarg, "-") == 0) /* standard output belongs to the program */
            return usage("--log wants a path, stderr, unix:PATH or none, not", optarg);
        return -1;
    case OPTION_ENGINE:
        return take_engine(optarg);
    case OPTION_REPORT:
        options->report = true;
        if (!optarg || strcmp(optarg, "text") == 0)
            return -1;
        return usage("--report must be text in this version, not", optarg);
    case OPTION_FAIL_ON:
        return add_fail_on(options, optarg);
    case OPTION_VERIFY:
        return usage_error(STATUS_FAILED, "run", "--verify is not in this version");
    default:
        return common_options_take(&options->common, option);
    }
}

int run_options_parse(struct run_options *options, int argc, char **argv)
{
    int option;
    *options = (struct run_options){
        .common = {.command = "run", .help = help, .bad_usage = STATUS_FAILED, .mode = MODE_AUDIT}};
    argv[0] = (char *)"softclose run"; /* how getopt signs its messages */
    while ((option = getopt_long(argc, argv, "+q", options_known, NULL)) != -1) {
        int status = take_option(options, option);
        if (status >= 0)
            return status;
    }
    if (optind == argc)
        return usage_error(STATUS_FAILED, "run", "a PROGRAM is missing");
    options->program = argv + optind;
    return -1;
}

void run_options_free(struct run_options *options)
{
    common_options_free(&options->common);
}

/* --- the policy --- */

/* A variable that the library will read; empty is unset. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

bool run_options_check_policy(const struct run_options *options)
{
    struct policy_file file;
    bool good = policy_file_read(
        &file,
        &(struct policy_wanted){
            .path = options->common.policy ? options->common.policy : variable("SOFTCLOSE_POLICY"),
            .set = options->common.set ? options->common.set : variable("SOFTCLOSE_SET"),
            .set_name = options->common.set ? "--set" : "SOFTCLOSE_SET",
            .mode = options->common.mode,
            .prefix = "softclose: ",
            .only_regular = true,
        });
    if (good && file.exposed)
        say_exposed("policy", file.name);
    policy_file_free(&file);
    return good;
}
