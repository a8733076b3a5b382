/* SPDX-License-Identifier: MIT */
/*
 * stall_server ADDRESS [CLEANING]: one thread, one epoll set. The first byte of a connection says
 * what to do with it: 'c' = close it at once, whatever else has come; anything else is echoed from
 * then on. Between two getppid() stands one close() and nothing else, so that strace can count what
 * it does.
 *
 * CLEANING is how it closes every descriptor above 2 first, as daemons do: loop, close_range,
 * closefrom.
 *
 * Prints its port, for each close "closed US" with the microseconds that close() took, and ends
 * when its standard input does.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void watch(int set, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

static void close_one(int fd)
{
    long before = now_us();
    getppid();
    close(fd);
    getppid();
    printf("closed %ld\n", now_us() - before);
    fflush(stdout);
}

static void accept_one(int set, int listener)
{
    int fd = accept(listener, NULL, NULL);
    if (fd < 0)
        exit(3);
    watch(set, fd);
}

static void serve(int fd)
{
    char byte;
    if (recv(fd, &byte, 1, 0) != 1)
        close(fd);
    else if (byte == 'c')
        close_one(fd);
    else
        send(fd, &byte, 1, MSG_NOSIGNAL);
}

static void clean(const char *how)
{
    if (strcmp(how, "loop") == 0)
        for (int fd = 3; fd < 4096; fd++)
            close(fd);
    else if (strcmp(how, "close_range") == 0)
        close_range(3, ~0U, 0);
    else if (strcmp(how, "closefrom") == 0)
        closefrom(3);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = inet_addr(argc > 1 ? argv[1] : "127.0.0.1")};
    socklen_t length = sizeof address;
    struct epoll_event events[64];

    if (argc > 2)
        clean(argv[2]);
    int listener = socket(AF_INET, SOCK_STREAM, 0), set = epoll_create1(0);
    if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 1024) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        return 1;
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    watch(set, listener);
    watch(set, STDIN_FILENO);
    for (;;) {
        int count = epoll_wait(set, events, 64, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == STDIN_FILENO)
                return 0;
            if (fd == listener)
                accept_one(set, listener);
            else
                serve(fd);
        }
    }
}
