/* SPDX-License-Identifier: MIT */
/*
 * stall_server ADDRESS [CLEANING]: one thread, one epoll set. The first byte of a connection says
 * what to do with it: 'c' = close it at once, whatever else has come; 'w' = write as much as fits,
 * then close it; 's' = shut both halves, and go on; 'l' = close the listener; anything else is
 * echoed from then on. Between getsid() and getpgid() stands one close() and nothing else, so that
 * strace can count what it does.
 *
 * CLEANING is how it closes every descriptor above 2 first, as daemons do: loop, close_range,
 * closefrom.
 *
 * Prints its port, for each close "closed US RESULT ERRNO WRITTEN" with the microseconds that close()
 * took, what it returned, and the bytes that 'w' wrote, for the listener "listener US", and ends when
 * its standard input does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int listener; /* -1 once it is closed */

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

static void close_one(int fd, long written)
{
    long before = now_us();
    getsid(0);
    errno = 0;
    int result = close(fd);
    int error = errno;
    getpgid(0);
    printf("closed %ld %d %d %ld\n", now_us() - before, result, error, written);
    fflush(stdout);
}

static long write_all_that_fits(int fd)
{
    static const char bytes[65536];
    long written = 0;

    for (long sent; (sent = send(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0;)
        written += sent;
    return written;
}

static void close_listener(void)
{
    long before = now_us();
    close(listener);
    printf("listener %ld\n", now_us() - before);
    fflush(stdout);
    listener = -1;
}

static void accept_one(int set)
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
        close_one(fd, 0);
    else if (byte == 'w')
        close_one(fd, write_all_that_fits(fd));
    else if (byte == 's')
        shutdown(fd, SHUT_RDWR);
    else if (byte == 'l')
        close_listener();
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
    listener = socket(AF_INET, SOCK_STREAM, 0);
    int set = epoll_create1(0), listening = listener;
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
            if (fd != listening)
                serve(fd);
            else if (listener >= 0)
                accept_one(set);
        }
    }
}
