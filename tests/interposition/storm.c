/* SPDX-License-Identifier: MIT */
/*
 * Threads that open, copy, shut down and close sockets by every road, under a storm of signals
 * whose handler does the same. Afterwards the closes that succeeded are told; every one of them
 * must be in the log, or be counted there as not written.
 *
 *   storm [--seconds N] [--seed S] [--threads T] [--jump]
 *
 * --seconds 2, --threads 8 and a seed from the clock (printed, to repeat a run's choices) are the
 * defaults; the long form is --seconds 600. With --jump handlers leave by siglongjmp() now and
 * then, so that a close may be abandoned anywhere: then the closes that are told are those of 200
 * connections closed when the storm is over, and how long they took.
 *
 * Under audit:  LD_PRELOAD=.../libsoftclose.so SOFTCLOSE=audit SOFTCLOSE_LOG=storm.jsonl \
 *               SOFTCLOSE_SET=log.events=none storm --seconds 600
 * and the summary's "closes" add up to what is printed here.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "pair.h"

enum { THREADS_MOST = 64, AFTERWARDS = 200, JUMPS_MOST = 2000 };

static unsigned long seed, closes, failures, signals, jumps;
static bool over, jumping;
static pthread_t threads[THREADS_MOST];

static _Thread_local unsigned long state; /* 0: a thread that is no worker */
static _Thread_local sigjmp_buf again;
static _Thread_local volatile sig_atomic_t may_jump;

/* xorshift64: a handler that comes in between only makes it less regular. */
static unsigned choose(unsigned most)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 33) % most;
}

static void count(unsigned long *counter)
{
    __atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static void closed(int result)
{
    count(result == 0 ? &closes : &failures);
}

/* One socket less, by one of the roads. */
static void close_somehow(int fd)
{
    switch (choose(6)) {
    case 0:
        closed(close_range((unsigned)fd, (unsigned)fd, 0));
        break;
    case 1:
        closed((int)syscall(SYS_close, fd));
        break;
    case 2: {
        int copy = dup(fd);
        closed(copy < 0 ? -1 : close(fd));
        closed(close(copy));
        break;
    }
    case 3: { /* another takes its number */
        int other = socket(AF_INET, SOCK_STREAM, 0);
        closed(dup2(other, fd) == fd ? 0 : -1);
        closed(close(other));
        closed(close(fd));
        break;
    }
    default:
        closed(close(fd));
        break;
    }
}

/* Async-signal-safe. */
static void work_briefly(void)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
        count(&failures);
        return;
    }
    if (choose(2) == 0 && write(ends[0], "unread", 6) != 6)
        count(&failures);
    if (choose(3) == 0)
        shutdown(ends[0], (int)choose(3));
    unsigned first = choose(2);
    close_somehow(ends[first]);
    close_somehow(ends[1 - first]);
}

static void on_signal(int number)
{
    int error = errno;

    (void)number;
    if (state == 0) /* not the sender's business */
        return;
    count(&signals);
    if (jumping && may_jump && choose(4) == 0 && jumps < JUMPS_MOST) {
        count(&jumps);
        siglongjmp(again, 1);
    }
    work_briefly();
    errno = error;
}

static void *worker(void *argument)
{
    int listener = pair_listen();

    state = seed * 2654435761u + (unsigned long)(uintptr_t)argument * 40503u + 1;
    sigsetjmp(again, 1);
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        if (jumping) {
            may_jump = true;
            work_briefly();
            may_jump = false;
        } else if (choose(4) == 0) {
            struct pair pair = pair_through(listener, choose(2) * 10);
            close_somehow(pair.subject);
            close_somehow(pair.peer);
        } else {
            work_briefly();
        }
    }
    may_jump = false;
    if (!jumping)
        closed(close(listener));
    return NULL;
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void storm(double seconds, int count_of_threads)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct itimerval timer = {.it_interval.tv_usec = 700, .it_value.tv_usec = 700};
    double end = now() + seconds;

    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < count_of_threads; i++)
        if (pthread_create(&threads[i], NULL, worker, (void *)(uintptr_t)(i + 1)) != 0)
            pair_fail("pthread_create");
    setitimer(ITIMER_REAL, &timer, NULL);
    for (unsigned i = 0; now() < end; i++) {
        pthread_kill(threads[i % (unsigned)count_of_threads], SIGUSR1);
        nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
    }
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    memset(&timer, 0, sizeof timer);
    setitimer(ITIMER_REAL, &timer, NULL);
    for (int i = 0; i < count_of_threads; i++)
        pthread_join(threads[i], NULL);
}

static void afterwards(void)
{
    int listener = pair_listen();
    unsigned ended = 0;
    double start = now();

    for (int i = 0; i < AFTERWARDS; i++) {
        struct pair pair = pair_through(listener, 10);
        close(pair.subject);
        ended += pair_ended(pair_view(pair.peer));
        close(pair.peer);
    }
    printf("afterwards: port %d, %u %s\n", pair_port(listener), ended, pair_endings());
    fprintf(stderr, "afterwards: %.0f us for each\n", (now() - start) / AFTERWARDS * 1e6);
}

int main(int argument_count, char **arguments)
{
    static const struct option options[] = {{"seconds", required_argument, NULL, 'n'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"jump", no_argument, NULL, 'j'},
                                            {NULL, 0, NULL, 0}};
    struct rlimit nofile;
    double seconds = 2;
    int option, count_of_threads = 8;

    seed = (unsigned long)time(NULL);
    while ((option = getopt_long(argument_count, arguments, "", options, NULL)) != -1) {
        if (option == 'n')
            seconds = atof(optarg);
        else if (option == 's')
            seed = strtoul(optarg, NULL, 10);
        else if (option == 't')
            count_of_threads = atoi(optarg);
        else if (option == 'j')
            jumping = true;
        else
            return 2;
    }
    if (count_of_threads < 1 || count_of_threads > THREADS_MOST || seconds <= 0)
        return 2;
    getrlimit(RLIMIT_NOFILE, &nofile);
    nofile.rlim_cur = nofile.rlim_max; /* what jumps abandon stays open */
    setrlimit(RLIMIT_NOFILE, &nofile);
    storm(seconds, count_of_threads);
    printf("seed %lu\nsignals %lu\njumps %lu\ncloses %lu\nfailures %lu\n", seed, signals, jumps,
           closes, failures);
    if (jumping)
        afterwards();
    return 0;
}
