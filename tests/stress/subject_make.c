/* SPDX-License-Identifier: MIT */
/* How a program comes by sockets. */
#include "subject.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int protocol_of(int number)
{
    return (unsigned)number % PROTOCOLS;
}

static int make(int protocol, int flags)
{
    int family = protocol >= STREAM ? AF_UNIX : record->program.v6 ? AF_INET6 : AF_INET;
    int type = protocol == SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM;

    type |= (flags & 1 ? SOCK_NONBLOCK : 0) | (flags & 2 ? SOCK_CLOEXEC : 0);
    protocol = protocol == MPTCP ? IPPROTO_MPTCP : 0;
    return flags & 4 ? (int)CALL(syscall(SYS_socket, family, type, protocol))
                     : CALL(socket(family, type, protocol));
}

long do_socket(const int *a)
{
    int fd = make(protocol_of(a[1]), a[2]);
    keep(a[0], fd);
    return fd;
}

long do_connect(const int *a)
{
    const struct sockaddr_room *to = &record->listeners[protocol_of(a[1])];
    int fd = slot(a[0]);
    int result = CALL(connect(fd, (const struct sockaddr *)to->bytes, to->length));
    int error = call_errno;

    if (result != 0 && error != EINPROGRESS)
        return result;
    int number = say(SAY_EXPECT, a[0], a[2] % MANNERS, protocol_of(a[1]));
    if (number >= 0) {
        record->connections[number].inode = inode_of(fd);
        registered(&record->connections[number]);
    }
    note(" peer %d", number);
    call_errno = error;
    return result;
}

static socklen_t any_address(int protocol, struct sockaddr_storage *out)
{
    if (protocol >= STREAM) {
        out->ss_family = AF_UNIX;
        return sizeof out->ss_family; /* a name of the kernel's choice */
    }
    memcpy(out, record->listeners[TCP].bytes, record->listeners[TCP].length);
    ((struct sockaddr_in *)out)->sin_port = 0; /* sin6_port, too */
    return record->listeners[TCP].length;
}

long do_listen(const int *a)
{
    int protocol = protocol_of(a[1]);
    struct sockaddr_storage address = {0};
    socklen_t length = any_address(protocol, &address);
    int fd = make(protocol, 0);

    keep(a[0], fd);
    if (fd < 0)
        return fd;
    if (CALL(bind(fd, (struct sockaddr *)&address, length)) != 0 || CALL(listen(fd, 64)) != 0)
        note(" failed");
    return fd;
}

/* The protocol of a socket, for the peer's end of it. */
static int spoken(int fd)
{
    int type = 0, number = 0, domain = 0;
    socklen_t size = sizeof(int);

    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &number, &size);
    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
    if (domain == AF_UNIX)
        return type == SOCK_SEQPACKET ? SEQPACKET : STREAM;
    return number == IPPROTO_MPTCP ? MPTCP : TCP;
}

long do_come(const int *a)
{
    struct sockaddr_room *room = &record->address;
    int fd = slot(a[1]), listening = 0;
    socklen_t size = sizeof listening;

    room->length = sizeof room->bytes;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || !listening ||
        getsockname(fd, (struct sockaddr *)room->bytes, &room->length) != 0)
        return -1;
    return say(SAY_COME, a[0], a[2] % MANNERS, spoken(fd));
}

/* Which of the connections came out of the listener? */
static struct connection *accepted_connection(int listener, int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_un local;
        struct sockaddr_storage room;
    } from = {0};
    socklen_t length = sizeof from;
    unsigned worker, number;

    if (getpeername(fd, &from.any, &length) != 0)
        length = 0;
    bool local = length > 0 && from.any.sa_family == AF_UNIX;
    if (local && length > offsetof(struct sockaddr_un, sun_path) + 1 &&
        sscanf(from.local.sun_path + 1, "random-%u-from-%u", &worker, &number) == 2)
        return number < record->connection_count ? &record->connections[number] : NULL;
    for (uint32_t k = 0, count = record->connection_count; k < count; k++) {
        /* Ports come again: the latest. The others wait in the order in which they came. */
        struct connection *one = &record->connections[local ? k : count - 1 - k];
        if (local ? one->inside && one->listener == inode_of(listener) && one->far_inode == 0
                  : one->peer_port != 0 && length > 0 && one->peer_port == ntohs(from.in.sin_port))
            return one;
    }
    return NULL;
}

long do_accept(const int *a)
{
    int listener = slot(a[1]), fd;
    int flags = (a[2] & 1 ? SOCK_NONBLOCK : 0) | (a[2] & 2 ? SOCK_CLOEXEC : 0);
    struct sockaddr_storage from = {0};
    socklen_t length = sizeof from;

    if (would_block(listener, POLLIN))
        return -1;
    if (a[2] & 4)
        fd = (int)CALL(syscall(SYS_accept4, listener, NULL, NULL, flags));
    else
        fd = flags ? CALL(accept4(listener, (struct sockaddr *)&from, &length, flags))
                   : CALL(accept(listener, (struct sockaddr *)&from, &length));
    int error = call_errno;
    keep(a[0], fd);
    struct connection *connection = fd < 0 ? NULL : accepted_connection(listener, fd);
    if (connection) {
        connection->why &= ~(unsigned)WHY_UNACCEPTED;
        *(connection->inside ? &connection->far_inode : &connection->inode) = inode_of(fd);
        registered(connection);
        note_connection(fd);
    }
    note(" from %d length %u", from.ss_family, fd < 0 ? 0 : (unsigned)length);
    call_errno = error;
    return fd;
}

static struct connection *new_inside(enum protocol protocol, int fd)
{
    if (record->connection_count == CONNECTIONS)
        return NULL;
    struct connection *connection = &record->connections[record->connection_count++];
    *connection = (struct connection){.tag = -1,
                                      .protocol = protocol,
                                      .inside = true,
                                      .inode = inode_of(fd),
                                      .sent_digest = DIGEST_START,
                                      .got_digest = DIGEST_START};
    return connection;
}

long do_self(const int *a)
{
    struct sockaddr_storage to = {0}, here = {0};
    socklen_t length = sizeof to, size = sizeof here;
    int listener = slot(a[1]);
    bool there = getsockname(listener, (struct sockaddr *)&to, &length) == 0;
    int fd = make(there ? spoken(listener) : protocol_of(a[2]), 1);

    keep(a[0], fd);
    if (fd < 0 || !there)
        return fd;
    int result = CALL(connect(fd, (struct sockaddr *)&to, length)), error = call_errno;
    struct connection *connection = new_inside((enum protocol)spoken(listener), fd);
    if (connection) {
        connection->listener = inode_of(listener);
        if (to.ss_family != AF_UNIX && getsockname(fd, (struct sockaddr *)&here, &size) == 0)
            connection->peer_port = ntohs(((struct sockaddr_in *)&here)->sin_port);
    }
    note(" connect %d", result);
    call_errno = error;
    return fd;
}

long do_pair(const int *a)
{
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
    int fds[2] = {-1, -1}, type = (unsigned)a[2] % 3;
    int result = CALL(socketpair(AF_UNIX, types[type], 0, fds)), error = call_errno;

    keep(a[0], fds[0]);
    keep(a[1], fds[1]);
    struct connection *connection = result == 0 ? new_inside(STREAM, fds[0]) : NULL;
    if (connection)
        connection->far_inode = inode_of(fds[1]);
    note(" %d %d", fds[0], fds[1]);
    call_errno = error;
    return result;
}

long do_null(const int *a)
{
    int fd = CALL(open("/dev/null", O_RDWR));
    keep(a[0], fd);
    return fd;
}

long do_pipe(const int *a)
{
    int fds[2] = {-1, -1};
    int result = CALL(pipe(fds));

    keep(a[0], fds[0]);
    keep(a[1], fds[1]);
    note(" %d %d", fds[0], fds[1]);
    return result;
}

long do_disconnect(const int *a)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    int fd = slot(a[0]);
    struct connection *connection = connection_of(fd);
    int result = CALL(connect(fd, &none, sizeof none));

    if (connection && result == 0)
        connection->why |= WHY_DISCONNECTED;
    return result;
}
