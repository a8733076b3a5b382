/* SPDX-License-Identifier: MIT */
/*
 *   crowd N             N children and their parent hold one connection; all close it, one by one
 *   crowd --serve N     a forking server: N connections, 50 at a time, are closed by the parent and
 *                       then by the exit of a child; then as with 1
 *   crowd --threads N   N forks while four threads open and close; prints the connections that
 * their thread's close has not ended, and at the end the resets (or ends) that peers saw
 *   crowd --exit N      exit(N) while four threads open and close
 *   crowd --forks N     a handler forks N times wherever it comes in, and closes in the child,
 * which goes on there and ends crowd --events N    N children that each end while eight threads
 * write events without a pause
 */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

enum { BATCH = 50, THREADS = 4, WRITERS = 8 };

static void one_connection(int children)
{
    struct pair pair = pair_make(10);
    int turn[2];
    char byte = 0;

    pair_must(pipe(turn), "pipe");
    for (int i = 0; i < children; i++) {
        if (pair_must(fork(), "fork") == 0) {
            /* One byte goes round: whoever gets it closes and passes it on. */
            if (read(turn[0], &byte, 1) != 1)
                _exit(1);
            close(pair.subject);
            if (write(turn[1], &byte, 1) != 1)
                _exit(1);
            _exit(0);
        }
    }
    if (write(turn[1], &byte, 1) != 1)
        pair_fail("write");
    for (int i = 0; i < children; i++)
        wait(NULL);
    if (strcmp(pair_view(pair.peer), "none") != 0)
        pair_fail("reset too early");
    close(pair.subject);
    puts(pair_view(pair.peer));
}

static void serve(int connections)
{
    int listener = pair_listen(), closed[2];
    struct pair pairs[BATCH];
    char byte;

    for (int done = 0; done < connections; done += BATCH) {
        for (int i = 0; i < BATCH; i++)
            pairs[i] = pair_through(listener, 1);
        pair_must(pipe(closed), "pipe");
        pid_t pid = pair_must(fork(), "fork");
        if (pid == 0) {
            close(closed[1]);
            _exit(read(closed[0], &byte, 1) == 0 ? 0 : 1);
        }
        for (int i = 0; i < BATCH; i++)
            close(pairs[i].subject);
        close(closed[0]);
        close(closed[1]);
        waitpid(pid, NULL, 0);
        for (int i = 0; i < BATCH; i++) {
            if (!pair_ended(pair_view(pairs[i].peer)))
                pair_fail("no reset");
            close(pairs[i].peer);
        }
    }
    one_connection(1);
}

static unsigned ended;
static bool over;

static void *busy(void *argument)
{
    int listener = pair_listen();

    (void)argument;
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        struct pair pair = pair_through(listener, 10);
        uint64_t cookie = pair_cookie(pair.subject);
        close(pair.subject);
        bool last = pair_ended(pair_view(pair.peer));
        if (!last)
            printf("held %llu\n", (unsigned long long)cookie);
        if (last || pair_ended(pair_view_wait(pair.peer)))
            __atomic_add_fetch(&ended, 1, __ATOMIC_RELAXED);
        close(pair.peer);
    }
    return NULL;
}

/* The children only wait to be killed, so that a connection opened before their birth is closed by
 * their death at the latest; meanwhile its peer sees nothing. */
static void fork_beside_threads(int forks)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, busy, NULL) != 0)
            pair_fail("pthread_create");
    for (int i = 0; i < forks; i++) {
        pid_t pid = pair_must(fork(), "fork");
        if (pid == 0)
            _exit(0);
        waitpid(pid, NULL, 0);
    }
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("%s %u\n", pair_endings(), ended);
}

/* Ends the process with this status while the threads go on. */
static void end_beside_threads(int status)
{
    pthread_t thread;

    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&thread, NULL, busy, NULL) != 0)
            pair_fail("pthread_create");
    usleep(20000);
    exit(status);
}

static void *close_datagrams(void *unused)
{
    (void)unused;
    for (;;)
        close(socket(AF_INET, SOCK_DGRAM, 0));
    return NULL;
}

static void end_beside_events(int children)
{
    for (int i = 0; i < children; i++) {
        pid_t pid = pair_must(fork(), "fork");
        if (pid == 0) {
            pthread_t thread;
            for (int k = 0; k < WRITERS; k++)
                pair_must(-pthread_create(&thread, NULL, close_datagrams, NULL), "pthread_create");
            usleep(1500 + (useconds_t)i % 1000);
            _exit(0);
        }
        waitpid(pid, NULL, 0);
    }
}

static volatile sig_atomic_t forks_left, is_child;

static void fork_and_close(int number)
{
    (void)number;
    if (is_child || forks_left == 0)
        return;
    forks_left--;
    pid_t pid = fork();
    if (pid == 0) {
        is_child = 1;
        close(socket(AF_INET, SOCK_DGRAM, 0));
    } else {
        waitpid(pid, NULL, 0);
    }
}

static void fork_within_events(int forks)
{
    struct itimerval often = {{0, 700}, {0, 700}};
    struct sigaction action = {.sa_handler = fork_and_close, .sa_flags = SA_RESTART};

    forks_left = forks;
    sigaction(SIGALRM, &action, NULL);
    pair_must(setitimer(ITIMER_REAL, &often, NULL), "setitimer");
    while (forks_left > 0 && !is_child)
        close(socket(AF_INET, SOCK_DGRAM, 0));
    _exit(0);
}

int main(int count, char **arguments)
{
    if (count == 2)
        one_connection(atoi(arguments[1]));
    else if (count == 3 && strcmp(arguments[1], "--serve") == 0)
        serve(atoi(arguments[2]));
    else if (count == 3 && strcmp(arguments[1], "--threads") == 0)
        fork_beside_threads(atoi(arguments[2]));
    else if (count == 3 && strcmp(arguments[1], "--exit") == 0)
        end_beside_threads(atoi(arguments[2]));
    else if (count == 3 && strcmp(arguments[1], "--forks") == 0)
        fork_within_events(atoi(arguments[2]));
    else if (count == 3 && strcmp(arguments[1], "--events") == 0)
        end_beside_events(atoi(arguments[2]));
    else
        return 2;
    return 0;
}
