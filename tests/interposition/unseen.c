/* SPDX-License-Identifier: MIT */
/*
 * What softclose cannot see or mend: one known limit each (docs/limits.md). Prints what the peer
 * saw, and the number of each socket, as pair_cookie() gives it, on standard error.
 *
 *   unseen own             closes by a system call instruction of its own
 *   unseen plain PLUGIN    a library closes that was loaded by dlopen()
 *   unseen deepbind PLUGIN the same with RTLD_DEEPBIND
 *   unseen dlmopen PLUGIN  the same with dlmopen(), which gives it a C library of its own
 *   unseen abort           dies by abort() with a connection open
 *   unseen kill            dies by SIGKILL
 *   unseen taken           another process takes a copy by pidfd_getfd(2) before the close
 *   unseen ktls            closes a connection whose records the kernel encrypts
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

enum { UNREAD = 10, ULP = 31 /* TCP_ULP */ };

static int close_by_itself(int fd)
{
#if defined(__x86_64__)
    long result;

    __asm__ volatile("syscall" : "=a"(result) : "0"(SYS_close), "D"(fd) : "rcx", "r11", "memory");
    return (int)result;
#else
    register long x0 __asm__("x0") = fd;
    register long x8 __asm__("x8") = SYS_close;

    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8) : "memory");
    return (int)x0;
#endif
}

static int (*closer_of(const char *how, const char *plugin))(int)
{
    void *handle = NULL;
    int (*function)(int) = NULL;

    if (strcmp(how, "own") == 0)
        return close_by_itself;
    if (plugin == NULL)
        exit(2);
    if (strcmp(how, "plain") == 0)
        handle = dlopen(plugin, RTLD_NOW);
    else if (strcmp(how, "deepbind") == 0)
        handle = dlopen(plugin, RTLD_NOW | RTLD_DEEPBIND);
    else if (strcmp(how, "dlmopen") == 0)
        handle = dlmopen(LM_ID_NEWLM, plugin, RTLD_NOW);
    if (handle == NULL) {
        puts(dlerror());
        exit(1);
    }
    *(void **)&function = dlsym(handle, "plugin_close");
    return function;
}

/* A close that is not seen, and one of the same number that is. */
static void closed_by(int (*closer)(int))
{
    int listener = pair_listen();
    struct pair pair = pair_through(listener, UNREAD);

    fprintf(stderr, "%llu\n", (unsigned long long)pair_cookie(pair.subject));
    printf("close: %d, ", closer(pair.subject));
    printf("the peer sees: %s\n", pair_view_wait(pair.peer));
    close(pair.peer); /* whose number the next peer gets */
    struct pair next = pair_through(listener, UNREAD);
    fprintf(stderr, "%llu\n", (unsigned long long)pair_cookie(next.subject));
    if (next.subject != pair.subject)
        pair_fail("not the same number");
    close(next.subject);
    printf("the next peer sees: %s\n", pair_view_wait(next.peer));
}

/* The child has a connection and nobody else; it dies. */
static void dies_by(int number)
{
    struct rlimit none = {0, 0};
    int listener = pair_listen(), status;
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int client = pair_must(socket(AF_INET, SOCK_STREAM, 0), "socket");

    pair_must(setrlimit(RLIMIT_CORE, &none), "setrlimit");
    pair_must(getsockname(listener, (struct sockaddr *)&address, &length), "getsockname");
    pid_t pid = fork();
    if (pid == 0) {
        int subject = pair_must(accept(listener, NULL, NULL), "accept");
        pair_view_wait(subject);
        close(client);
        if (number == SIGABRT)
            abort();
        raise(number);
    }
    pair_must(connect(client, (struct sockaddr *)&address, length), "connect");
    pair_must((int)send(client, "unread", 6, 0), "send");
    waitpid(pid, &status, 0);
    printf("died of signal %d: %s\n", WTERMSIG(status), pair_view_wait(client));
}

/* The parent takes the child's connection, the child closes its own copy. */
static void taken(void)
{
    int order[2], listener = pair_listen(), status;
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int client = pair_must(socket(AF_INET, SOCK_STREAM, 0), "socket"), subject = -1;

    pair_must(pipe(order), "pipe");
    pair_must(getsockname(listener, (struct sockaddr *)&address, &length), "getsockname");
    int ready[2];
    pair_must(pipe(ready), "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        close(client);
        subject = pair_must(accept(listener, NULL, NULL), "accept");
        pair_view_wait(subject);
        if (write(ready[1], &subject, sizeof subject) != sizeof subject ||
            read(order[0], &status, 1) != 1)
            _exit(1);
        _exit(close(subject) != 0);
    }
    pair_must(connect(client, (struct sockaddr *)&address, length), "connect");
    pair_must((int)send(client, "unread", 6, 0), "send");
    pair_must((int)read(ready[0], &subject, sizeof subject), "read");
    int pidfd = pair_must((int)syscall(SYS_pidfd_open, pid, 0), "pidfd_open");
    int copy = (int)syscall(SYS_pidfd_getfd, pidfd, subject, 0);
    if (copy < 0) {
        printf("skipped: pidfd_getfd: %s\n", strerror(errno));
        kill(pid, SIGKILL);
        exit(77);
    }
    pair_must((int)write(order[1], "", 1), "write");
    waitpid(pid, &status, 0);
    printf("status %d, the peer sees %s, ", WEXITSTATUS(status), pair_view(client));
    printf("a write through the copy: %s\n",
           send(copy, "x", 1, MSG_NOSIGNAL) == 1 ? "works" : strerror(errno));
}

static void ktls(void)
{
    struct pair pair = pair_make(UNREAD);

    if (setsockopt(pair.subject, IPPROTO_TCP, ULP, "tls", sizeof "tls") != 0) {
        printf("skipped: kTLS: %s\n", strerror(errno));
        exit(77);
    }
    printf("close: %d\n", close(pair.subject));
    printf("the peer sees: %s\n", pair_view_wait(pair.peer));
}

int main(int count, char **arguments)
{
    const char *how = count > 1 ? arguments[1] : "";

    if (strcmp(how, "abort") == 0)
        dies_by(SIGABRT);
    else if (strcmp(how, "kill") == 0)
        dies_by(SIGKILL);
    else if (strcmp(how, "taken") == 0)
        taken();
    else if (strcmp(how, "ktls") == 0)
        ktls();
    else
        closed_by(closer_of(how, count > 2 ? arguments[2] : NULL));
    return 0;
}
