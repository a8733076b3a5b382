/* SPDX-License-Identifier: MIT */
#include "shim/ending.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <time.h>

#include "shim/audit.h"
#include "shim/closing.h"
#include "shim/config.h"
#include "shim/coverage.h"
#include "shim/drainer.h"
#include "shim/holders.h"
#include "shim/last_drains.h"
#include "shim/ledger.h"
#include "shim/log.h"
#include "shim/observation.h"
#include "shim/process.h"
#include "shim/procfs.h"
#include "shim/raw.h"
#include "shim/real.h"
#include "shim/start.h"

/* The process that has told its end: a child forked afterwards has an end of its own. And the
 * thread that told it. */
static pid_t ended_pid, ending_tid;

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

/* In the coverage build: gcov writes its counts in a destructor only. */
static void save_coverage(void)
{
#ifdef SOFTCLOSE_COVERAGE
    extern void __gcov_dump(void), __gcov_reset(void);
    __gcov_dump();
    __gcov_reset();
#endif
}

/* Until when the end may take, CLOCK_MONOTONIC ns. */
static const uint64_t SEARCHES_NS =
    500000000; /* for other holders, even where nothing is waited for */

static uint64_t latest_end(void)
{
    struct settings settings;

    observation_process_settings(&settings);
    uint64_t until = process_now() + settings.exit_wait_ms * 1000000ull;
    procfs_end_by(until + SEARCHES_NS);
    return until;
}

static void wait_for_drains(uint64_t until)
{
    last_drains_run(until);
    uint64_t now = process_now();
    if (drainer_count() > 0)
        drainer_wait(now < until ? (uint32_t)((until - now) / 1000000) : 0);
}

static void wait_for_lines(void)
{
    if (log_others_write() && !holders_one_thread())
        log_settle();
}

static bool pipes_ignored;

/* A thread that still writes while the process ends would die of SIGPIPE after our half-close, and
 * the process with it. */
static void ignore_broken_pipes(void)
{
    struct sigaction before, ignore = {.sa_handler = SIG_IGN};

    pipes_ignored = REAL(sigaction)(SIGPIPE, &ignore, &before) == 0 &&
                    (before.sa_flags & SA_SIGINFO) == 0 && before.sa_handler == SIG_DFL;
}

static void pass_by(int signal)
{
    (void)signal;
}

static bool pipes_caught;

/* This thread has told its relatives that it executes another program. */
static _Thread_local bool told_exec;

/* The same while an exec waits. By a handler: an execve() that succeeds takes it away (signal(7)).
 */
static void catch_broken_pipes(void)
{
    struct sigaction before, caught = {.sa_handler = pass_by, .sa_flags = SA_RESTART};

    if (REAL(sigaction)(SIGPIPE, NULL, &before) == 0 && (before.sa_flags & SA_SIGINFO) == 0 &&
        before.sa_handler == SIG_DFL && REAL(sigaction)(SIGPIPE, &caught, NULL) == 0)
        pipes_caught = true;
}

static void let_pipes_break(void)
{
    struct sigaction fatal = {.sa_handler = SIG_DFL};

    if (pipes_caught || pipes_ignored)
        REAL(sigaction)(SIGPIPE, &fatal, NULL);
    pipes_caught = pipes_ignored = false;
}

void ending_exec(const struct exec_call *call, void *caller)
{
    char room[EXEC_PATH];
    struct coverage coverage = {.verdict = COVERAGE_OK};
    bool observe_only = false;

    if (!start_enter()) {
        if (start_in_vfork_child())
            holders_spawned();
        return;
    }
    const char *path = exec_path(call, room);
    if (path != NULL && will_fail(coverage_check(path, &coverage)))
        return;
    if (observation_enforces()) {
        enum exec_answer answer = exec_check(call, path, &coverage);
        if (answer == EXEC_FAILS)
            return;
        observe_only = answer == EXEC_UNSURE;
        if (!observe_only)
            catch_broken_pipes();
    }
    note_coverage(path, call->environment, &coverage);
    uint64_t until = latest_end();
    for (int fd = -1; (fd = sockets_next(fd + 1, INT_MAX, DESCRIPTOR_SOCKET)) >= 0;) {
        long flags = raw_call(SYS_fcntl, fd, F_GETFD);
        if (flags >= 0 && (flags & FD_CLOEXEC) != 0)
            closing_at_exec(fd, observe_only, caller);
    }
    wait_for_drains(until); /* the new program begins without our thread */
    audit_summary();
    save_coverage();
    /* From here on nobody can ask us what we close. */
    ledger_exec(true);
    told_exec = true;
    wait_for_lines();
}

void ending_exec_failed(void)
{
    if (!start_enter())
        return;
    procfs_end_by(0);
    let_pipes_break();
    if (told_exec)
        ledger_exec(false);
    told_exec = false;
    closing_exec_failed();
}

void ending_exit(void *caller)
{
    if (!start_enter() ||
        __atomic_exchange_n(&ended_pid, process_pid(), __ATOMIC_ACQ_REL) == process_pid())
        return;
    if (observation_enforces()) {
        __atomic_store_n(&ending_tid, process_thread(), __ATOMIC_RELEASE);
        ignore_broken_pipes();
    }
    uint64_t until = latest_end();
    ledger_leaving();
    for (int fd = -1; (fd = sockets_next(fd + 1, INT_MAX, DESCRIPTOR_SOCKET)) >= 0;)
        closing_at_exit(fd, caller);
    wait_for_drains(until);
    audit_summary();
    ledger_leave();
    start_off();
    log_end();
    wait_for_lines();
    save_coverage();
}

void ending_yield(void)
{
    enum { MORE_MS = 1000 }; /* for what the program itself does at its end: flush a stream */
    struct settings settings;
    struct timespec pause = {0, 1000000};
    pid_t first = __atomic_load_n(&ending_tid, __ATOMIC_ACQUIRE);

    if (first == 0 || __atomic_load_n(&ended_pid, __ATOMIC_ACQUIRE) != raw_call(SYS_getpid) ||
        first == raw_call(SYS_gettid))
        return;
    observation_process_settings(&settings);
    uint64_t until = process_now() + (settings.exit_wait_ms + MORE_MS) * 1000000ull;
    while (process_now() < until)
        raw_call(SYS_nanosleep, &pause, NULL);
}

void ending_thread(void)
{
    if (drainer_idle() || !start_enter())
        return;
    wait_for_drains(latest_end());
    drainer_dismiss();
    procfs_end_by(0); /* the program goes on */
}

/* What another thread's exec or the process's end has begun is not the child's. */
void ending_forked(void)
{
    told_exec = false;
    let_pipes_break();
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

/* After a fork within daemon(3): libc ends this process without a word. It comes here also when the
 * fork has failed; then errno, which was 0, says why. */
static void after_fork_parent(void)
{
    if (daemon_pid != 0 && errno == 0 && start_enter() && daemon_pid == process_pid())
        ending_exit(__builtin_return_address(0));
}

static void at_quick(void *unused)
{
    (void)unused;
    ending_exit(__builtin_return_address(0));
}

void ending_before_quick_exit(void)
{
    static bool registered;

    if (start_maybe() && start_enter() && !__atomic_exchange_n(&registered, true, __ATOMIC_RELAXED))
        REAL(__cxa_at_quick_exit)(at_quick, NULL);
}

/* libc's list of open streams, which it exports without a header (libio). */
extern FILE *_IO_iter_begin(void), *_IO_iter_end(void);
extern FILE *_IO_iter_next(FILE *stream), *_IO_iter_file(FILE *stream);
extern void _IO_list_lock(void), _IO_list_unlock(void);

/*
 * libc flushes the program's streams only after us: what those on sockets hold has to go out before
 * a half-close does, and what the others hold is not to wait for drains. Not by fflush(NULL), which
 * waits for the lock of every stream: another thread may sit in a read of one for ever.
 */
static void flush_streams(void)
{
    _IO_list_lock();
    for (FILE *at = _IO_iter_begin(); at != _IO_iter_end(); at = _IO_iter_next(at)) {
        FILE *stream = _IO_iter_file(at);
        if (ftrylockfile(stream) != 0)
            continue;
        if (__fpending(stream) > 0)
            fflush_unlocked(stream);
        funlockfile(stream);
    }
    _IO_list_unlock();
}

static void at_exit(void *unused)
{
    (void)unused;
    if (start_maybe() && observation_enforces() && start_enter())
        flush_streams();
    ending_exit(__builtin_return_address(0));
}

/* libc's own list; atexit(3) would hang the handler on this library's destructors. */
extern int __cxa_atexit(void (*handler)(void *), void *argument, void *library);
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                             void *library);

/*
 * exit(3) runs its handlers in reverse order, and the destructors of all libraries are one of them,
 * which libc registers when the constructors have run: what is registered here, for no library,
 * runs after the program's handlers and after every destructor, whether the library was linked or
 * opened later. (-z initfirst does not do it: constructors run before libc has its environment,
 * and destructors do not run last.)
 *
 * For no library, so that nothing is taken back when our own destructors run, before others'.
 * After those of start.c, so that the table is free again when the parent of a fork comes here.
 */
__attribute__((constructor(102))) static void construct(void)
{
    if (!start_maybe() || !start_enter())
        return;
    __cxa_atexit(at_exit, NULL, NULL);
    ending_before_quick_exit();
    __register_atfork(NULL, after_fork_parent, NULL, NULL);
}
