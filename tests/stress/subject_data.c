/* SPDX-License-Identifier: MIT */
/* Data, descriptors in messages, and epoll. */
#include "subject.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Far below every buffer, so that nothing ever waits for room. */
enum { MOST_BYTES = 4000, MOST_SENT = 24000 };

static size_t bytes_of(int number)
{
    return number < 1 ? 1 : (size_t)number % MOST_BYTES + 1;
}

const char *pattern(int fd, size_t size)
{
    static char data[MOST_BYTES + 1];
    const struct connection *connection = connection_of(fd);
    uint64_t from = connection ? connection->sent : 0;

    for (size_t i = 0; i < size && i < sizeof data; i++)
        data[i] = (char)('a' + (from + i) % 26);
    return data;
}

void count_sent(int fd, const void *data, size_t size)
{
    struct connection *connection = connection_of(fd);

    if (!connection)
        return;
    connection->sent += size;
    connection->sent_digest = digest(connection->sent_digest, data, size);
}

static bool enough(int fd)
{
    const struct connection *connection = connection_of(fd);
    bool is = connection && connection->sent > MOST_SENT;

    if (is)
        note(" enough");
    return is;
}

static void sent(int fd, const char *data, ssize_t result)
{
    int error = call_errno;

    if (result > 0)
        count_sent(fd, data, (size_t)result);
    note_connection(fd);
    call_errno = error;
}

long do_send(const int *a)
{
    int fd = slot(a[0]);
    size_t size = bytes_of(a[1]);
    const char *data = pattern(fd, size);
    const struct connection *connection = connection_of(fd);
    /* An urgent byte in a UNIX socket displaces the one before. */
    bool urgent = (a[2] & 1) && connection && connection->protocol < STREAM;

    if (enough(fd))
        return -1;
    ssize_t result =
        CALL(send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT | (urgent ? MSG_OOB : 0)));
    sent(fd, data, result);
    return result;
}

long do_write(const int *a)
{
    int fd = slot(a[0]);
    size_t size = bytes_of(a[1]);
    const char *data = pattern(fd, size);

    if (enough(fd) || would_block(fd, POLLOUT))
        return -1;
    ssize_t result = CALL(write(fd, data, size));
    sent(fd, data, result);
    return result;
}

static void got(int fd, const char *data, ssize_t result)
{
    int error = call_errno;

    if (result > 0)
        note(" %08x", (unsigned)digest(DIGEST_START, data, (size_t)result));
    note_connection(fd);
    call_errno = error;
}

long do_recv(const int *a)
{
    char data[MOST_BYTES + 1] = {0};
    int flags = MSG_DONTWAIT | (a[2] & 1 ? MSG_PEEK : 0) | (a[2] & 2 ? MSG_OOB : 0);
    int fd = slot(a[0]);
    ssize_t result = CALL(recv(fd, data, bytes_of(a[1]), flags));

    got(fd, data, result);
    return result;
}

long do_read(const int *a)
{
    char data[MOST_BYTES + 1] = {0};
    int fd = slot(a[0]);

    note_connection(fd);
    if (would_block(fd, POLLIN))
        return -1;
    ssize_t result = CALL(read(fd, data, bytes_of(a[1])));
    got(fd, data, result);
    return result;
}

/* A UNIX socket within a UNIX socket can become garbage that the kernel collects when it likes. */
static bool may_travel(int fd)
{
    int domain = 0;
    socklen_t size = sizeof domain;
    bool may = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain != AF_UNIX;

    if (!may)
        note(" stays");
    return may;
}

union control {
    char bytes[CMSG_SPACE(2 * sizeof(int))];
    struct cmsghdr align;
};

long do_give(const int *a)
{
    int through = slot(a[0]), fd = slot(a[1]);
    union control control = {.bytes = {0}};
    struct iovec part = {(char[]){"g"}, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(sizeof fd)};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    struct connection *connection = connection_of(fd);

    if (!may_travel(fd) || enough(through))
        return -1;
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    ssize_t result = CALL(sendmsg(through, &message, MSG_NOSIGNAL | MSG_DONTWAIT));
    if (result >= 0 && connection)
        connection->why |= WHY_SENT;
    record->in_flight += result >= 0;
    /* Whoever got a connection by exec cannot know that it is not this one. */
    for (uint32_t i = 0; result >= 0 && i < record->connection_count; i++)
        if (record->connections[i].executed)
            record->connections[i].why |= WHY_EXECUTED;
    sent(through, "g", result);
    return result;
}

long do_take(const int *a)
{
    char data[64] = {0};
    union control control = {.bytes = {0}};
    struct iovec part = {data, sizeof data};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = a[2] & 2 ? 0 : sizeof control};
    int through = slot(a[0]);
    ssize_t result = CALL(recvmsg(through, &message, MSG_DONTWAIT | (a[2] & 1 ? MSG_PEEK : 0)));

    got(through, data, result);
    for (struct cmsghdr *rights = result > 0 ? CMSG_FIRSTHDR(&message) : NULL; rights;
         rights = CMSG_NXTHDR(&message, rights)) {
        int fds[2] = {-1, -1};
        size_t size = rights->cmsg_len - CMSG_LEN(0);
        memcpy(fds, CMSG_DATA(rights), size < sizeof fds ? size : sizeof fds);
        keep(a[1], fds[0]);
        note(" fd %d %d", fds[0], fds[1]);
    }
    note(" flags %x", (unsigned)message.msg_flags);
    bool had = result > 0 && (CMSG_FIRSTHDR(&message) || (message.msg_flags & MSG_CTRUNC) != 0);
    if (had && (a[2] & 1) == 0 && record->in_flight > 0)
        record->in_flight--;
    return result;
}

long do_epoll(const int *a)
{
    int fd = CALL(epoll_create1(a[0] & 1 ? EPOLL_CLOEXEC : 0));
    keep(a[0], fd);
    return fd;
}

long do_epoll_control(int operation, const int *a)
{
    static const uint32_t kinds[] = {EPOLLIN | EPOLLRDHUP, EPOLLIN | EPOLLRDHUP | EPOLLET,
                                     EPOLLIN | EPOLLOUT, EPOLLIN | EPOLLONESHOT};
    int fd = slot(a[1]);
    struct connection *connection = connection_of(fd);
    uint32_t number = connection ? (uint32_t)(connection - record->connections) + 1 : 0;
    struct epoll_event event = {.events = kinds[(unsigned)a[2] % 4],
                                .data.u32 = (uint32_t)a[1] | number << 8};

    return CALL(epoll_ctl(slot(a[0]), operation, fd, &event));
}

long do_epoll_wait(const int *a)
{
    enum { MOST = 16 };
    struct epoll_event events[MOST];
    int count = CALL(epoll_wait(slot(a[0]), events, MOST, 0));

    for (int i = 0; i < count; i++) {
        note(" %u:%x", events[i].data.u32 & 0xff, events[i].events);
        if (events[i].data.u32 >> 8)
            note(" c%u", (events[i].data.u32 >> 8) - 1);
    }
    return count;
}

long do_poll(const int *a)
{
    struct pollfd poll_fd = {.fd = slot(a[0]), .events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI};
    int count = CALL(poll(&poll_fd, 1, 0)), error = call_errno;

    note(" %x", (unsigned)poll_fd.revents);
    note_connection(poll_fd.fd);
    call_errno = error;
    return count;
}
