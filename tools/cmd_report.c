/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "common_options.h"
#include "read_log.h"
#include "report_text.h"

static const char help[] =
    "Usage: softclose report [OPTION]... LOG...\n"
    "Shows what the LOGs of 'softclose run' say, on standard output: how connections ended,\n"
    "what enforce repaired or would repair, what is left and why. LOG - is standard input.\n"
    "\n"
    "  --format=FORMAT  text, the only one in this version\n"
    "  --by=KEY         one table only: by site, peer, program or cause\n"
    "  --top=N          rows of a table (default 10; 0 = all)\n"
    "  --color=WHEN     auto (default), always, never\n"
    "  -q, --quiet      no progress\n"
    "  --help           this text\n"
    "  --version        the version\n"
    "\n"
    "Exit status: 0, or 2 for bad usage or a LOG that cannot be read. Lines that cannot be\n"
    "understood are named, counted and skipped.\n";

enum { OPTION_FORMAT = OPTION_OWN, OPTION_BY, OPTION_TOP };

static const struct option options[] = {
    {"format", required_argument, NULL, OPTION_FORMAT},
    {"by", required_argument, NULL, OPTION_BY},
    {"top", required_argument, NULL, OPTION_TOP},
    COMMON_OPTIONS,
    {0},
};

struct arguments {
    struct report_options report;
    struct common_options common;
};

static int usage(const char *what, const char *value)
{
    return usage_error(STATUS_USAGE, "report", "%s: '%s'", what, value);
}

static bool parse_key(const char *word, enum report_key *key)
{
    static const char *const words[] = {"site", "peer", "program", "cause"};
    for (int i = 0; i < BY_ALL; i++) {
        if (strcmp(word, words[i]) == 0) {
            *key = (enum report_key)i;
            return true;
        }
    }
    return false;
}

static bool parse_number(const char *word, size_t *number)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(word, &end, 10);
    *number = value;
    return *word >= '0' && *word <= '9' && !*end && !errno;
}

/* Returns an exit status, or -1 to go on. */
static int take_option(int option, struct arguments *arguments)
{
    switch (option) {
    case OPTION_FORMAT:
        if (strcmp(optarg, "text") == 0)
            return -1;
        return usage("--format must be text in this version, not", optarg);
    case OPTION_BY:
        if (parse_key(optarg, &arguments->report.by))
            return -1;
        return usage("--by must be site, peer, program or cause, not", optarg);
    case OPTION_TOP:
        if (parse_number(optarg, &arguments->report.top))
            return -1;
        return usage("--top must be a number, not", optarg);
    default:
        return common_options_take(&arguments->common, option);
    }
}

static void title_of(char *title, size_t size, char **logs, int count)
{
    const char *first = strcmp(logs[0], "-") == 0 ? "standard input" : logs[0];
    if (count > 1)
        snprintf(title, size, "%s and %d more", first, count - 1);
    else
        snprintf(title, size, "%s", first);
}

int cmd_report(int argc, char **argv)
{
    struct arguments arguments = {
        .report = {.by = BY_ALL, .top = 10},
        .common = {.command = "report", .help = help, .bad_usage = STATUS_USAGE}};
    int option;
    argv[0] = (char *)"softclose report"; /* how getopt signs its messages */
    while ((option = getopt_long(argc, argv, "q", options, NULL)) != -1) {
        int status = take_option(option, &arguments);
        if (status >= 0)
            return status;
    }
    if (optind == argc)
        return usage_error(STATUS_USAGE, "report", "a LOG is missing");

    struct tally tally = {0};
    bool read = true;
    for (int i = optind; read && i < argc; i++)
        read = read_log(&tally, argv[i], 0, arguments.common.quiet);
    if (read) {
        char title[4096];
        title_of(title, sizeof title, argv + optind, argc - optind);
        tally_finish(&tally);
        arguments.report.color = color_wanted(arguments.common.color, stdout);
        report_text(stdout, &tally, title, &arguments.report);
        if (fflush(stdout) != 0) {
            say("cannot write the report: %s", strerror(errno));
            read = false;
        }
    }
    tally_free(&tally);
    return read ? 0 : STATUS_USAGE;
}
