/* SPDX-License-Identifier: MIT */
#include "shim/start.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "shim/audit.h"
#include "shim/config.h"
#include "shim/drainer.h"
#include "shim/ending.h"
#include "shim/epoll_sets.h"
#include "shim/facts.h"
#include "shim/holders.h"
#include "shim/in_flight.h"
#include "shim/ledger.h"
#include "shim/line.h"
#include "shim/log.h"
#include "shim/observation.h"
#include "shim/own_fds.h"
#include "shim/process.h"
#include "shim/procfs.h"
#include "shim/raw.h"
#include "shim/real.h"
#include "shim/rings.h"
#include "shim/sites.h"
#include "shim/sockets.h"
#include "shim/unseen.h"

enum { STRICT_STATUS = 125 };

bool start_active = true;

enum { UNSTARTED, STARTING, RUNNING, OFF };
static int phase = UNSTARTED;
static char executable_path[PATH_MAX];

/* Of the fork that this thread is in. A signal handler, or a handler of pthread_atfork(3), may fork
 * within it: `forks_within` counts those, which leave the outer one's preparation alone. */
static _Thread_local int fork_child = -1;
static _Thread_local bool fork_prepared;
static _Thread_local unsigned forks_within;

void start_off(void)
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
    for (size_t i = 0; i + 1 < line.length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = '?'; /* a value is quoted: it must not steer a terminal or end the line */
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
        if (given == NULL)
            given = "";
        length = (long)strnlen(given, sizeof executable_path - 1);
        memcpy(executable_path, given, (size_t)length);
    }
    executable_path[length] = '\0';
    slash = strrchr(executable_path, '/');
    return slash == NULL ? executable_path : slash + 1;
}

static void add_inherited(int fd)
{
    struct socket socket;

    if (own_fds_is(fd))
        return;
    if (!facts_identify(fd, &socket)) {
        epoll_sets_look(fd);
        rings_look(fd);
        return;
    }
    in_flight_start(true);
    holders_inherited(&socket);
    socket.since = process_now();
    socket.spawned = holders_generation();
    socket.opened = ledger_now();
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

/* libc's; pthread_atfork(3) is this with the calling library as the last argument. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                             void *library);

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
        start_off();
        return;
    }
    const char *name = executable_name();
    /* Before the first descriptor of ours is opened, so that none of them is taken for one that
     * the program inherited. */
    bool knows_forks = process_start();
    if (!knows_forks || !sockets_start(STATES_MOST)) {
        refuse(&config, knows_forks ? "no memory for the table of sockets"
                                    : "forked children cannot be told from parents here: no "
                                      "memory, or no MADV_WIPEONFORK (Linux 4.14)");
        start_off();
        return;
    }
    ledger_start();
    unseen_start();
    add_all_inherited();
    log_remember_stderr();
    if (!log_start(config.log, name, message, sizeof message)) {
        refuse(&config, message);
        start_off();
        return;
    }
    procfs_start();
    observation_start(config.policy, config.mode, name, executable_path);
    if (config.mode == MODE_ENFORCE)
        drainer_start();
    sites_start(executable_path);
    if (!config.follow)
        config_unfollow();
    /* Registered before the program's own handlers, so ours run last before a fork and first
     * after it. For no library: pthread_atfork(3) would have them taken back by our destructors,
     * and a library may fork in a destructor that runs later. */
    __register_atfork(at_fork, start_after_fork_parent, start_after_fork_child, NULL);
    audit_start(&(struct audit_identity){
        .executable = name,
        .path = executable_path,
        .policy_path = config.policy_path,
        .policy_digest = config.policy_digest,
        .mode = config.mode,
    });
    if (config.policy_exposed)
        audit_note("policy-writable", "others than its owner and root may write the policy",
                   config.policy_path, 0);
    if (log_exposed())
        audit_note("log-writable", "others than its owner and root may write this log", log_name(),
                   0);
    __atomic_store_n(&phase, RUNNING, __ATOMIC_RELEASE);
}

/* As early as the loader allows; a wrapper that is called before starts it too. */
__attribute__((constructor(101))) static void construct(void)
{
    start_enter();
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
    if (fork_prepared) {
        /* The locks are held and stay so; the child is in no ledger. */
        forks_within++;
        holders_spawned();
        return;
    }
    fork_child = -1;
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
    if (forks_within > 0) {
        forks_within--;
        return;
    }
    if (!fork_prepared)
        return;
    fork_prepared = false;
    holders_forked_parent();
    sockets_unlock_all();
}

void start_forked(pid_t pid)
{
    if (fork_prepared)
        return; /* it was within another one, which goes on */
    if (pid < 0)
        ledger_fork_failed(fork_child);
    else if (pid > 0)
        ledger_born(fork_child, pid);
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
    ledger_child(fork_prepared && forks_within == 0 ? fork_child : -1);
    if (fork_prepared) {
        holders_forked_child();
        sockets_unlock_all();
    } else {
        holders_spawned(); /* relatives do not know of us */
        sockets_forget();
        holders_forked_child();
        find_again();
    }
    fork_prepared = false;
    forks_within = 0;
    fork_child = -1;
    procfs_forked();
    in_flight_forked();
    drainer_forked();
    audit_forked();
    ending_forked();
}

void start_pause(void)
{
    __atomic_store_n(&start_active, false, __ATOMIC_RELAXED);
    __atomic_store_n(&phase, OFF, __ATOMIC_RELEASE);
}

void start_resume(void)
{
    __atomic_store_n(&start_active, true, __ATOMIC_RELAXED);
    __atomic_store_n(&phase, RUNNING, __ATOMIC_RELEASE);
}
