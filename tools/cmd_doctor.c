/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "common_options.h"
#include "doctor.h"
#include "library.h"
#include "shim/coverage.h"

static const char help[] =
    "Usage: softclose doctor [OPTION]... [PROGRAM|PID]\n"
    "Tells whether softclose can cover a program or a running process, by which engine, what\n"
    "will be missed, and the command to use. Without an argument: is this machine fit for it?\n"
    "The program is not started.\n"
    "\n"
    "  --color=WHEN  auto (default), always, never\n"
    "  -q, --quiet   only what is missed or cannot be covered\n"
    "  --help        this text\n"
    "  --version     the version\n"
    "\n"
    "A name in digits is a PID; a program of such a name is given with its path (./123).\n"
    "Exit status: 0, or 2 for bad usage or a program or process that is not found.\n";

static const struct option options[] = {COMMON_OPTIONS, {0}};

static struct {
    bool color, quiet;
} show;

void finding(enum finding kind, const char *format, ...)
{
    static const struct {
        const char *word, *color;
    } kinds[] = {
        [FINDING_GOOD] = {"good", "\033[32m"},
        [FINDING_MISSED] = {"missed", "\033[33m"},
        [FINDING_BAD] = {"bad", "\033[31m"},
        [FINDING_NOTE] = {"note", "\033[2m"},
    };
    char text[PATH_MAX + 512];
    va_list arguments;

    if (show.quiet && (kind == FINDING_GOOD || kind == FINDING_NOTE))
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    printf("%s%-6s%s  ", show.color ? kinds[kind].color : "", kinds[kind].word,
           show.color ? "\033[0m" : "");
    print_clean(stdout, text);
    putchar('\n');
}

/* Quoted where a shell would read it otherwise. */
static void print_word(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_@%+=:,./-";
    putchar(' ');
    if (*word && word[strspn(word, plain)] == '\0') {
        fputs(word, stdout);
        return;
    }
    putchar('\'');
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", stdout);
        else
            putchar((unsigned char)*word < ' ' || *word == 127 ? '?' : *word);
    putchar('\'');
}

void doctor_command(const char *const words[])
{
    if (show.quiet)
        return;
    fputs("use:    softclose run --audit --", stdout);
    for (size_t i = 0; words[i]; i++)
        print_word(words[i]);
    putchar('\n');
}

static int examine_program(const char *name)
{
    char path[PATH_MAX];
    struct coverage coverage;

    if (coverage_find(name, getenv("PATH"), path, sizeof path) == ENOENT ||
        coverage_check(path, &coverage) == COVERAGE_NOT_FOUND) {
        say("doctor: %s: not found; check the name and PATH", name);
        return STATUS_USAGE;
    }
    if (doctor_program(path))
        doctor_command((const char *const[]){name, NULL});
    return 0;
}

static int examine(const char *what)
{
    char *end;

    if (!what) {
        char *library = library_find();
        if (!library)
            return STATUS_USAGE;
        doctor_machine(library);
        free(library);
        return 0;
    }
    if (what[strspn(what, "0123456789")] != '\0' || !*what)
        return examine_program(what);
    long pid = strtol(what, &end, 10);
    if (pid <= 0 || pid > INT_MAX)
        return usage_error(STATUS_USAGE, "doctor", "'%s' is no process number", what);
    return doctor_process((pid_t)pid) ? 0 : STATUS_USAGE;
}

int cmd_doctor(int argc, char **argv)
{
    struct common_options arguments = {
        .command = "doctor", .help = help, .bad_usage = STATUS_USAGE};
    int option, status = -1;

    argv[0] = (char *)"softclose doctor"; /* how getopt signs its messages */
    while (status < 0 && (option = getopt_long(argc, argv, "q", options, NULL)) != -1)
        status = common_options_take(&arguments, option);
    if (status >= 0)
        return status;
    if (argc - optind > 1)
        return usage_error(STATUS_USAGE, "doctor",
                           "one program or process at a time, not also '%s'", argv[optind + 1]);
    show.quiet = arguments.quiet;
    show.color = color_wanted(arguments.color, stdout);
    return examine(argv[optind]);
}
