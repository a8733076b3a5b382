/* SPDX-License-Identifier: MIT */
/*
 * A handler leaves a close() or a dup() by siglongjmp(), at a random moment. The connection then
 * has one descriptor more than anybody has counted: closing the other one must not end it.
 *
 *   abandon close|thread|dup [SEED [TRIALS]]
 *
 * close: the second descriptor is closed by the same thread; thread: by another one; dup: it is
 * dup() that is left, and the first descriptor that is closed. Prints the seed, how often the jump
 * came while the connection was still held, and how many of those ended wrongly. Status 1 when any
 * did.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pair.h"

enum { WARMUP = 20 };

static timer_t timer;

/* Nanoseconds that what is left takes when nobody leaves it. */
static long duration;

static sigjmp_buf again;
static volatile sig_atomic_t armed;

static void leave(int number)
{
    (void)number;
    if (armed)
        siglongjmp(again, 1);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void *close_there(void *fd)
{
    close(*(int *)fd);
    return NULL;
}

static void close_by(const char *what, int fd)
{
    pthread_t thread;

    if (strcmp(what, "thread") != 0) {
        close(fd);
        return;
    }
    if (pthread_create(&thread, NULL, close_there, &fd) != 0)
        pair_fail("pthread_create");
    pthread_join(thread, NULL);
}

struct tally {
    unsigned jumps, held, wrong;
};

static long now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000 + time.tv_nsec;
}

static void set_timer(long nanoseconds)
{
    struct itimerspec when = {.it_value.tv_nsec = nanoseconds};
    timer_settime(timer, 0, &when, NULL);
}

/* Does it, unless the signal comes first. True when it was left. */
static bool interrupted(const struct pair *pair, bool copies)
{
    bool jumped = sigsetjmp(again, 1) != 0;

    if (!jumped) {
        armed = 1;
        long begin = now();
        if (duration > 0)
            set_timer(1 + rand() % (3 * duration + 4000));
        if (copies)
            (void)!dup(pair->subject);
        else
            close(pair->subject);
        if (duration <= 0)
            duration = begin - now(); /* negative: the last one of the first few counts */
    }
    armed = 0;
    set_timer(0);
    return jumped;
}

static void trial(const char *what, struct tally *tally)
{
    struct pair pair = pair_make(10);
    bool copies = strcmp(what, "dup") == 0;
    int other = pair_must(dup(pair.subject), "dup"); /* of `copies`: where the copy will be */

    if (copies)
        close(other);
    bool jumped = interrupted(&pair, copies);
    int left = copies ? other : pair.subject;
    bool held = is_open(left);
    tally->jumps += jumped;
    tally->held += jumped && held;
    close_by(what, copies ? pair.subject : other);
    tally->wrong += held && pair_ended(pair_view(pair.peer));
    if (held)
        close(left);
    close(pair.peer);
}

int main(int count, char **arguments)
{
    struct sigaction action = {.sa_handler = leave};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct tally tally = {0};
    unsigned seed = count > 2 ? (unsigned)atoi(arguments[2]) : (unsigned)getpid();
    unsigned trials = count > 3 ? (unsigned)atoi(arguments[3]) : 1000;

    if (count < 2)
        return 2;
    sigaction(SIGUSR1, &action, NULL);
    pair_must(timer_create(CLOCK_MONOTONIC, &event, &timer), "timer_create");
    srand(seed);
    for (unsigned i = 0; i < WARMUP; i++)
        trial(arguments[1], &tally);
    duration = -duration;
    for (unsigned i = 0; i < trials; i++)
        trial(arguments[1], &tally);
    printf("%s, seed %u: %u trials, left %u times, %u of them still held, %u wrongly ended\n",
           arguments[1], seed, trials, tally.jumps, tally.held, tally.wrong);
    return tally.wrong != 0;
}
