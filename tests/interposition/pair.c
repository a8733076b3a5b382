/* SPDX-License-Identifier: MIT */
#include "pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 10000 };

void pair_fail(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    _exit(1);
}

int pair_must(int value, const char *what)
{
    if (value < 0)
        pair_fail(what);
    return value;
}

int pair_listen(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = pair_must(socket(AF_INET, SOCK_STREAM, 0), "socket");

    pair_must(bind(listener, (struct sockaddr *)&address, sizeof address), "bind");
    pair_must(listen(listener, 128), "listen");
    return listener;
}

static void wait_for(int fd, short events)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int result;

    do
        result = poll(&poll_fd, 1, WAIT_MS);
    while (result < 0 && errno == EINTR);
    if (result != 1)
        pair_fail("waited in vain");
}

static struct sockaddr_in address_of(int fd)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;

    pair_must(getsockname(fd, (struct sockaddr *)&address, &length), "getsockname");
    return address;
}

int pair_port(int fd)
{
    return ntohs(address_of(fd).sin_port);
}

struct pair pair_through(int listener, size_t unread)
{
    struct sockaddr_in address = address_of(listener);
    struct pair pair;

    pair.peer = pair_must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    pair_must(connect(pair.peer, (struct sockaddr *)&address, sizeof address), "connect");
    do
        pair.subject = accept(listener, NULL, NULL);
    while (pair.subject < 0 && errno == EINTR);
    pair_must(pair.subject, "accept");
    if (unread > 0) {
        char *bytes = calloc(1, unread);
        if (bytes == NULL || send(pair.peer, bytes, unread, 0) != (ssize_t)unread)
            pair_fail("send");
        free(bytes);
        wait_for(pair.subject, POLLIN);
    }
    return pair;
}

struct pair pair_make(size_t unread)
{
    int listener = pair_listen();
    struct pair pair = pair_through(listener, unread);

    close(listener);
    return pair;
}

uint64_t pair_cookie(int fd)
{
    uint64_t cookie = 0;
    socklen_t length = sizeof cookie;

    pair_must(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length), "SO_COOKIE");
    return cookie;
}

const char *pair_view(int peer)
{
    char byte;
    ssize_t result = recv(peer, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (result == 0)
        return "eof";
    if (result > 0 || errno == EAGAIN)
        return "none";
    return errno == ECONNRESET ? "reset" : strerrorname_np(errno);
}

static unsigned resets, orderly;

bool pair_ended(const char *view)
{
    bool reset = strcmp(view, "reset") == 0, end = strcmp(view, "eof") == 0;

    if (reset)
        __atomic_add_fetch(&resets, 1, __ATOMIC_RELAXED);
    if (end)
        __atomic_add_fetch(&orderly, 1, __ATOMIC_RELAXED);
    return reset || end;
}

const char *pair_endings(void)
{
    unsigned ends = __atomic_load_n(&orderly, __ATOMIC_RELAXED);

    if (ends == 0)
        return "resets";
    return __atomic_load_n(&resets, __ATOMIC_RELAXED) == 0 ? "ends" : "resets and ends";
}

const char *pair_view_wait(int peer)
{
    wait_for(peer, POLLIN | POLLRDHUP);
    return pair_view(peer);
}
