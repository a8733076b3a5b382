/* SPDX-License-Identifier: MIT */
/*
 * Many at once.
 *
 *   many threads N ROUNDS     N threads open and close connections with unread data; prints how
 * many peers saw which end many forks SEED TRIALS    four threads open and close while two others
 * make children by fork() and _Fork() that close or exit; prints the ends that peers saw, and the
 *                             trials where one came before the last holder had closed
 *   many children N           N children alive with one connection; the first 1,040 end, then the
 *                             parent closes, then the others end; then a connection again
 *   many releases N SOCKETS   N children, alive, have each closed SOCKETS that they inherited, more
 *                             than the table of releases has room for; then the parent closes 32
 *                             connections among them, and others that a child still has
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

enum { UNREAD = 10, OPENERS = 4, FORKERS = 2, TCP = 32, PLACES = 1040 };

static int rounds, trials;
static unsigned seed, ended, early;
static bool over;

static void *opens_and_closes(void *argument)
{
    int listener = pair_listen();

    (void)argument;
    for (int i = 0; rounds > 0 ? i < rounds : !__atomic_load_n(&over, __ATOMIC_RELAXED); i++) {
        struct pair pair = pair_through(listener, UNREAD);
        if (close(pair.subject) != 0)
            pair_fail("close");
        if (pair_ended(pair_view_wait(pair.peer)))
            __atomic_add_fetch(&ended, 1, __ATOMIC_RELAXED);
        close(pair.peer);
    }
    close(listener);
    return NULL;
}

static void start_all(pthread_t *threads, int count, void *(*run)(void *))
{
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, run, (void *)(long)i) != 0)
            pair_fail("pthread_create");
}

static void join_all(const pthread_t *threads, int count)
{
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static void many_threads(int count)
{
    pthread_t *threads = calloc((size_t)count, sizeof *threads);

    start_all(threads, count, opens_and_closes);
    join_all(threads, count);
    free(threads);
    printf("%u %s\n", ended, pair_endings());
}

/* Only what a child of _Fork() beside threads may call. */
_Noreturn static void child_of(int fd, bool closes, const int *told, const int *go)
{
    char byte;

    close(go[1]);
    if ((closes && close(fd) != 0) || write(told[1], "", 1) != 1 || read(go[0], &byte, 1) != 1)
        _exit(1);
    _exit(0);
}

/* A child gets the connection, and closes it or keeps it to its end; its parent closes before that
 * end or after it. Until both have given it up, the peer sees nothing. */
static void one_trial(int listener, unsigned *state)
{
    struct pair pair = pair_through(listener, UNREAD);
    bool closes = rand_r(state) >> 4 & 1, parent_last = rand_r(state) >> 4 & 1;
    int told[2], go[2], status = 0;
    char byte;

    pair_must(pipe(told), "pipe");
    pair_must(pipe(go), "pipe");
    pid_t pid = pair_must(rand_r(state) >> 4 & 1 ? fork() : _Fork(), "fork");
    if (pid == 0)
        child_of(pair.subject, closes, told, go);
    if (read(told[0], &byte, 1) != 1)
        pair_fail("read");
    if (!parent_last && !closes)
        close(pair.subject);
    if (strcmp(pair_view(pair.peer), "none") != 0)
        __atomic_add_fetch(&early, 1, __ATOMIC_RELAXED);
    if (write(go[1], "", 1) != 1)
        pair_fail("write");
    waitpid(pid, &status, 0);
    if (status != 0)
        __atomic_add_fetch(&early, 1, __ATOMIC_RELAXED);
    if (parent_last || closes)
        close(pair.subject);
    if (pair_ended(pair_view_wait(pair.peer)))
        __atomic_add_fetch(&ended, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++) {
        close(told[i]);
        close(go[i]);
    }
    close(pair.peer);
}

static void *forks(void *argument)
{
    unsigned state = seed + (unsigned)(long)argument;
    int listener = pair_listen();

    for (int i = 0; i < trials; i++)
        one_trial(listener, &state);
    return NULL;
}

static void many_forks(void)
{
    pthread_t openers[OPENERS], forkers[FORKERS];

    start_all(openers, OPENERS, opens_and_closes);
    start_all(forkers, FORKERS, forks);
    join_all(forkers, FORKERS);
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    join_all(openers, OPENERS);
    printf("seed %u: %u ended too early, %u in all, %s\n", seed, early, ended, pair_endings());
}

/* When all is over, a connection that parent and child have is cared for as ever. */
static void works_again(void)
{
    struct pair pair = pair_make(UNREAD);

    fflush(stdout);
    if (pair_must(fork(), "fork") == 0)
        _exit(close(pair.subject));
    wait(NULL);
    printf("again, the child has closed: %s\n", pair_view(pair.peer));
    close(pair.subject);
    printf("again: %s\n", pair_view(pair.peer));
}

static int reap(int children)
{
    int status, failed = 0;

    for (int i = 0; i < children; i++)
        failed += pair_must(wait(&status), "wait") > 0 && status != 0;
    return failed;
}

/* Waits until nobody has the other end of `go`, sends a byte and exits. */
_Noreturn static void relative(int fd, const int (*go)[2], int group)
{
    char byte;

    close(go[0][1]);
    close(go[1][1]);
    if (read(go[group][0], &byte, 1) != 0 || send(fd, "x", 1, MSG_NOSIGNAL) != 1)
        _exit(1);
    exit(0);
}

/* After what was sent has been read. */
static const char *look(int peer)
{
    char bytes[4096];

    while (recv(peer, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
    return pair_view(peer);
}

static void many_children(int count)
{
    struct pair pair = pair_make(UNREAD);
    int go[2][2], later = count > PLACES ? count - PLACES : count / 2;

    pair_must(pipe(go[0]), "pipe");
    pair_must(pipe(go[1]), "pipe");
    for (int i = 0; i < count; i++)
        if (pair_must(fork(), "fork") == 0)
            relative(pair.subject, go, i >= count - later);
    close(go[0][1]);
    printf("first ones: failed: %d, the peer sees: %s\n", reap(count - later), look(pair.peer));
    close(pair.subject);
    printf("the parent closed: %s\n", look(pair.peer));
    close(go[1][1]);
    printf("last ones: failed: %d, ", reap(later));
    shutdown(pair.peer, SHUT_WR);
    printf("ended: %d\n", pair_ended(look(pair.peer)));
    works_again();
}

/* Two halves: connections that everybody closes, and those that the first child keeps. */
static void many_releases(int children, int sockets)
{
    struct rlimit limit;
    struct pair pairs[2 * TCP];
    int *others = calloc((size_t)sockets, sizeof *others), told[2], go[2], listener = pair_listen();
    unsigned cut = 0, ends[2] = {0};
    char byte;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    pair_must(pipe(told), "pipe");
    pair_must(pipe(go), "pipe");
    for (int i = 0; i < 2 * TCP; i++)
        pairs[i] = pair_through(listener, UNREAD);
    for (int i = 0; i + 1 < sockets; i += 2)
        pair_must(socketpair(AF_UNIX, SOCK_STREAM, 0, others + i), "socketpair");
    for (int child = 0; child < children; child++) {
        if (pair_must(fork(), "fork") == 0) {
            for (int i = 0; i < (child == 0 ? TCP : 2 * TCP); i++)
                close(pairs[i].subject);
            for (int i = 0; i < sockets; i++)
                close(others[i]);
            close(go[1]);
            exit(write(told[1], "", 1) != 1 || read(go[0], &byte, 1) != 0);
        }
        if (read(told[0], &byte, 1) != 1) /* one after the other: the first ones' are the oldest */
            pair_fail("read");
    }
    for (int i = TCP; i < 2 * TCP; i++) {
        close(pairs[i].subject);
        cut += strcmp(pair_view(pairs[i].peer), "none") != 0;
    }
    for (int i = 0; i < TCP; i++) {
        cut += strcmp(pair_view(pairs[i].peer), "none") != 0;
        close(pairs[i].subject);
        ends[0] += pair_ended(pair_view(pairs[i].peer));
    }
    close(go[1]);
    printf("failed: %d, ", reap(children));
    for (int i = TCP; i < 2 * TCP; i++)
        ends[1] += pair_ended(pair_view_wait(pairs[i].peer));
    printf("cut: %u, ended by the parent: %u, by the first child: %u\n", cut, ends[0], ends[1]);
    free(others);
    works_again();
}

int main(int count, char **arguments)
{
    const char *what = count > 2 ? arguments[1] : "";
    int number = count > 2 ? atoi(arguments[2]) : 0, more = count > 3 ? atoi(arguments[3]) : 0;

    if (strcmp(what, "threads") == 0 && more > 0) {
        rounds = more;
        many_threads(number);
    } else if (strcmp(what, "forks") == 0 && more > 0) {
        seed = (unsigned)number;
        trials = more;
        many_forks();
    } else if (strcmp(what, "children") == 0) {
        many_children(number);
    } else if (strcmp(what, "releases") == 0 && more > 0) {
        many_releases(number, more);
    } else {
        return 2;
    }
    return 0;
}
