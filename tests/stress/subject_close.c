/* SPDX-License-Identifier: MIT */
/* The roads to a closed socket, and shutdown. */
#include "subject.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

long do_close(const int *a)
{
    return CALL(close(slot(a[0])));
}

long do_sysclose(const int *a)
{
    return CALL(syscall(SYS_close, slot(a[0])));
}

long do_close_number(const int *a)
{
    return CALL(close(a[0]));
}

static void unshared(struct connection *connection)
{
    connection->why |= WHY_UNSHARED;
}

long do_close_range(const int *a)
{
    unsigned first = (unsigned)slot(a[0]), last = first + (unsigned)a[1];
    int flags = (a[2] & 1 ? (int)CLOSE_RANGE_UNSHARE : 0) |
                (a[2] & 2 ? (int)CLOSE_RANGE_CLOEXEC : 0) | (a[2] & 4 ? 1 << 20 : 0);

    if ((a[2] & 1) && threads_here > 0) {
        each_held(unshared);
        own_table = true;
    }
    return a[2] & 8 ? CALL(syscall(SYS_close_range, first, last, flags))
                    : CALL(close_range(first, last, flags));
}

long do_closefrom(const int *a)
{
    int fd = slot(a[0]);

    if (fd < 0) {
        note(" none");
        return -1;
    }
    CALL((closefrom(fd), 0));
    return 0;
}

long do_dup(const int *a)
{
    int from = slot(a[1]);
    long to = a[2] ? CALL(syscall(SYS_dup, from)) : CALL(dup(from));

    copied((int)to);
    keep(a[0], to);
    return to;
}

static long dup_onto(const int *a)
{
    int from = slot(a[0]), to = slot(a[1]);

    switch (a[2]) {
    case 0:
        return CALL(dup2(from, to));
    case 1:
        return CALL(dup3(from, to, 0));
    case 2:
        return CALL(dup3(from, to, O_CLOEXEC));
    case 3:
        return CALL(syscall(SYS_dup3, from, to, 0));
    default:
        return CALL(dup3(from, to, 12345678));
    }
}

long do_dup2(const int *a)
{
    long to = dup_onto(a);
    copied((int)to);
    return to;
}

long do_dup2_number(const int *a)
{
    int to = CALL(dup2(slot(a[0]), a[1]));
    copied(to);
    keep(a[2], to);
    return to;
}

long do_dupfd(const int *a)
{
    int fd = CALL(fcntl(slot(a[1]), a[2] >= 500 ? F_DUPFD_CLOEXEC : F_DUPFD, a[2] % 500));
    copied(fd);
    keep(a[0], fd);
    return fd;
}

/* A stream over the slot's descriptor, with something in its buffer. */
static FILE *stream_of(int fd, int bytes, size_t *size)
{
    const struct connection *connection = connection_of(fd);
    bool full = connection && connection->sent > 24000;

    if (would_block(fd, POLLOUT))
        return NULL;
    note_connection(fd);
    FILE *stream = CALL(fdopen(fd, "w"));
    *size = full || bytes < 0 ? 0 : (size_t)bytes % 2000;
    if (stream && *size > 0)
        fwrite(pattern(fd, *size), 1, *size, stream);
    return stream;
}

long do_fclose(const int *a)
{
    size_t size;
    int fd = slot(a[0]);
    struct connection *connection = connection_of(fd);
    FILE *stream = stream_of(fd, a[1], &size);

    if (!stream)
        return -1;
    const char *data = pattern(fd, size);
    int result = CALL(fclose(stream));
    if (result != 0 && connection)
        connection->why |= WHY_UNFLUSHED;
    if (result == 0 && connection) {
        connection->sent += size;
        connection->sent_digest = digest(connection->sent_digest, data, size);
    }
    return result;
}

long do_freopen(const int *a)
{
    size_t size;
    int fd = slot(a[0]);
    FILE *stream = stream_of(fd, a[1], &size);

    if (!stream)
        return -1;
    const char *data = pattern(fd, size);
    if (CALL(fflush(stream)) == 0)
        count_sent(fd, data, size);
    FILE *other = CALL(freopen(a[2] ? "/dev/null/missing" : "/dev/null", "w", stream));
    int error = call_errno;
    note(" %d", other ? fileno(other) : -1);
    if (other)
        note(" fclose %d", fclose(other));
    call_errno = error;
    return other != NULL;
}

static int held; /* how many descriptors */
static const struct connection *sought;

static void count_held(struct connection *connection)
{
    held += connection == sought;
}

static bool shared(const struct connection *connection)
{
    held = 0;
    sought = connection;
    each_held(count_held);
    return held > 1 || connection->pid != getpid();
}

long do_shutdown(const int *a)
{
    int fd = slot(a[0]), how = a[1];
    struct connection *connection = connection_of(fd);
    int result = a[2] ? (int)CALL(syscall(SYS_shutdown, fd, how)) : CALL(shutdown(fd, how));
    int error = call_errno;

    note_connection(fd);
    if (connection && result == 0) {
        connection->ended = true;
        if (how == SHUT_RDWR)
            connection->softened = true;
        if (how == SHUT_RDWR && shared(connection))
            connection->why |= WHY_SHUT_SHARED;
        if (how == SHUT_RD)
            connection->why |= WHY_SHUT_READ;
    }
    call_errno = error;
    return result;
}

static volatile int handler_fd, handler_result, handler_errno;
static volatile int handler_how;

static void handler(int number)
{
    int error = errno;

    (void)number;
    errno = FIRST_NUMBER;
    switch (handler_how) {
    case 0:
        handler_result = close(handler_fd);
        break;
    case 1:
        handler_result = dup2(2, handler_fd);
        break;
    default:
        handler_result = shutdown(handler_fd, SHUT_WR);
        break;
    }
    handler_errno = errno;
    errno = error;
}

long do_raise(const int *a)
{
    struct sigaction action = {.sa_handler = handler};

    handler_fd = slot(a[0]);
    handler_how = a[1];
    if (handler_how == 1 && handler_fd < 0)
        return -1;
    sigaction(SIGUSR1, &action, NULL);
    note_connection(handler_fd);
    int result = CALL(raise(SIGUSR1));
    note(" in it %d %d", handler_result, handler_errno);
    return result;
}
