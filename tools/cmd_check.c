/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "common_options.h"
#include "policy_file.h"

static const char help[] =
    "Usage: softclose check [OPTION]... [POLICY]\n"
    "Checks a policy file and prints the policy in effect on standard output, itself a policy\n"
    "file to begin with: what POLICY sets, each key with its line, and what is built in, as\n"
    "comments. Without POLICY, the built-in policy. POLICY - is standard input.\n"
    "\n"
    "  --policy=FILE    the same as POLICY, as other commands have it\n"
    "  --set=KEY=VALUE  one key over the policy, e.g. close.drain=block; repeatable\n"
    "  --audit          built-in values of mode audit (default: those of --enforce)\n"
    "  --enforce        built-in values of mode enforce\n"
    "  --color=WHEN     auto (default), always, never\n"
    "  -q, --quiet      errors only: print no policy\n"
    "  --help           this text\n"
    "  --version        the version\n"
    "\n"
    "Exit status: 0 valid, 2 invalid or bad usage. Every error is named on standard error as\n"
    "FILE:LINE: what was found, what is allowed.\n";

static const struct option options[] = {POLICY_OPTIONS, COMMON_OPTIONS, {0}};

/* What is built in or about the file steps back behind what the file says. */
static void print_line(void *context, const char *line)
{
    const bool *color = context;
    const char *comment = line[0] == ';' ? line : strstr(line, "  ; ");
    int before = comment ? (int)(comment - line) : (int)strlen(line);
    if (!*color)
        puts(line);
    else if (line[0] == '[')
        printf("\033[1m%.*s\033[0m\033[2m%s\033[0m\n", before, line, comment ? comment : "");
    else
        printf("%.*s\033[2m%s\033[0m\n", before, line, comment ? comment : "");
}

static int check(const struct common_options *arguments)
{
    struct policy_file file;
    bool good = policy_file_read(&file, &(struct policy_wanted){
                                            .path = arguments->policy,
                                            .set = arguments->set,
                                            .set_name = "--set",
                                            .mode = arguments->mode,
                                            .prefix = "",
                                        });
    bool color = color_wanted(arguments->color, stdout);
    if (good && file.exposed)
        say_exposed("policy", file.name);
    if (good && !arguments->quiet)
        policy_print(file.policy, print_line, &color);
    if (fflush(stdout) != 0) {
        say("cannot write the policy: %s", strerror(errno));
        good = false;
    }
    policy_file_free(&file);
    return good ? 0 : STATUS_USAGE;
}

int cmd_check(int argc, char **argv)
{
    struct common_options arguments = {
        .command = "check", .help = help, .bad_usage = STATUS_USAGE, .mode = MODE_ENFORCE};
    int option, status = -1;
    argv[0] = (char *)"softclose check"; /* how getopt signs its messages */
    while (status < 0 && (option = getopt_long(argc, argv, "q", options, NULL)) != -1)
        status = common_options_take(&arguments, option);
    if (status < 0 && !arguments.policy && optind < argc)
        arguments.policy = argv[optind++];
    if (status < 0 && optind < argc)
        status =
            usage_error(STATUS_USAGE, "check", "one POLICY at a time, not also '%s'", argv[optind]);
    if (status < 0)
        status = check(&arguments);
    common_options_free(&arguments);
    return status;
}
