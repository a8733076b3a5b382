/* SPDX-License-Identifier: MIT */
/*
 * A handler leaves a close() or a dup() by siglongjmp(), after a random instruction of it. The
 * connection then has one descriptor more than anybody has counted: closing the other one must not
 * end it.
 *
 *   abandon close|thread|dup [SEED [HELD]]
 *
 * close: the second descriptor is closed by the same thread; thread: by another one; dup: it is
 * dup() that is left, and the first descriptor that is closed. Goes on until the jump has come HELD
 * times while the connection was still held, for 50 times as many trials at most. Prints the seed,
 * the trials and how many ended wrongly. Status 1 when any did, 77 where there is no trap flag to
 * count instructions with.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pair.h"

#if defined(__x86_64__)

enum { WARMUP = 20, TRIALS_FOR_ONE = 50 };

/* Instructions that what is left takes when nobody leaves it. */
static long length;

static sigjmp_buf again;
static volatile long until_left; /* instructions */

/* The processor's trap flag: SIGTRAP after each instruction of this thread. A moment chosen by a
 * timer would be early or late by more than dup() takes. */
static void trace(bool on)
{
    unsigned long flag = on ? 0x100 : 0;

    __asm__ volatile("lea -128(%%rsp), %%rsp\n\t" /* past the red zone */
                     "pushfq\n\t"
                     "andq $~0x100, (%%rsp)\n\t"
                     "orq %0, (%%rsp)\n\t"
                     "popfq\n\t"
                     "lea 128(%%rsp), %%rsp"
                     :
                     : "r"(flag)
                     : "memory", "cc");
}

static void on_instruction(int number)
{
    (void)number;
    if (--until_left == 0)
        siglongjmp(again, 1); /* to where the flag is not set */
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
    unsigned trials, jumps, held, wrong;
};

/* Does it, unless it is left on the way. True when it was. */
static bool interrupted(const struct pair *pair, bool copies)
{
    if (sigsetjmp(again, 1) != 0)
        return true;
    until_left = length > 0 ? 1 + rand() % length : LONG_MAX;
    trace(true);
    if (copies)
        (void)!dup(pair->subject);
    else
        close(pair->subject);
    trace(false);
    return false;
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
    tally->trials++;
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
    struct sigaction action = {.sa_handler = on_instruction};
    struct tally tally = {0};
    unsigned seed = count > 2 ? (unsigned)atoi(arguments[2]) : (unsigned)getpid();
    unsigned held = count > 3 ? (unsigned)atoi(arguments[3]) : 100;

    if (count < 2)
        return 2;
    sigaction(SIGTRAP, &action, NULL);
    srand(seed);
    for (unsigned i = 0; i < WARMUP; i++)
        trial(arguments[1], &tally);
    length = LONG_MAX - until_left;
    tally.trials = 0;
    while (tally.held < held && tally.trials < TRIALS_FOR_ONE * held)
        trial(arguments[1], &tally);
    printf("%s of %ld instructions, seed %u: %u trials, left %u times, %u of them still held, "
           "%u wrongly ended\n",
           arguments[1], length, seed, tally.trials, tally.jumps, tally.held, tally.wrong);
    return tally.wrong != 0;
}

#else

int main(void)
{
    puts("skipped: for x86-64 only");
    return 77;
}

#endif
