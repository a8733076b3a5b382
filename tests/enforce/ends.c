/* SPDX-License-Identifier: MIT */
/*
 * ends WAY ADDRESS CONNECTIONS: answers so many connections without reading their requests, prints
 * "ready", and comes to its end: when it is sent SIGTERM (handler, default), or when its standard
 * input ends (return, exit, _exit, quick_exit, exec).
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER = 65536 };

static void on_term(int number)
{
    (void)number;
    _exit(7);
}

static void answer(int listener)
{
    static const char data[ANSWER];
    int size = 2 * ANSWER, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (send(fd, data, sizeof data, MSG_NOSIGNAL) != (ssize_t)sizeof data)
        exit(1);
}

static int end(const char *way)
{
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    if (strcmp(way, "exit") == 0)
        exit(3);
    if (strcmp(way, "_exit") == 0)
        _exit(4);
    if (strcmp(way, "quick_exit") == 0)
        quick_exit(6);
    if (strcmp(way, "exec") == 0)
        execl("/bin/sh", "sh", "-c", "exit 8", (char *)NULL);
    return 5;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (argc != 4)
        return 2;
    if (strcmp(argv[1], "handler") == 0)
        signal(SIGTERM, on_term);
    address.sin_addr.s_addr = inet_addr(argv[2]);
    if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 1024) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        return 1;
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    for (long i = strtol(argv[3], NULL, 10); i > 0; i--)
        answer(listener);
    puts("ready");
    fflush(stdout);
    return end(argv[1]);
}
