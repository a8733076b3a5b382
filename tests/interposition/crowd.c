/* SPDX-License-Identifier: MIT */
/*
 *   crowd N             N children and their parent hold one connection; all close it, one by one
 *   crowd --serve N     a forking server: N connections, 50 at a time, are closed by the parent and
 *                       then by the exit of a child; then as with 1
 *   crowd --threads N   N forks while four threads open and close; prints the connections that
 * their thread's close has not reset, and at the end the resets that peers saw
 *   crowd --exit N      exit(N) while four threads open and close
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

enum { BATCH = 50, THREADS = 4 };

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
            if (strcmp(pair_view(pairs[i].peer), "reset") != 0)
                pair_fail("no reset");
            close(pairs[i].peer);
        }
    }
    one_connection(1);
}

static unsigned resets;
static bool over;

static void *busy(void *argument)
{
    int listener = pair_listen();

    (void)argument;
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        struct pair pair = pair_through(listener, 10);
        uint64_t cookie = pair_cookie(pair.subject);
        close(pair.subject);
        bool last = strcmp(pair_view(pair.peer), "reset") == 0;
        if (!last)
            printf("held %llu\n", (unsigned long long)cookie);
        if (last || strcmp(pair_view_wait(pair.peer), "reset") == 0)
            __atomic_add_fetch(&resets, 1, __ATOMIC_RELAXED);
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
    printf("resets %u\n", resets);
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
    else
        return 2;
    return 0;
}
