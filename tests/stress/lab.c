/* SPDX-License-Identifier: MIT */
#include "lab.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 15000 };

static bool one_processor(unsigned number)
{
    cpu_set_t all, one;

    if (sched_getaffinity(0, sizeof all, &all) != 0)
        return false;
    int wanted = (int)(number % (unsigned)CPU_COUNT(&all));
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, &all) || wanted-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(i, &one);
        return sched_setaffinity(0, sizeof one, &one) == 0;
    }
    return false;
}

/* Acknowledge at once, or every small write after the first would wait for a delayed one. */
static bool quick_routes(const char *v6)
{
    char command[500];

    snprintf(command, sizeof command,
             "local='proto kernel scope host src 127.0.0.1 table local quickack 1' && "
             "ip route change local 127.0.0.0/8 dev lo $local && "
             "ip route change local 127.0.0.1 dev lo $local && "
             "ip -6 route del local %s dev lo table local && "
             "ip -6 route add local %s dev lo table local proto kernel quickack 1",
             v6, v6);
    return system(command) == 0;
}

/* Processes of a PID namespace die with its first. */
static void become_first(void)
{
    int status;

    if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0)
        _exit(1);
    pid_t pid = fork();
    if (pid != 0) {
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* A session of its own: of one that began outside, an inherited socket may be held out there. */
    setsid();
}

static bool map_record(struct lab *lab)
{
    int fd = open(lab->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool sized = fd >= 0 && ftruncate(fd, sizeof *lab->record) == 0;

    lab->record = sized ? mmap(NULL, sizeof *lab->record, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                        : MAP_FAILED;
    close(fd);
    return lab->record != MAP_FAILED;
}

static void find_subject(struct lab *lab)
{
    ssize_t length = readlink("/proc/self/exe", lab->subject, sizeof lab->subject - 16);
    snprintf(lab->subject + (length > 0 ? length : 0), 16, "_subject");
}

bool lab_open(struct lab *lab, unsigned number, int tracer_number)
{
    unsigned own = (unsigned)getpid(); /* addresses that no other test of this machine uses */

    find_subject(lab);
    lab->number = number;
    snprintf(lab->address[0], sizeof *lab->address, "127.%u.%u.%u", 100 + own / 65025 % 100,
             1 + own / 255 % 255, 1 + own % 255);
    snprintf(lab->address[1], sizeof *lab->address, "fd5c::1:%x:%x", own >> 16, own & 0xffff);
    if (!one_processor(number))
        return false;
    become_first();
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("proc", "/proc", "proc", 0, NULL) != 0)
        return false;
    strcpy(lab->directory, "/mnt"); /* in a mount namespace of our own */
    if (mount("tmpfs", lab->directory, "tmpfs", 0, "size=64m") != 0)
        return false;
    snprintf(lab->path, sizeof lab->path, "%s/record", lab->directory);
    snprintf(lab->log, sizeof lab->log, "%s/log.jsonl", lab->directory);
    return oracle_namespace(lab->address[1]) && quick_routes(lab->address[1]) &&
           tracer_open(&lab->tracer, tracer_number) && map_record(lab);
}

static void become_subject(const struct lab *lab, const struct program *program, enum mode mode)
{
    const struct rlimit limit = {1024, 4096};
    char *const arguments[] = {(char *)lab->subject, (char *)lab->path, NULL};

    const char *sanitizer = getenv("ASAN_OPTIONS");
    char *options = sanitizer != NULL && mode != NATIVE ? strdup(sanitizer) : NULL;
    clearenv();
    if (options != NULL)
        setenv("ASAN_OPTIONS", options, 1);
    setenv("PATH", "/usr/bin:/bin", 1);
    if (mode != NATIVE) {
        setenv("LD_PRELOAD", lab->shim, 1);
        setenv("SOFTCLOSE", mode == AUDIT ? "audit" : "enforce", 1);
        setenv("SOFTCLOSE_LOG",
               lab->keep_log       ? lab->log
               : program->log == 0 ? "none"
               : program->log == 1 ? lab->log
                                   : "stderr",
               1);
        setenv("SOFTCLOSE_SET", policy_of(program), 1);
    }
    setrlimit(RLIMIT_NOFILE, &limit);
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++)
        dup2(null, i);
    close_range(3, ~0U, 0);
    execv(lab->subject, arguments);
    _exit(126);
}

static void reap_all(void)
{
    /* In this namespace there is nobody but what this run has started. */
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0)
        ;
}

/* -1 when it takes too long. */
static int await(pid_t pid)
{
    int status = -1, fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    bool ended = poll(&pollfd, 1, PATIENCE_MS) == 1;

    close(fd);
    if (!ended || waitpid(pid, &status, 0) != pid)
        return -1;
    return status;
}

static bool start_peer(struct lab *lab, const struct program *program, pid_t *peer)
{
    struct timespec since = {0};

    *peer = fork();
    if (*peer == 0)
        peer_run(lab->record, program->v6, lab->address[program->v6]);
    while (atomic_load(&lab->record->reply) == 0)
        if (!oracle_again(&since, ORACLE_WAIT_MS))
            return false;
    return true;
}

static void difference(struct counters *from, const struct counters *before)
{
    from->out_rsts -= before->out_rsts;
    from->abort_on_close -= before->abort_on_close;
    from->abort_on_data -= before->abort_on_data;
    from->abort_on_linger -= before->abort_on_linger;
    from->fastclose_tx -= before->fastclose_tx;
}

static void take(struct lab *lab, struct outcome *outcome)
{
    const struct record *record = lab->record;
    uint32_t length = atomic_load(&record->trace_length);

    if (length > TRACE_ROOM - 1)
        length = TRACE_ROOM - 1;
    memcpy(outcome->trace, record->trace, length);
    outcome->trace[length] = '\0';
    outcome->connection_count = record->connection_count;
    outcome->operations = record->operations;
    memcpy(outcome->connections, record->connections, sizeof outcome->connections);
}

bool lab_run(struct lab *lab, const struct program *program, enum mode mode,
             struct outcome *outcome)
{
    const char *address = lab->address[program->v6];
    static struct resets earlier;
    struct counters before;
    pid_t peer;

    if (truncate(lab->path, 0) != 0 || truncate(lab->path, sizeof *lab->record) != 0)
        return false;
    unlink(lab->log);
    lab->record->program = *program;
    lab->record->worker = lab->number;
    outcome->resets = earlier = (struct resets){0};
    tracer_collect(&lab->tracer, address, &earlier);
    oracle_counters(&before);
    if (!start_peer(lab, program, &peer)) {
        reap_all();
        return false;
    }
    pid_t subject = fork();
    if (subject == 0)
        become_subject(lab, program, mode);
    outcome->status = await(subject);
    atomic_store(&lab->record->over, 1);
    await(peer);
    reap_all();
    oracle_counters(&outcome->counters);
    difference(&outcome->counters, &before);
    tracer_collect(&lab->tracer, address, &outcome->resets);
    take(lab, outcome);
    return true;
}
