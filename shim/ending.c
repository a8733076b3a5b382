/* SPDX-License-Identifier: MIT */
#include "shim/ending.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "shim/audit.h"
#include "shim/closing.h"
#include "shim/config.h"
#include "shim/coverage.h"
#include "shim/drainer.h"
#include "shim/holders.h"
#include "shim/ledger.h"
#include "shim/observation.h"
#include "shim/process.h"
#include "shim/raw.h"
#include "shim/real.h"
#include "shim/start.h"

/* The process that has told its end: a child forked afterwards has an end of its own. */
static pid_t ended_pid;

/* The process that is within daemon(3). */
static pid_t daemon_pid;

void ending_note_environment(const char *path, char *const *environment)
{
    if (!config_in_environment(environment))
        audit_note("not-covered",
                   "started with an environment without LD_PRELOAD of this library or without "
                   "SOFTCLOSE",
                   path, 0);
}

/* Will the kernel refuse to execute it? Those who look along PATH themselves try name after name.
 */
static bool will_fail(enum coverage_verdict verdict)
{
    return verdict == COVERAGE_NOT_FOUND || verdict == COVERAGE_NOT_EXECUTABLE ||
           verdict == COVERAGE_DIRECTORY || verdict == COVERAGE_BAD_INTERPRETER ||
           verdict == COVERAGE_NO_LOADER;
}

static void note_coverage(const char *path, char *const *environment,
                          const struct coverage *coverage)
{
    enum coverage_verdict verdict = coverage->verdict;

    if (!config_in_environment(environment)) {
        ending_note_environment(path, environment);
        return;
    }
    if (verdict == COVERAGE_STATIC || verdict == COVERAGE_ARCHITECTURE ||
        verdict == COVERAGE_FOREIGN_LOADER || verdict == COVERAGE_PRIVILEGED)
        audit_note("not-covered", coverage_reason(verdict), path, 0);
    else if (coverage->go)
        audit_note("not-covered", "a Go program: it closes by raw system calls", path, 0);
}

static void wait_for_drains(void)
{
    struct settings settings;

    if (drainer_count() == 0)
        return;
    observation_process_settings(&settings);
    drainer_wait(settings.exit_wait_ms);
}

void ending_exec(const char *path, char *const *environment, void *caller)
{
    if (!start_enter()) {
        if (start_in_vfork_child())
            holders_spawned();
        return;
    }
    struct coverage coverage = {.verdict = COVERAGE_OK};
    if (path != NULL && will_fail(coverage_check(path, &coverage)))
        return;
    note_coverage(path, environment, &coverage);
    for (int fd = -1; (fd = sockets_next(fd + 1, INT_MAX, DESCRIPTOR_SOCKET)) >= 0;) {
        long flags = raw_call(SYS_fcntl, fd, F_GETFD);
        if (flags >= 0 && (flags & FD_CLOEXEC) != 0)
            closing_at_exec(fd, caller);
    }
    wait_for_drains(); /* the new program begins without our thread */
    audit_summary();
    /* From here on nobody can ask us what we close. */
    ledger_exec(true);
}

void ending_exec_failed(void)
{
    if (!start_enter())
        return;
    ledger_exec(false);
    closing_exec_failed();
}

/* A thread that still writes while the process ends would die of SIGPIPE after our half-close, and
 * the process with it. */
static void ignore_broken_pipes(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    REAL(sigaction)(SIGPIPE, &ignore, NULL);
}

void ending_exit(void *caller)
{
    if (!start_enter() ||
        __atomic_exchange_n(&ended_pid, process_pid(), __ATOMIC_ACQ_REL) == process_pid())
        return;
    if (observation_enforces())
        ignore_broken_pipes();
    for (int fd = -1; (fd = sockets_next(fd + 1, INT_MAX, DESCRIPTOR_SOCKET)) >= 0;)
        closing_at_exit(fd, caller);
    wait_for_drains();
    audit_summary();
    ledger_leave();
    start_off();
}

void ending_thread(void)
{
    if (drainer_idle() || !start_enter())
        return;
    wait_for_drains();
    drainer_dismiss();
}

bool ending_filter(void)
{
    if (!start_enter())
        return false;
    /* A filter for all threads would hold for ours, too, and kill the process for its calls. */
    ending_thread();
    audit_note("seccomp",
               "the program filters its own system calls from here on: what it closes is not seen",
               NULL, 0);
    audit_summary();
    start_pause();
    return true;
}

void ending_filter_failed(void)
{
    start_resume();
}

void ending_daemon(void)
{
    daemon_pid = start_enter() ? process_pid() : 0;
}

void ending_daemon_done(void)
{
    daemon_pid = 0;
}

/* After a fork within daemon(3): libc ends this process without a word. */
static void after_fork_parent(void)
{
    if (daemon_pid != 0 && start_enter() && daemon_pid == process_pid())
        ending_exit(__builtin_return_address(0));
}

static void at_quick(void)
{
    ending_exit(__builtin_return_address(0));
}

/* Registered before the program's own handlers, so that ours runs last at a quick exit, and after
 * those of start.c, so that the table is free again when the parent of a fork comes here. */
__attribute__((constructor(102))) static void construct(void)
{
    if (!start_maybe() || !start_enter())
        return;
    at_quick_exit(at_quick);
    pthread_atfork(NULL, after_fork_parent, NULL);
}

/* After the program's atexit handlers and destructors. */
__attribute__((destructor(101))) static void destruct(void)
{
    /* libc flushes the program's streams only after us: what they hold has to go out before a
     * half-close does. */
    if (start_maybe() && observation_enforces() && start_enter())
        fflush(NULL);
    ending_exit(__builtin_return_address(0));
}
