/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "talk.h"

static const struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"run", "run a program, record how it closes its sockets, repair that with --enforce", cmd_run},
    {"report", "show what a log says", cmd_report},
    {"check", "check a policy file and print the policy in effect", cmd_check},
    {"explain", "what a policy means for one connection, and why", cmd_explain},
    {"doctor", "can a program be covered, and what will be missed", cmd_doctor},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

int print_version(void)
{
    puts("softclose " SOFTCLOSE_VERSION);
    return 0;
}

static int print_help(void)
{
    puts("Usage: softclose COMMAND [OPTION]... [ARGUMENT]...\n"
         "Shows where an unmodified program resets connections when it closes a socket, and on\n"
         "request lets it end them in order.\n"
         "\n"
         "Commands:");
    for (int i = 0; i < COMMANDS; i++)
        printf("  %-8s %s\n", commands[i].name, commands[i].summary);
    puts("\n"
         "Options:\n"
         "  --help     this text; after a command: the help of that command\n"
         "  --version  the version\n"
         "\n"
         "To begin: softclose run PROGRAM [ARG]...");
    return 0;
}

static int unknown(const char *word)
{
    fprintf(stderr, "softclose: no command '");
    print_clean(stderr, word);
    fprintf(stderr, "' in this version; there are:");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(stderr, "%s %s", i ? "," : "", commands[i].name);
    fputc('\n', stderr);
    return STATUS_USAGE;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    if (!word)
        return usage_error(STATUS_USAGE, "", "a command is missing");
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
        return print_help();
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        return print_version();
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(word, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    if (*word == '-')
        return usage_error(STATUS_USAGE, "", "no option '%s' before the command", word);
    return unknown(word);
}
