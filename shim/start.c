/* SPDX-License-Identifier: MIT */
#include "shim/start.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "shim/audit.h"
#include "shim/closing.h"
#include "shim/config.h"
#include "shim/coverage.h"
#include "shim/facts.h"
#include "shim/holders.h"
#include "shim/ledger.h"
#include "shim/line.h"
#include "shim/log.h"
#include "shim/observation.h"
#include "shim/own_fds.h"
#include "shim/process.h"
#include "shim/procfs.h"
#include "shim/raw.h"
#include "shim/real.h"
#include "shim/sites.h"
#include "shim/sockets.h"

/* A byte for each of the first million descriptors; more (nr_open can be raised) go unseen. */
enum { DESCRIPTORS_MOST = 1 << 20, STRICT_STATUS = 125 };

bool start_active = true;

enum { UNSTARTED, STARTING, RUNNING, OFF };
static int phase = UNSTARTED;
static bool ended, in_daemon;
static char executable_path[PATH_MAX];

/* Of the fork that this thread is in. */
static _Thread_local int fork_child = -1;
static _Thread_local bool fork_prepared;

static void off(void)
{
    sockets_stop();
    __atomic_store_n(&start_active, false, __ATOMIC_RELAXED);
    __atomic_store_n(&phase, OFF, __ATOMIC_RELEASE);
}

/* One line, always on descriptor 2: nothing of softclose's is open yet. */
static void refuse(const struct config *config, const char *message)
{
    char text[CONFIG_MESSAGE + 128];
    struct line line = {.text = text, .size = sizeof text};

    line_text(&line, "softclose: ");
    line_text(&line, message);
    line_text(&line, config->strict ? "; the program is not started (SOFTCLOSE_STRICT=1)\n"
                                    : "; the program runs without softclose\n");
    raw_call(SYS_write, 2, text, line.length);
    if (config->strict)
        raw_call(SYS_exit_group, STRICT_STATUS);
}

static const char *executable_name(void)
{
    long length = raw_call(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", executable_path,
                           sizeof executable_path - 1);
    const char *slash;

    if (length <= 0) {
        const char *given = (const char *)getauxval(AT_EXECFN);
        length = given == NULL ? 0 : (long)strnlen(given, sizeof executable_path - 1);
        memcpy(executable_path, given, (size_t)length);
    }
    executable_path[length] = '\0';
    slash = strrchr(executable_path, '/');
    return slash == NULL ? executable_path : slash + 1;
}

static void add_inherited(int fd)
{
    struct socket socket;

    if (own_fds_is(fd) || !facts_identify(fd, &socket))
        return;
    socket.role = ROLE_INHERITED;
    socket.elsewhere = true;
    socket.since = process_now();
    socket.spawned = holders_generation();
    sockets_add(fd, &socket);
}

static void add_all_inherited(void)
{
    if (procfs_each_fd(add_inherited))
        return;
    for (int fd = 0; fd < 256; fd++) /* no /proc: what a parent may usually have left open */
        add_inherited(fd);
}

static void at_fork(void)
{
    start_before_fork();
}

static void at_quick(void)
{
    start_end(__builtin_return_address(0));
}

static void begin(void)
{
    static struct config config; /* the policy's and the log's names are borrowed for good */
    char message[CONFIG_MESSAGE];

    /* The next functions first: whatever is called below may close something. */
    real_start();
    bool usable = config_read(&config, message);
    if (!usable)
        refuse(&config, message);
    if (!usable || config.mode == MODE_OFF) {
        off();
        return;
    }
    const char *name = executable_name();
    /* Before the first descriptor of ours is opened, so that none of them is taken for one that
     * the program inherited. */
    if (!process_start() || !sockets_start(DESCRIPTORS_MOST)) {
        refuse(&config, "no memory for the table of sockets");
        off();
        return;
    }
    ledger_start();
    add_all_inherited();
    log_remember_stderr();
    if (!log_start(config.log, name, message, sizeof message)) {
        refuse(&config, message);
        off();
        return;
    }
    procfs_start();
    observation_start(config.policy, name, executable_path);
    sites_start(executable_path);
    if (!config.follow)
        config_unfollow();
    /* Registered before the program's own handlers, so ours run last before a fork and first
     * after it, and last at a quick exit. */
    pthread_atfork(at_fork, start_after_fork_parent, start_after_fork_child);
    at_quick_exit(at_quick);
    audit_start(&(struct audit_identity){
        .executable = name,
        .path = executable_path,
        .policy_path = config.policy_path,
        .policy_digest = config.policy_digest,
        .mode = config.mode,
    });
    __atomic_store_n(&phase, RUNNING, __ATOMIC_RELEASE);
}

/* As early as the loader allows; a wrapper that is called before starts it too. */
__attribute__((constructor(101))) static void construct(void)
{
    start_enter();
}

/* After the program's atexit handlers and destructors. */
__attribute__((destructor(101))) static void destruct(void)
{
    start_end(__builtin_return_address(0));
}

bool start_enter(void)
{
    int unstarted = UNSTARTED;

    if (__atomic_load_n(&phase, __ATOMIC_ACQUIRE) != RUNNING) {
        if (!__atomic_compare_exchange_n(&phase, &unstarted, STARTING, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE))
            return false;
        begin();
        return phase == RUNNING;
    }
    switch (process_kind()) {
    case PROCESS_OWN:
        return true;
    case PROCESS_FORKED: /* by a raw clone: no handler of ours ran */
        start_after_fork_child();
        return true;
    case PROCESS_VFORK:
        break;
    }
    return false;
}

bool start_in_vfork_child(void)
{
    return __atomic_load_n(&phase, __ATOMIC_ACQUIRE) == RUNNING && process_kind() == PROCESS_VFORK;
}

void start_before_fork(void)
{
    fork_child = -1;
    fork_prepared = false;
    if (!start_enter()) {
        if (start_in_vfork_child())
            holders_spawned(); /* a grandchild in a copy of our memory that nobody will know */
        return;
    }
    /* Every lock, so that the child's copy of the table is whole; then the child is counted for
     * every socket, before it exists: it may close at once. */
    fork_prepared = sockets_lock_all();
    if (!fork_prepared) {
        holders_spawned();
        return;
    }
    fork_child = ledger_fork();
    holders_fork(fork_child);
}

void start_after_fork_parent(void)
{
    if (!fork_prepared)
        return;
    fork_prepared = false;
    sockets_unlock_all();
    if (in_daemon && start_enter())
        start_end(__builtin_return_address(0)); /* libc ends this process without a word */
}

void start_fork_failed(void)
{
    ledger_fork_failed(fork_child);
    fork_child = -1;
}

static void find_again(void)
{
    for (int fd = -1; (fd = sockets_next(fd + 1, INT_MAX, DESCRIPTOR_SOCKET)) >= 0;) {
        sockets_state_clear(fd, DESCRIPTOR_SOCKET);
        add_inherited(fd);
    }
}

void start_after_fork_child(void)
{
    if (__atomic_load_n(&phase, __ATOMIC_ACQUIRE) != RUNNING || process_kind() == PROCESS_OWN)
        return;
    /* Who we are, before anything asks; then the table, before anything looks. */
    process_adopt();
    ledger_child(fork_child);
    if (fork_prepared) {
        sockets_unlock_all();
    } else {
        sockets_forget();
        find_again();
    }
    fork_prepared = false;
    fork_child = -1;
    in_daemon = ended = false;
    procfs_forked();
    audit_forked();
}

void start_note_environment(const char *path, char *const *environment)
{
    if (!config_in_environment(environment))
        audit_note("not-covered",
                   "started with an environment without LD_PRELOAD of this library or without "
                   "SOFTCLOSE",
                   path, 0);
}

static void note_coverage(const char *path, char *const *environment)
{
    struct coverage coverage;

    if (!config_in_environment(environment)) {
        start_note_environment(path, environment);
        return;
    }
    if (path == NULL)
        return;
    enum coverage_verdict verdict = coverage_check(path, &coverage);
    if (verdict == COVERAGE_STATIC || verdict == COVERAGE_ARCHITECTURE ||
        verdict == COVERAGE_FOREIGN_LOADER || verdict == COVERAGE_PRIVILEGED)
        audit_note("not-covered", coverage_reason(verdict), path, 0);
    else if (coverage.go)
        audit_note("not-covered", "a Go program: it closes by raw system calls", path, 0);
}

void start_before_exec(const char *path, char *const *environment, void *caller)
{
    if (!start_enter()) {
        if (start_in_vfork_child())
            holders_spawned();
        return;
    }
    note_coverage(path, environment);
    for (int fd = -1; (fd = sockets_next(fd + 1, INT_MAX, DESCRIPTOR_SOCKET)) >= 0;) {
        long flags = raw_call(SYS_fcntl, fd, F_GETFD);
        if (flags >= 0 && (flags & FD_CLOEXEC) != 0)
            closing_at_exec(fd, caller);
    }
    audit_summary();
    /* From here on nobody can ask us what we close. */
    ledger_exec(true);
}

void start_exec_failed(void)
{
    if (!start_enter())
        return;
    ledger_exec(false);
    closing_exec_failed();
}

void start_end(void *caller)
{
    if (!start_enter() || __atomic_exchange_n(&ended, true, __ATOMIC_ACQ_REL))
        return;
    for (int fd = -1; (fd = sockets_next(fd + 1, INT_MAX, DESCRIPTOR_SOCKET)) >= 0;)
        closing_at_exit(fd, caller);
    audit_summary();
    ledger_leave();
    off();
}

void start_before_daemon(void)
{
    in_daemon = start_enter();
}

void start_after_daemon(void)
{
    in_daemon = false;
}

bool start_passive(const char *why)
{
    if (!start_enter())
        return false;
    audit_note("seccomp", why, NULL, 0);
    audit_summary();
    __atomic_store_n(&start_active, false, __ATOMIC_RELAXED);
    __atomic_store_n(&phase, OFF, __ATOMIC_RELEASE);
    return true;
}

void start_resume(void)
{
    __atomic_store_n(&start_active, true, __ATOMIC_RELAXED);
    __atomic_store_n(&phase, RUNNING, __ATOMIC_RELEASE);
}
