/* SPDX-License-Identifier: MIT */
/*
 * A signal at every instruction of a road to a closed socket (step_roads.c), its handler closing
 * sockets itself, forking, or cancelling its thread.
 *
 *   step [--every N [--start S]] [--all] [--cancel] [ROAD...]
 *
 * Each road is first gone along in single steps (ptrace), which tells its instructions. Then, for
 * each of them, a process of its own runs at full speed to that instruction (a hardware
 * breakpoint, at the first time it is come to), gets SIGUSR1 there, and goes on untraced; its
 * handler does one of four deeds by turns, --all: each, --cancel: is a pthread_cancel(). At last
 * one process gets the signal at every sixteenth step of one call. --every N: at each Nth
 * instruction only, beginning with S (from the clock, and printed, when it is not given).
 *
 * Standard output: what the calls returned and the peers saw, each once; it is the same natively
 * and under softclose. Standard error: figures. 77 where there are no such breakpoints.
 */
#include "step.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)

enum { STEPS_MOST = 200000, STRIDE = 16 };

static struct report *report;
static struct {
    unsigned long at[STEPS_MOST]; /* the instructions of the road, each once */
    unsigned count;               /* of these */
    unsigned steps;               /* of the road, loops included */
} path;
static unsigned shots, missed, all_handled, every = 1, start;

static void fail(const char *what)
{
    fprintf(stderr, "step: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- a traced process --- */

static int wait_stop(pid_t pid)
{
    int status;

    if (waitpid(pid, &status, 0) != pid)
        fail("waitpid");
    return status;
}

static bool is_trap(int status)
{
    return WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
}

/* Runs on with that signal until the next stop. */
static int go_on(enum __ptrace_request how, pid_t pid, int number)
{
    if (ptrace(how, pid, NULL, (void *)(long)number) != 0)
        fail("ptrace");
    return wait_stop(pid);
}

static void breakpoint(pid_t pid, unsigned long address)
{
    if (ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[7]), NULL) != 0 ||
        (address != 0 &&
         (ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[0]), address) != 0 ||
          ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[7]), (void *)1) != 0))) {
        printf("skipped: no hardware breakpoints here: %s\n", strerror(errno));
        kill(pid, SIGKILL);
        exit(77);
    }
}

static struct user_regs_struct registers(pid_t pid)
{
    struct user_regs_struct values;

    if (ptrace(PTRACE_GETREGS, pid, NULL, &values) != 0)
        fail("PTRACE_GETREGS");
    return values;
}

/* The road's process, stopped where the road begins. */
static pid_t begin(const struct road *road, enum deed deed)
{
    report->over = false;
    memset(report->outer_ends, 0, sizeof report->outer_ends);
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid == 0)
        step_subject(road, deed);
    if (!is_trap(wait_stop(pid)))
        fail("the road's process did not begin");
    return pid;
}

static void must_end(pid_t pid, int status, const struct road *road, unsigned long at)
{
    while (WIFSTOPPED(status)) {
        int number = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
        status = go_on(PTRACE_CONT, pid, number);
    }
    if (status != 0 && report->wrong[0] == '\0')
        snprintf(report->wrong, sizeof report->wrong, "the process ended with %s %d",
                 WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    if (report->wrong[0] == '\0')
        return;
    printf("%s: WRONG at %#lx: %s\n", road->name, at, report->wrong);
    report->wrong[0] = '\0';
}

/* --- the three passes --- */

static void record(const struct road *road)
{
    pid_t pid = begin(road, DEED_NONE);
    int status;

    path.count = path.steps = 0;
    do {
        unsigned long at = registers(pid).rip;
        unsigned i = 0;
        while (i < path.count && path.at[i] != at)
            i++;
        if (i == path.count && path.count < STEPS_MOST)
            path.at[path.count++] = at;
        path.steps++;
        status = go_on(PTRACE_SINGLESTEP, pid, 0);
    } while (is_trap(status) && !report->over);
    must_end(pid, status, road, 0);
}

static void signal_at(const struct road *road, unsigned long at, enum deed deed)
{
    pid_t pid = begin(road, deed);
    unsigned before = report->handled;
    int status;

    shots++;
    breakpoint(pid, at);
    status = go_on(PTRACE_CONT, pid, 0);
    if (is_trap(status)) {
        breakpoint(pid, 0);
        if (ptrace(PTRACE_DETACH, pid, NULL, (void *)(long)SIGUSR1) != 0)
            fail("PTRACE_DETACH");
        status = wait_stop(pid);
    }
    must_end(pid, status, road, at);
    missed += report->handled == before;
}

static bool is_blocked(pid_t pid)
{
    uint64_t mask = 0;

    return ptrace((enum __ptrace_request)PTRACE_GETSIGMASK, pid, (void *)sizeof mask, &mask) != 0 ||
           (mask & 1u << (SIGUSR1 - 1)) != 0;
}

/* The handler at many steps of one call; a breakpoint tells when it has returned. */
static void signal_at_all(const struct road *road)
{
    pid_t pid = begin(road, DEED_TCP);
    unsigned before = report->handled;
    int status;

    for (unsigned step = start;; step++) {
        status = go_on(PTRACE_SINGLESTEP, pid, 0);
        if (!is_trap(status) || report->over)
            break;
        if (step % (STRIDE * every) != 0 || is_blocked(pid))
            continue;
        struct user_regs_struct here = registers(pid);
        breakpoint(pid, here.rip);
        status = go_on(PTRACE_CONT, pid, SIGUSR1);
        while (is_trap(status) && registers(pid).rsp != here.rsp) /* the handler is here, too */
            status = go_on(PTRACE_CONT, pid, 0);
        if (!is_trap(status))
            break;
        breakpoint(pid, 0);
    }
    must_end(pid, status, road, 0);
    all_handled += report->handled - before;
}

/* --- */

static void tell(const struct road *road, unsigned long processes)
{
    fprintf(stderr, "%s: %u instructions, %u steps; %lu signals\n", road->name, path.count,
            path.steps, processes);
    for (unsigned i = 0; i < RESULTS_MOST && report->results[i].count > 0; i++)
        printf("%s: %s\n", road->name, report->results[i].text);
    memset(report->results, 0, sizeof report->results);
}

static void go_along(const struct road *road, bool all, bool cancel)
{
    static unsigned turn;                                 /* another deed begins at each road */
    unsigned before = shots, deeds = road->locks ? 3 : 4; /* the fourth forks */

    record(road);
    for (unsigned i = start % every; i < path.count; i += every) {
        if (cancel)
            signal_at(road, path.at[i], DEED_CANCEL);
        for (enum deed deed = DEED_UNIX; !cancel && deed < DEED_UNIX + deeds; deed++)
            if (all || deed == DEED_UNIX + (i / every + turn) % deeds)
                signal_at(road, path.at[i], deed);
    }
    turn++;
    if (!cancel)
        signal_at_all(road);
    tell(road, shots - before);
}

/* Named, or nothing is named. */
static bool is_wanted(const struct road *road, char **names)
{
    bool any = *names == NULL;

    for (; *names; names++)
        any = any || strcmp(*names, road->name) == 0;
    return any;
}

int main(int count, char **arguments)
{
    static const struct option options[] = {{"every", required_argument, NULL, 'e'},
                                            {"start", required_argument, NULL, 's'},
                                            {"all", no_argument, NULL, 'a'},
                                            {"cancel", no_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    bool all = false, cancel = false;
    int option;

    start = (unsigned)time(NULL);
    while ((option = getopt_long(count, arguments, "", options, NULL)) != -1) {
        if (option == 'e')
            every = (unsigned)atoi(optarg);
        else if (option == 's')
            start = (unsigned)atoi(optarg);
        else if (option == 'a')
            all = true;
        else if (option == 'c')
            cancel = true;
        else
            return 2;
    }
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED || every == 0)
        return 2;
    step_start(report);
    for (unsigned i = 0; i < step_road_count; i++)
        if (is_wanted(&step_roads[i], arguments + optind) && (!cancel || !step_roads[i].locks))
            go_along(&step_roads[i], all, cancel);
    fprintf(
        stderr,
        "every %u, start %u: signals %u, missed %u, within one call %u, closes %u, cancelled %u\n",
        every, start % every, shots, missed, all_handled, report->closes, report->cancelled);
    fprintf(stderr, "inner: %u resets, %u ends\n", report->inner_ends[0], report->inner_ends[1]);
    return 0;
}

#else

int main(void)
{
    puts("skipped: for x86-64 only");
    return 77;
}

#endif
