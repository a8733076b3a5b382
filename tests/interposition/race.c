/* SPDX-License-Identifier: MIT */
/*
 * The same connection closed twice at the same moment, again and again: by parent and child
 * (--processes), or by two threads with a descriptor each (--threads). One of the two closes is the
 * last one each time, and the peer is reset once. Prints how many resets the peers saw.
 *
 * With --killed the child is killed before it has done anything, and only the parent closes.
 *
 *   race --processes|--threads|--killed ROUNDS
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

static unsigned *arrived; /* in memory that a child shares */

static void meet(unsigned round)
{
    __atomic_add_fetch(arrived, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(arrived, __ATOMIC_ACQUIRE) < 2 * (round + 1))
        ;
}

struct other {
    int fd;
    unsigned round;
};

static void *close_other(void *argument)
{
    struct other *other = argument;

    meet(other->round);
    close(other->fd);
    return NULL;
}

static void with_thread(int fd, unsigned round)
{
    struct other other = {pair_must(dup(fd), "dup"), round};
    pthread_t thread;

    if (pthread_create(&thread, NULL, close_other, &other) != 0)
        pair_fail("pthread_create");
    meet(round);
    close(fd);
    pthread_join(thread, NULL);
}

static void with_child(int fd, unsigned round)
{
    pid_t child = pair_must(fork(), "fork");

    if (child == 0) {
        meet(round);
        close(fd);
        _exit(0);
    }
    meet(round);
    close(fd);
    waitpid(child, NULL, 0);
}

static void with_killed_child(int fd, unsigned round)
{
    pid_t child = pair_must(fork(), "fork");

    (void)round;
    if (child == 0)
        for (;;)
            pause();
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(fd);
}

int main(int count, char **arguments)
{
    unsigned ended = 0, rounds = count == 3 ? (unsigned)atoi(arguments[2]) : 0;
    const char *how = count == 3 ? arguments[1] : "";
    void (*close_twice)(int fd, unsigned round) = strcmp(how, "--threads") == 0  ? with_thread
                                                  : strcmp(how, "--killed") == 0 ? with_killed_child
                                                                                 : with_child;
    int listener = pair_listen();

    arrived = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (arrived == MAP_FAILED || rounds == 0)
        pair_fail("usage: race --processes|--threads|--killed ROUNDS");
    for (unsigned round = 0; round < rounds; round++) {
        struct pair pair = pair_through(listener, 10);
        close_twice(pair.subject, round);
        ended += pair_ended(pair_view_wait(pair.peer));
        close(pair.peer);
    }
    printf("%u %s\n", ended, pair_endings());
    return 0;
}
