/* SPDX-License-Identifier: MIT */
#include "shim/in_call.h"

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <time.h>

#include "shim/process.h"
#include "shim/procfs.h"
#include "shim/raw.h"
#include "shim/tasks.h"

enum { QUESTIONS = 64, SUSPECTS = 256 };

static const uint64_t LOOK_MOST_NS = 500000000, YIELD_MOST_NS = 500000;

enum state { FREE, ASKING, ASKED, TAKEN, ANSWERED };

static struct question {
    uint32_t state; /* a futex */
    int fd;
    pid_t asker;
    enum in_call answer;
    uint64_t since;
} questions[QUESTIONS];

/* ---- who asks ---- */

static bool step(struct question *question, uint32_t from, uint32_t to)
{
    return __atomic_compare_exchange_n(&question->state, &from, to, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

int in_call_ask(int fd)
{
    for (int i = 0; i < QUESTIONS; i++) {
        if (!step(&questions[i], FREE, ASKING))
            continue;
        questions[i].fd = fd;
        questions[i].asker = (pid_t)raw_call(SYS_gettid);
        questions[i].answer = IN_CALL_UNKNOWN;
        questions[i].since = process_now();
        step(&questions[i], ASKING, ASKED);
        return i;
    }
    return -1;
}

bool in_call_wait(int index, uint64_t until, enum in_call *answer)
{
    struct question *question = &questions[index];

    for (;;) {
        uint32_t state = __atomic_load_n(&question->state, __ATOMIC_SEQ_CST);
        uint64_t now = process_now();
        if (state == ANSWERED) {
            *answer = question->answer;
            step(question, ANSWERED, FREE);
            return true;
        }
        /* One that the thread is at is left to it, and cleared away later. */
        if (now >= until && (state != ASKED || step(question, ASKED, FREE)))
            return false;
        uint64_t left = now < until ? until - now : 0;
        struct timespec time = {(time_t)(left / 1000000000), (long)(left % 1000000000)};
        raw_call(SYS_futex, &question->state, FUTEX_WAIT_PRIVATE, state, &time, NULL, 0);
    }
}

void in_call_forked(void)
{
    for (int i = 0; i < QUESTIONS; i++)
        questions[i].state = FREE;
}

/* ---- the drain thread ---- */

static void within_call(int fd)
{
    for (int i = 0; i < QUESTIONS; i++)
        if (__atomic_load_n(&questions[i].state, __ATOMIC_SEQ_CST) == TAKEN &&
            questions[i].fd == fd)
            questions[i].answer = IN_CALL_YES;
}

static pid_t suspects[SUSPECTS];
static unsigned suspect_count;
static bool failed; /* some thread could not be looked at */

/* It waits for us, or is about to: for this answer or the next one. */
static bool asks(pid_t tid)
{
    for (int i = 0; i < QUESTIONS; i++) {
        uint32_t state = __atomic_load_n(&questions[i].state, __ATOMIC_SEQ_CST);
        if ((state == ASKED || state == TAKEN) && questions[i].asker == tid)
            return true;
    }
    return false;
}

/* False when the thread has ended. */
static bool look_first(pid_t tid)
{
    if (tid == (pid_t)raw_call(SYS_gettid) || asks(tid))
        return true;
    switch (task_look(tid, within_call)) {
    case TASK_WAITS:
        return true;
    case TASK_ENDED:
        return false;
    case TASK_FAILED:
        failed = true;
        return true;
    case TASK_RUNS:
        break;
    }
    if (task_has_run_long(tid))
        return true;
    if (suspect_count == SUSPECTS)
        failed = true;
    else
        suspects[suspect_count++] = tid;
    return true;
}

/* Of each thread that the directory names; returns how many are alive. */
static unsigned look_once(void)
{
    char entries[2048] __attribute__((aligned(8)));
    enum { LENGTH_AT = 16, NAME_AT = 19 }; /* struct linux_dirent64 */
    int tasks = tasks_directory();
    unsigned alive = 0;
    long length;

    if (raw_call(SYS_lseek, tasks, 0, SEEK_SET) != 0)
        return 0;
    while ((length = raw_call(SYS_getdents64, tasks, entries, sizeof entries)) > 0) {
        for (long at = 0; at < length; at += *(uint16_t *)(void *)(entries + at + LENGTH_AT)) {
            const char *name = entries + at + NAME_AT;
            pid_t tid = 0;
            for (const char *digit = name; *digit >= '0' && *digit <= '9'; digit++)
                tid = tid * 10 + (*digit - '0');
            if (tid != 0)
                alive += look_first(tid);
        }
    }
    return alive;
}

/* The directory leaves threads out when one ends while it is read (proc_task_readdir()): then again
 * from the beginning. */
static bool look_at_all(void)
{
    enum { TRIES = 8 };
    int tasks = tasks_directory();

    for (int i = 0; i < TRIES && tasks >= 0; i++) {
        unsigned before = procfs_links(tasks);
        suspect_count = 0;
        failed = false;
        if (look_once() == before && before != 0 && procfs_links(tasks) == before)
            return !failed;
    }
    return false;
}

static bool some_open(void)
{
    for (int i = 0; i < QUESTIONS; i++)
        if (__atomic_load_n(&questions[i].state, __ATOMIC_SEQ_CST) == TAKEN &&
            questions[i].answer == IN_CALL_NO)
            return true;
    return false;
}

/* Those that were running: each is out of the question once it waits, or has run for long. */
static bool look_again(void)
{
    struct timespec pause = {0, 50000};
    uint64_t since = process_now(), now = since;

    for (; suspect_count > 0 && some_open() && now < since + LOOK_MOST_NS; now = process_now()) {
        /* Most wait soon, and a processor that has gone to sleep meanwhile would wake too late. */
        if (now < since + YIELD_MOST_NS)
            raw_call(SYS_sched_yield);
        else
            raw_call(SYS_nanosleep, &pause, NULL);
        for (unsigned i = 0; i < suspect_count;) {
            bool asking = asks(suspects[i]);
            enum task_doing doing = asking ? TASK_WAITS : task_look(suspects[i], within_call);
            bool done = doing != TASK_RUNS || task_has_run_long(suspects[i]);
            if (doing == TASK_FAILED)
                failed = true;
            if (!done)
                i++;
            else
                suspects[i] = suspects[--suspect_count];
        }
    }
    return suspect_count == 0 && !failed;
}

void in_call_answer(void)
{
    unsigned taken = 0;

    for (int i = 0; i < QUESTIONS; i++) {
        if (__atomic_load_n(&questions[i].state, __ATOMIC_SEQ_CST) == ASKED &&
            step(&questions[i], ASKED, TAKEN)) {
            questions[i].answer = IN_CALL_NO;
            taken++;
        }
    }
    if (taken == 0)
        return;
    bool complete = look_at_all();
    complete = look_again() && complete;
    for (int i = 0; i < QUESTIONS; i++) {
        if (__atomic_load_n(&questions[i].state, __ATOMIC_SEQ_CST) != TAKEN)
            continue;
        if (questions[i].answer == IN_CALL_NO && !complete)
            questions[i].answer = IN_CALL_UNKNOWN;
        step(&questions[i], TAKEN, ANSWERED);
        raw_call(SYS_futex, &questions[i].state, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    }
    /* Those who asked and left before the answer: by a jump out of a handler, or tired of it. */
    for (int i = 0; i < QUESTIONS; i++)
        if (process_now() - questions[i].since > 10000000000ull)
            step(&questions[i], ANSWERED, FREE);
}
