/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands.h"
#include "launch.h"
#include "library.h"
#include "log_path.h"
#include "policy_file.h"
#include "read_log.h"
#include "report_text.h"
#include "run_options.h"
#include "shim/coverage.h"

struct run {
    struct run_options options;
    char path[PATH_MAX]; /* of the program */
    const char *name;    /* its last part, %e */
    char *shim;
    const char *log_given;
    enum log_kind log_kind;
    time_t start;
};

/* --- before the start --- */

static void say_uncovered(const char *path, const struct coverage *coverage)
{
    const char *reason = coverage_reason(coverage->verdict);
    const char *advice = coverage_advice(coverage->verdict);
    if (coverage->script && coverage->verdict != COVERAGE_BAD_INTERPRETER)
        say("cannot run %s: its interpreter %s: %s", path, coverage->subject, reason);
    else if (*coverage->subject)
        say("cannot run %s: %s (%s)", path, reason, coverage->subject);
    else
        say("cannot run %s: %s", path, reason);
    say("what to do: %s", advice);
}

/* 0, or the exit status after saying why the program cannot be run under softclose. */
static int find_program(struct run *run)
{
    const char *word = run->options.program[0];
    struct coverage coverage;
    int error = coverage_find(word, getenv("PATH"), run->path, sizeof run->path);
    if (error == ENOENT || error == ENAMETOOLONG) {
        say("cannot run %s: %s", *word ? word : "''",
            error == ENOENT ? coverage_reason(COVERAGE_NOT_FOUND) : strerror(error));
        return 127;
    }
    if (coverage_check(run->path, &coverage) != COVERAGE_OK) {
        say_uncovered(run->path, &coverage);
        return coverage_status(coverage.verdict);
    }
    if (coverage.go && !run->options.common.quiet)
        say("warning: %s is a Go program: Go closes its connections by system calls of its own, "
            "which a preloaded library does not see",
            run->path);
    const char *slash = strrchr(run->path, '/');
    run->name = slash ? slash + 1 : run->path;
    return 0;
}

/* --fail-on and --report read the log afterwards: there must be one, and only one. */
static bool choose_log(struct run *run)
{
    const struct run_options *options = &run->options;
    run->log_given = options->log ? options->log : LOG_DEFAULT;
    run->log_kind = options->log ? log_kind(options->log) : LOG_ONE_FILE;
    if (run->log_kind == LOG_ONE_FILE || (!options->report && options->fail_on_count == 0))
        return true;
    usage_error(STATUS_FAILED, "run", "%s needs one log file for the whole run, not --log %s",
                options->report ? "--report" : "--fail-on", run->log_given);
    return false;
}

static char *log_file(const struct run *run, pid_t pid)
{
    return log_expand(run->log_given, pid, run->name, run->start);
}

/* Whoever else may write the log can change what it says. */
static void warn_of_log(const struct run *run)
{
    struct stat status;
    char *file = run->log_kind == LOG_ONE_FILE ? log_file(run, getpid()) : NULL;
    if (file && lstat(file, &status) == 0 && S_ISREG(status.st_mode) && writable_by_others(&status))
        say_exposed("log", file);
    free(file);
}

/* --- in the child --- */

/* Makes the log if need be, as the shim will open it; its size so far, or -errno. */
static int64_t open_log(const char *path)
{
    struct stat status;
    int fd = open(
        path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    if (fd < 0)
        return -errno;
    int64_t size = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? status.st_size : 0;
    close(fd);
    return size;
}

/* The value of SOFTCLOSE_LOG; NULL and errno. */
static char *log_variable(const struct run *run, int64_t *size)
{
    if (run->log_kind == LOG_STREAM)
        return strdup(run->log_given);
    if (run->log_kind == LOG_MANY) {
        char *directory = log_absolute("");
        char *escaped = directory ? log_escape(directory) : NULL;
        char *value = NULL;
        if (run->log_given[0] == '/')
            value = strdup(run->log_given);
        else if (escaped && asprintf(&value, "%s%s", escaped, run->log_given) < 0)
            value = NULL;
        free(escaped);
        free(directory);
        return value;
    }
    char *file = log_file(run, getpid());
    char *whole = file ? log_absolute(file) : NULL;
    char *value = NULL;
    *size = whole ? open_log(whole) : -errno;
    if (*size >= 0)
        value = log_escape(whole);
    else
        errno = (int)-*size;
    free(whole);
    free(file);
    return value;
}

static int64_t prepare(void *context)
{
    const struct run *run = context;
    const struct run_options *options = &run->options;
    int64_t size = 0;
    char *log = log_variable(run, &size);
    char *policy = log && options->common.policy ? realpath(options->common.policy, NULL) : NULL;
    if (!log || (options->common.policy && !policy))
        size = -(errno ? errno : ENOMEM);
    else if (setenv("SOFTCLOSE", options->common.mode == MODE_ENFORCE ? "enforce" : "audit", 1) ||
             setenv("SOFTCLOSE_LOG", log, 1) || (policy && setenv("SOFTCLOSE_POLICY", policy, 1)) ||
             (options->common.set && setenv("SOFTCLOSE_SET", options->common.set, 1)) ||
             !library_preload(run->shim))
        size = -ENOMEM;
    free(policy);
    free(log);
    return size;
}

/* --- after the end --- */

static void say_launch_failure(const struct run *run, const struct launch *launch)
{
    const char *why = strerror(launch->error);
    if (launch->stage == LAUNCH_PREPARE && run->log_kind == LOG_ONE_FILE) {
        char *file = log_file(run, launch->pid);
        say("cannot write the log %s: %s; choose another with --log", file ? file : run->log_given,
            launch->error == ELOOP ? "it is a symbolic link, which is never followed" : why);
        free(file);
    } else if (launch->stage == LAUNCH_EXEC) {
        say("cannot run %s: %s", run->path, why);
    } else {
        say("cannot start %s: %s", run->path, why);
    }
}

static int launch_failure_status(const struct launch *launch)
{
    if (launch->stage != LAUNCH_EXEC)
        return STATUS_FAILED;
    return launch->error == ENOENT ? 127 : 126;
}

static void say_where(const struct run *run, const char *path, bool many)
{
    char *word = run->options.common.quiet ? NULL : log_shell_word(path, many);
    if (!word)
        return;
    say("log: %s", word);
    say("next: softclose report %s%s", *word == '-' ? "./" : "", word);
    free(word);
}

/* The exit status in place of 0. */
static int check_fail_on(const struct run_options *options, const struct tally *tally)
{
    int status = 0;
    for (int i = 0; i < options->fail_on_count; i++) {
        const struct fail_on *fail_on = &options->fail_on[i];
        uint64_t seen = tally_named(tally, fail_on->name);
        if (seen <= fail_on->more_than)
            continue;
        say("%s: %" PRIu64 " close%s, more than %" PRIu64 " (--fail-on)", fail_on->name, seen,
            seen == 1 ? "" : "s", fail_on->more_than);
        status = STATUS_FAIL_ON;
    }
    return status;
}

/* Reads what this run has added to the log; the exit status in place of 0. */
static int read_back(const struct run *run, const char *file, int64_t from, bool clean_exit)
{
    const struct run_options *options = &run->options;
    struct tally tally = {0};
    int status = STATUS_FAILED;
    if (!options->report && (options->fail_on_count == 0 || !clean_exit))
        return 0;
    if (read_log(&tally, file, from, options->common.quiet)) {
        tally_finish(&tally);
        if (options->report) {
            const struct report_options report = {BY_ALL, 10,
                                                  color_wanted(options->common.color, stderr)};
            report_text(stderr, &tally, file, &report);
            fputc('\n', stderr);
        }
        status = clean_exit ? check_fail_on(options, &tally) : 0;
    }
    tally_free(&tally);
    return status;
}

static int look_at_log(const struct run *run, const struct launch *launch, const char *file,
                       bool clean_exit)
{
    const struct run_options *options = &run->options;
    bool needed = options->report || options->fail_on_count > 0;
    int status = 0;
    struct stat log;
    if (stat(file, &log) != 0) {
        say("the log %s is gone: %s", file, strerror(errno));
        return needed ? STATUS_FAILED : 0;
    }
    if (!S_ISREG(log.st_mode)) {
        if (needed)
            say("%s is not a regular file, so it cannot be read again for --report or --fail-on",
                file);
        return needed ? STATUS_FAILED : 0;
    }
    if (log.st_size <= launch->prepared) {
        /* an active shim logs at least that the process began */
        if (needed || !options->common.quiet)
            say("nothing was logged in %s: softclose did not become active in %s", file, run->name);
        return needed ? STATUS_FAILED : 0;
    }
    status = read_back(run, file, launch->prepared, clean_exit);
    say_where(run, file, false);
    return status;
}

static int after(const struct run *run, const struct launch *launch)
{
    bool clean_exit = WIFEXITED(launch->status) && WEXITSTATUS(launch->status) == 0;
    int instead = 0;
    if (run->log_kind == LOG_MANY) {
        say_where(run, run->log_given, true);
    } else if (run->log_kind == LOG_ONE_FILE) {
        char *file = log_file(run, launch->pid);
        instead = file ? look_at_log(run, launch, file, clean_exit) : STATUS_FAILED;
        free(file);
    }
    return clean_exit ? instead : launch_end_like(launch->status);
}

int cmd_run(int argc, char **argv)
{
    struct run run = {.start = time(NULL)};
    int status = run_options_parse(&run.options, argc, argv);
    if (status < 0)
        status = find_program(&run);
    if (status == 0 && run.options.program) {
        status = STATUS_FAILED;
        if (run_options_check_policy(&run.options) && choose_log(&run) &&
            (run.shim = library_find())) {
            struct launch launch = {
                .path = run.path,
                .argv = run.options.program,
                .prepare = prepare,
                .context = &run,
            };
            warn_of_log(&run);
            launch_run(&launch);
            if (launch.stage == LAUNCH_RAN) {
                status = after(&run, &launch);
            } else {
                say_launch_failure(&run, &launch);
                status = launch_failure_status(&launch);
            }
        }
    }
    free(run.shim);
    run_options_free(&run.options);
    return status;
}
