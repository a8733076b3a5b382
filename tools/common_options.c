/* SPDX-License-Identifier: MIT */
#include "common_options.h"

#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "policy_file.h"

int common_options_take(struct common_options *options, int option)
{
    switch (option) {
    case OPTION_POLICY:
        options->policy = optarg;
        return -1;
    case OPTION_SET:
        if (policy_set_add(&options->set, optarg))
            return -1;
        return usage_error(options->bad_usage, options->command, "--set wants KEY=VALUE, not '%s'",
                           optarg);
    case OPTION_AUDIT:
        options->mode = MODE_AUDIT;
        return -1;
    case OPTION_ENFORCE:
        options->mode = MODE_ENFORCE;
        return -1;
    case OPTION_COLOR:
        if (color_parse(optarg, &options->color))
            return -1;
        return usage_error(options->bad_usage, options->command,
                           "--color must be auto, always or never, not '%s'", optarg);
    case 'q':
        options->quiet = true;
        return -1;
    case OPTION_HELP:
        fputs(options->help, stdout);
        return 0;
    case OPTION_VERSION:
        return print_version();
    default:
        fprintf(stderr, "Try 'softclose %s --help'.\n", options->command);
        return options->bad_usage;
    }
}

void common_options_free(struct common_options *options)
{
    free(options->set);
    options->set = NULL;
}
