/* SPDX-License-Identifier: MIT */
/*
 * Connections that two processes, or two threads, use while one of them ends its part. Each case
 * prints what is the same natively and under softclose.
 *
 *   relatives failed FILE  an execl() of FILE fails that could have worked (ENOEXEC); while it is
 *                          tried a child closes what both have
 *   relatives writer       executes itself while a thread writes to what goes with that
 *   relatives child        the parent closes what its child is going to use
 *   relatives pipes        a thread forks while another one executes: what SIGPIPE does in the
 * child relatives daemon       daemon(3) cannot fork, and the program goes on
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

static struct pair shared;

static void ends_with_exec(int fd)
{
    pair_must(fcntl(fd, F_SETFD, FD_CLOEXEC), "FD_CLOEXEC");
}

static void write_and_tell(const char *who)
{
    ssize_t written = write(shared.subject, "hello", 5);

    printf("%s: wrote %zd, peer %s\n", who, written, pair_view_wait(shared.peer));
    fflush(stdout);
}

static int failed(const char *file)
{
    int listener = pair_listen(), go[2];
    struct pair other;
    char byte = 0;

    shared = pair_through(listener, 0);
    other = pair_through(listener, 0);
    pair_must(pipe(go), "pipe");
    ends_with_exec(shared.subject);
    ends_with_exec(other.subject);
    pid_t child = pair_must(fork(), "fork");
    if (child == 0) {
        close(other.subject);
        pair_must((int)read(go[0], &byte, 1), "read");
        usleep(200000); /* the exec waits for the drain by now */
        close(shared.subject);
        _exit(0);
    }
    close(other.subject); /* its peer does not finish: a drain */
    pair_must((int)write(go[1], &byte, 1), "write");
    execl(file, file, NULL);
    printf("exec: %s\n", strerrorname_np(errno));
    waitpid(child, NULL, 0);
    write_and_tell("parent");
    return 0;
}

static void *write_on(void *unused)
{
    (void)unused;
    for (;;) {
        ssize_t written = write(shared.subject, "x", 1);
        (void)written;
        usleep(1000);
    }
    return NULL;
}

static int writer(void)
{
    pthread_t thread;
    char byte;

    shared = pair_make(0);
    ends_with_exec(shared.subject);
    if (pthread_create(&thread, NULL, write_on, NULL) != 0)
        pair_fail("pthread_create");
    pair_must((int)recv(shared.peer, &byte, 1, 0), "recv"); /* it is at work */
    execl("/proc/self/exe", "relatives", "executed", NULL);
    pair_fail("execl");
}

static int child(void)
{
    int go[2];
    char byte = 0;

    shared = pair_make(0);
    pair_must(pipe(go), "pipe");
    pid_t pid = pair_must(fork(), "fork");
    if (pid == 0) {
        pair_must((int)read(go[0], &byte, 1), "read");
        write_and_tell("child");
        _exit(0);
    }
    close(shared.subject);
    pair_must((int)write(go[1], &byte, 1), "write");
    waitpid(pid, NULL, 0);
    return 0;
}

static void *fork_on(void *unused)
{
    (void)unused;
    usleep(100000); /* the exec waits for the drain by now, which a child would have prevented */
    for (;;) {
        pid_t pid = pair_must(fork(), "fork");
        if (pid == 0) {
            struct sigaction action;
            sigaction(SIGPIPE, NULL, &action);
            if (action.sa_handler != SIG_DFL)
                pair_must((int)write(1, "SIGPIPE has an action\n", 22), "write");
            _exit(0);
        }
        waitpid(pid, NULL, 0);
    }
    return NULL;
}

static int pipes(void)
{
    pthread_t thread;

    shared = pair_make(10);
    ends_with_exec(shared.subject);
    if (pthread_create(&thread, NULL, fork_on, NULL) != 0)
        pair_fail("pthread_create");
    execl("/proc/self/exe", "relatives", "executed", NULL);
    pair_fail("execl");
}

static int no_daemon(void)
{
    struct rlimit one = {1, 1};
    struct sigaction action;
    char byte;

    shared = pair_make(1);
    pair_must(setrlimit(RLIMIT_NPROC, &one), "setrlimit");
    pair_must(setresuid(65534, 65534, 65534), "setresuid"); /* root has no such limit */
    int result = daemon(1, 1);
    printf("daemon %d %s\n", result, strerrorname_np(errno));
    sigaction(SIGPIPE, NULL, &action);
    printf("SIGPIPE %s\n", action.sa_handler == SIG_DFL ? "default" : "has an action");
    printf("send %zd\n", send(shared.peer, "xy", 2, MSG_NOSIGNAL));
    printf("recv %zd\n", recv(shared.subject, &byte, 1, 0));
    close(shared.subject);
    printf("unread: %s\n", pair_view_wait(shared.peer));
    return 0;
}

int main(int count, char **arguments)
{
    const char *word = count > 1 ? arguments[1] : "";

    if (strcmp(word, "failed") == 0 && count > 2) {
        signal(SIGPIPE, SIG_IGN);
        return failed(arguments[2]);
    }
    if (strcmp(word, "writer") == 0)
        return writer();
    if (strcmp(word, "pipes") == 0)
        return pipes();
    if (strcmp(word, "daemon") == 0)
        return no_daemon();
    if (strcmp(word, "executed") == 0)
        return puts("executed") < 0;
    if (strcmp(word, "child") == 0) {
        signal(SIGPIPE, SIG_IGN);
        return child();
    }
    return 2;
}
