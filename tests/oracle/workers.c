/* SPDX-License-Identifier: MIT */
/* Workers play the cells: one process each, because each is in a network namespace of its own. */
#include "matrix.h"

#include "cure.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct work {
    const struct options *options;
    struct cell *cells;
    size_t count;
    atomic_size_t *next;
    const char *log;
    struct tracer tracer;
    struct truth truth, native;
    struct prediction prediction;
};

static bool play_cell(struct work *work, size_t number, const char *log, struct truth *truth)
{
    const struct cell *cell = &work->cells[number];
    struct scenario scenario = {.proto = cell->proto,
                                .before = cell->situation->before,
                                .after = cell->situation->after,
                                .road = cell->road->name,
                                .ends = cell->road->ends,
                                .blocks = cell->situation->blocks,
                                .resets_at_close =
                                    resets_expected(cell->situation->resets_at_close),
                                .resets_late = resets_expected(cell->situation->resets_late),
                                .number = (unsigned)number,
                                .shim = log ? work->options->shim : NULL,
                                .log = log};
    char steps[200];
    if (work->options->mode == ENFORCE)
        cure_scenario(cell->situation, cell->road, cell->proto, work->options->late_ms, &scenario,
                      steps, sizeof steps);
    return play(&scenario, &work->tracer, truth);
}

static void predict_cell(struct work *work, struct cell *cell, const char *log)
{
    char kernel[WHY / 3];
    struct prediction *prediction = &work->prediction;
    bool logged = prediction_read(log, work->truth.pid, work->truth.fd, prediction);
    cell->verdict = judge_truth(cell->situation, cell->road, cell->proto, &work->truth, cell->why);
    if (cell->verdict == RIGHT && !logged) {
        cell->verdict = MISSED;
        snprintf(cell->why, sizeof cell->why, "%.1000s", prediction->line);
    } else if (cell->verdict == RIGHT) {
        cell->verdict = judge_prediction(cell->situation, cell->road, cell->proto, &work->truth,
                                         prediction, cell->why);
    }
    if (cell->verdict == RIGHT || cell->verdict == UNREACHED)
        return;
    size_t length = strlen(cell->why);
    snprintf(cell->why + length, sizeof cell->why - length, "\n    kernel: %s\n    event: %s",
             truth_text(&work->truth, kernel, sizeof kernel), prediction->line);
}

/* What softclose did, beside what came of it. */
static void cure_cell(struct work *work, struct cell *cell)
{
    char line[700];
    cell->verdict = judge_cure(cell->situation, cell->road, cell->proto, &work->truth, cell->why);
    FILE *log = cell->verdict == RIGHT ? NULL : fopen(work->log, "re");
    while (log && fgets(line, sizeof line, log)) {
        size_t length = strlen(cell->why);
        line[strcspn(line, "\n")] = '\0';
        if (strstr(line, "\"event\":\"process\"") == NULL)
            snprintf(cell->why + length, WHY - length, "\n    event: %s", line);
    }
    if (log)
        fclose(log);
}

/* Each cell's log in one piece: many workers write. */
static void keep_events(const struct work *work)
{
    static char text[1 << 20];
    int from = open(work->log, O_RDONLY | O_CLOEXEC);
    int to = open(work->options->events, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    ssize_t length = from < 0 ? 0 : read(from, text, sizeof text);
    if (to < 0 || (length > 0 && write(to, text, (size_t)length) != length))
        perror(work->options->events);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
}

static void play_once(struct work *work, size_t number)
{
    struct cell *cell = &work->cells[number];
    if (work->options->mode == NATIVE || work->options->mode == UNCHANGED) {
        play_cell(work, number, NULL, &work->native);
        cell->verdict =
            judge_truth(cell->situation, cell->road, cell->proto, &work->native, cell->why);
        if (work->options->mode == NATIVE && cell->verdict == RIGHT)
            truth_text(&work->native, cell->why, sizeof cell->why);
    }
    if (work->options->mode == NATIVE)
        return;
    play_cell(work, number, work->log, &work->truth);
    if (work->options->mode == UNCHANGED)
        cell->verdict = judge_unchanged(cell->situation, &work->native, &work->truth, cell->why);
    else if (work->options->mode == ENFORCE)
        cure_cell(work, cell);
    else
        predict_cell(work, cell, work->log);
    if (work->options->events)
        keep_events(work);
    unlink(work->log);
}

/* A few cells in ten thousand end in another way than the kernel's table says, natively, too (a
 * packet of the peer's comes first, or twice). What softclose changes it changes each time, so a
 * difference counts only when it comes again; what was judged wrong against the kernel counts at
 * once. */
static bool is_chance(enum mode mode, enum verdict verdict)
{
    return mode == UNCHANGED ? verdict != RIGHT : mode != ENFORCE && verdict == UNREACHED;
}

static void one_cell(struct work *work, size_t number)
{
    enum { TIMES = 3 };

    play_once(work, number);
    for (int again = 1; again < TIMES; again++) {
        if (!is_chance(work->options->mode, work->cells[number].verdict))
            return;
        work->cells[number].replays++;
        play_once(work, number);
    }
}

/* In a PID namespace of its own, where every process can be looked into: whether a socket has other
 * holders must not depend on what else runs on this machine. */
static pid_t fork_apart(void)
{
    pid_t pid =
        (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0)
        setsid(); /* nobody outside has started what the worker starts */
    if (pid == 0 && (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
                     mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0))
        _exit(1);
    return pid;
}

static void work_on(struct work *work, int worker)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    work->log = tracer_log(worker);
    if (!tracer_open(&work->tracer, worker))
        _exit(1);
    for (;;) {
        size_t number = atomic_fetch_add(work->next, 1);
        if (number >= work->count)
            _exit(0);
        if (work->cells[number].verdict != SKIPPED)
            one_cell(work, number);
    }
}

bool play_all(const struct options *options, struct cell *cells, size_t count)
{
    static struct work work;
    work = (struct work){.options = options, .cells = cells, .count = count};
    work.next =
        mmap(NULL, sizeof *work.next, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (work.next == MAP_FAILED)
        return false;
    bool done = true;
    for (int i = 0; i < options->jobs && done; i++)
        done = tracer_make(i);
    for (int i = 0; i < options->jobs && done; i++) {
        pid_t pid = options->mode == ENFORCE ? fork_apart() : fork();
        if (pid == 0)
            work_on(&work, i);
        tracer_worker(pid);
        done = pid > 0;
    }
    int status;
    pid_t pid;
    while (done && (pid = wait(&status)) > 0) {
        tracer_worker_done(pid);
        done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    tracer_remove_all();
    return done;
}
