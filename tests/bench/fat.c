/* SPDX-License-Identifier: MIT */
/*
 * fat BYTES HOW: one connection over loopback whose sender, in a process of its own, pours BYTES
 * into it and ends. The receiver reads nothing of it itself but
 *
 *   recv    a loop of recv() into a buffer of 128 KiB
 *   trunc   a loop of recv(MSG_TRUNC), which discards without copying
 *   splice  splice() into a pipe and on to /dev/null
 *   close   closes, and waits for the sender to be done: under enforce softclose drains
 *
 * Prints seconds until the sender had its end of file.
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { CHUNK = 128 * 1024 };

static char buffer[CHUNK];

/* Status 0: everything was taken and the other side ended in order. */
static void pour(const struct sockaddr_in *address, long long bytes)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    must(connect(fd, (const struct sockaddr *)address, sizeof *address) == 0, "connect");
    while (bytes > 0) {
        ssize_t sent = send(fd, buffer, bytes < CHUNK ? (size_t)bytes : CHUNK, MSG_NOSIGNAL);
        must(sent > 0, "send");
        bytes -= sent;
    }
    shutdown(fd, SHUT_WR);
    must(recv(fd, buffer, 1, 0) == 0, "the end");
    _exit(0);
}

static void take(int fd, const char *how)
{
    int pipes[2] = {-1, -1}, sink = open("/dev/null", O_WRONLY);
    ssize_t got;

    must(pipe(pipes) == 0, "pipe");
    do {
        if (strcmp(how, "splice") == 0) {
            got = splice(fd, NULL, pipes[1], NULL, CHUNK, SPLICE_F_MOVE);
            if (got > 0)
                must(splice(pipes[0], NULL, sink, NULL, (size_t)got, 0) == got, "splice");
        } else {
            int discard = strcmp(how, "trunc") == 0;
            got = recv(fd, discard ? NULL : buffer, discard ? 1 << 30 : CHUNK,
                       discard ? MSG_TRUNC : 0);
        }
        must(got >= 0, how);
    } while (got > 0);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int status = 0;

    must(argc == 3, "usage: fat BYTES recv|trunc|splice|close");
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    must(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 1) == 0 &&
             getsockname(listener, (struct sockaddr *)&address, &length) == 0,
         "listener");
    pid_t sender = fork();
    must(sender >= 0, "fork");
    if (sender == 0) {
        close(listener);
        pour(&address, atoll(argv[1]));
    }
    int fd = accept(listener, NULL, NULL);
    must(fd >= 0, "accept");
    double before = clock_now(CLOCK_MONOTONIC);
    if (strcmp(argv[2], "close") != 0)
        take(fd, argv[2]);
    close(fd);
    must(waitpid(sender, &status, 0) == sender && status == 0, "the sender was cut off");
    printf("%.6f\n", clock_now(CLOCK_MONOTONIC) - before);
    return 0;
}
