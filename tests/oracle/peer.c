/* SPDX-License-Identifier: MIT */
/* The peer: what it sends, what it receives, how it sees the end. */
#include "play.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

bool proto_here_available(enum proto_here proto)
{
    struct peer peer;
    char end[1];
    peer_start(&peer, proto, "", end);
    int fd = socket(peer.family, peer.type | SOCK_CLOEXEC, peer.protocol);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

void peer_start(struct peer *peer, enum proto_here proto, const char *address, char *end)
{
    static const int families[] = {AF_INET, AF_INET6, AF_INET, AF_UNIX, AF_UNIX, AF_INET, AF_UNIX};
    static const int types[] = {SOCK_STREAM,    SOCK_STREAM, SOCK_STREAM, SOCK_STREAM,
                                SOCK_SEQPACKET, SOCK_DGRAM,  SOCK_DGRAM};
    *peer = (struct peer){.family = families[proto],
                          .type = types[proto],
                          .protocol = proto == MPTCP ? IPPROTO_MPTCP : 0,
                          .address = address,
                          .listener = -1,
                          .end = end};
    end[0] = '\0';
}

static socklen_t address_of(const struct peer *peer, uint16_t port, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (peer->family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;
        *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        inet_pton(AF_INET, peer->address, &in->sin_addr);
        return sizeof *in;
    }
    if (peer->family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
        *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
        inet_pton(AF_INET6, peer->address, &in6->sin6_addr);
        return sizeof *in6;
    }
    struct sockaddr_un *un = (struct sockaddr_un *)out;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path + 1, peer->address, strlen(peer->address));
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(peer->address));
}

static int new_socket(const struct peer *peer)
{
    int fd = socket(peer->family, peer->type | SOCK_CLOEXEC, peer->protocol), size = 4096;
    if (peer->small)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return fd;
}

bool peer_listen(struct peer *peer, int backlog, uint16_t *port)
{
    struct sockaddr_storage address;
    socklen_t length = address_of(peer, 0, &address);
    peer->listener = new_socket(peer);
    if (bind(peer->listener, (struct sockaddr *)&address, length) != 0 ||
        (peer->type != SOCK_DGRAM && listen(peer->listener, backlog) != 0) ||
        getsockname(peer->listener, (struct sockaddr *)&address, &length) != 0)
        return false;
    *port = peer->family == AF_INET    ? ntohs(((struct sockaddr_in *)&address)->sin_port)
            : peer->family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&address)->sin6_port)
                                       : 0;
    return true;
}

static bool keep(struct peer *peer, int fd)
{
    if (fd < 0 || peer->count == PEERS)
        return false;
    peer->fds[peer->count++] = fd;
    return true;
}

bool peer_accept(struct peer *peer)
{
    return keep(peer, accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC));
}

bool peer_connect(struct peer *peer, uint16_t port)
{
    struct sockaddr_storage address;
    int fd = new_socket(peer);
    socklen_t length = address_of(peer, 0, &address);
    if (peer->family != AF_UNIX && bind(fd, (struct sockaddr *)&address, length) != 0)
        return false;
    length = address_of(peer, port, &address);
    return keep(peer, fd) && connect(fd, (struct sockaddr *)&address, length) == 0;
}

/* "eof, EPIPE": in the order seen; the same from each of several connections is told once. */
static void note(struct peer *peer, const char *what)
{
    size_t length = strlen(peer->end), room = 96 - length;
    if (peer->count > 1 && strcmp(peer->end, what) == 0)
        return;
    snprintf(peer->end + length, room, "%s%s", length ? ", " : "", what);
}

static void read_to_end(struct peer *peer, int fd)
{
    static char data[1 << 16];
    for (int errors = 0; errors < 2;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (errors == 0 && poll(&poll_fd, 1, ORACLE_WAIT_MS) != 1) {
            note(peer, "silence");
            return;
        }
        ssize_t n = recv(fd, data, sizeof data, MSG_DONTWAIT);
        if (n > 0) {
            peer->received += (size_t)n;
        } else if (n == 0) {
            if (errors == 0)
                note(peer, "eof");
            return;
        } else if (errors++ == 0) {
            /* a seqpacket tells the error first and the data that had arrived afterwards */
            note(peer, strerrorname_np(errno));
        }
    }
}

/* The holder's byte is the last thing in the stream: nothing else can have come before it. */
static void read_ping(struct peer *peer, int fd)
{
    char data[4096];
    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (poll(&poll_fd, 1, ORACLE_WAIT_MS) != 1)
            return note(peer, "silence");
        ssize_t n = recv(fd, data, sizeof data, MSG_DONTWAIT);
        if (n <= 0)
            return note(peer, n == 0 ? "eof" : strerrorname_np(errno));
        if (data[n - 1] == 'p') {
            peer->received += (size_t)n - 1;
            return note(peer, "open");
        }
        peer->received += (size_t)n;
    }
}

/* Until what was sent is acknowledged or the connection is dead. */
static void await_settled(int fd)
{
    struct timespec since = {0};
    do {
        struct pollfd poll_fd = {.fd = fd};
        int unacknowledged = 0;
        if (poll(&poll_fd, 1, 0) == 1 && poll_fd.revents & (POLLERR | POLLHUP))
            return;
        if (ioctl(fd, TIOCOUTQ, &unacknowledged) == 0 && unacknowledged == 0)
            return;
    } while (oracle_again(&since, ORACLE_WAIT_MS));
}

static bool send_late(struct peer *peer, int fd, int bytes)
{
    static const char data[4096];
    if (send(fd, data, (size_t)bytes, MSG_NOSIGNAL) != bytes) {
        note(peer, strerrorname_np(errno));
        return true;
    }
    await_settled(fd);
    if (send(fd, data, 1, MSG_NOSIGNAL) != 1)
        note(peer, strerrorname_np(errno));
    else
        note(peer, "swallowed");
    return true;
}

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A piece on each connection every few milliseconds for that long, and one at least; the first
 * failure is noted. */
static bool flood(struct peer *peer, int ms)
{
    static const char data[512];
    const struct timespec pause = {.tv_nsec = 5000000};
    const long until = now_ms() + ms;
    do {
        for (size_t i = 0; i < peer->count; i++) {
            if (send(peer->fds[i], data, sizeof data, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
                note(peer, strerrorname_np(errno));
                return true;
            }
            if (peer->family != AF_UNIX)
                await_settled(peer->fds[i]);
        }
        nanosleep(&pause, NULL);
    } while (now_ms() < until);
    return true;
}

static bool send_data(int fd, int bytes, int flags)
{
    static const char data[4096];
    return send(fd, data, (size_t)bytes, MSG_NOSIGNAL | flags) == bytes;
}

static bool close_one(struct peer *peer, bool reset)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};
    int fd = peer->fds[--peer->count];
    if (reset)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    return close(fd) == 0;
}

/* Fails only where the connection is reset: whoever cares has noted that. */
static bool shut_all(struct peer *peer)
{
    for (size_t i = 0; i < peer->count; i++)
        if (shutdown(peer->fds[i], SHUT_WR) != 0 && errno != ENOTCONN)
            return false;
    return true;
}

bool peer_do(struct peer *peer, const char *verb, int number)
{
    if (strcmp(verb, "small") == 0)
        return peer->small = true;
    if (peer->count == 0)
        return false;
    int fd = peer->fds[0];
    if (strcmp(verb, "send") == 0)
        return send_data(fd, number, 0);
    if (strcmp(verb, "urgent") == 0)
        return send_data(fd, 1, MSG_OOB);
    if (strcmp(verb, "record") == 0)
        return send_data(fd, 0, 0);
    if (strcmp(verb, "shut") == 0)
        return shut_all(peer);
    if (strcmp(verb, "reset") == 0)
        return close_one(peer, true);
    if (strcmp(verb, "close") == 0)
        return close_one(peer, false);
    if (strcmp(verb, "late") == 0)
        return send_late(peer, fd, number);
    if (strcmp(verb, "ping") == 0)
        return read_ping(peer, fd), true;
    if (strcmp(verb, "flood") == 0)
        return flood(peer, number);
    for (size_t i = 0; strcmp(verb, "end") == 0 && i < peer->count; i++)
        read_to_end(peer, peer->fds[i]);
    return strcmp(verb, "end") == 0;
}

void peer_finish(struct peer *peer)
{
    for (size_t i = 0; i < peer->count; i++)
        close(peer->fds[i]);
    if (peer->listener >= 0)
        close(peer->listener);
    peer->count = 0;
}
