/* SPDX-License-Identifier: MIT */
/*
 * load_server ADDRESS: serves connections, 64 at a time, and leaves unread what comes after the
 * request. A second process serves each of its connections in a child, whose exit closes it. Prints
 * both ports and the number of the second process; ends when its standard input does.
 */
#include "load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int listener;

static void lose_by_dup2(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, fd);
    close(null);
    close(fd);
}

static void lose_by_stream(int fd, int reopen)
{
    FILE *stream = fdopen(fd, "r+");
    if (stream && reopen)
        stream = freopen("/dev/null", "r", stream);
    if (stream)
        fclose(stream);
}

static void linger_zero(int fd)
{
    struct linger zero = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &zero, sizeof zero);
    close(fd);
}

static void half_close(int fd, int how)
{
    shutdown(fd, how);
    close(fd);
}

static void lose(int fd, unsigned road)
{
    switch (road % LOAD_ROADS) {
    case 0:
        close(fd);
        break;
    case 1:
        close_range((unsigned)fd, (unsigned)fd, 0);
        break;
    case 2:
        lose_by_dup2(fd);
        break;
    case 3:
        lose_by_stream(fd, 0);
        break;
    case 4:
        lose_by_stream(fd, 1);
        break;
    case 5:
        syscall(SYS_close, fd);
        break;
    case 6:
        linger_zero(fd);
        break;
    case 7:
        half_close(fd, SHUT_RDWR);
        break;
    case 8:
        half_close(fd, SHUT_WR);
        break;
    default:
        dup3(listener, fd, O_CLOEXEC);
        close(fd);
        break;
    }
}

static void write_all(int fd, uint32_t size)
{
    static const char data[65536];
    while (size > 0) {
        ssize_t n = send(fd, data, size < sizeof data ? size : sizeof data, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        size -= (uint32_t)n;
    }
}

static bool answer(int fd, struct load_request *request)
{
    if (recv(fd, request, sizeof *request, MSG_WAITALL) != (ssize_t)sizeof *request)
        return false;
    struct timespec delay = {.tv_nsec = (long)request->delay_us * 1000};
    nanosleep(&delay, NULL);
    write_all(fd, request->size);
    return true;
}

static void *serve(void *nothing)
{
    for (;;) {
        struct load_request request;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return nothing;
        if (answer(fd, &request))
            lose(fd, request.road);
        else
            close(fd);
    }
}

/* Nobody closes what a child serves: it ends. */
static void serve_in_children(void)
{
    struct load_request request = {0};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            _exit(1);
        pid_t child = fork();
        if (child == 0) {
            answer(fd, &request);
            if (request.road == LOAD_BY_CHILD)
                _exit(0);
            exit(0);
        }
        close(fd);
    }
}

static unsigned listen_at(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(text)};
    socklen_t length = sizeof address;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 256) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        exit(1);
    return ntohs(address.sin_port);
}

int main(int argc, char **argv)
{
    const char *address = argc > 1 ? argv[1] : "127.0.0.1";
    pthread_t thread;
    char byte;

    unsigned second = listen_at(address);
    pid_t forking = fork();
    if (forking == 0)
        serve_in_children();
    close(listener);
    unsigned first = listen_at(address);
    for (int i = 0; i < LOAD_THREADS; i++)
        if (pthread_create(&thread, NULL, serve, NULL) != 0)
            return 1;
    printf("%u %u %d\n", first, second, (int)forking);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    kill(forking, SIGKILL);
    waitpid(forking, NULL, 0);
    return 0;
}
