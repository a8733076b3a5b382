/* SPDX-License-Identifier: MIT */
/* A close while another thread is blocked in a read: the read goes on with the connection. */
#include "subject.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 3, SENT = 9 };

struct reader {
    int fd;
    _Atomic int tid;
    ssize_t result;
    int error;
};

static void *blocked(void *context)
{
    struct reader *reader = context;
    char data[100];

    atomic_store(&reader->tid, (int)syscall(SYS_gettid));
    errno = FIRST_NUMBER;
    reader->result = recv(reader->fd, data, sizeof data, 0);
    reader->error = errno;
    return NULL;
}

/* Until it is within recvfrom(2). */
static void await_blocked(struct reader *reader)
{
    char path[64], text[64];
    int number = -1;

    while (atomic_load(&reader->tid) == 0)
        sched_yield();
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", atomic_load(&reader->tid));
    while (number != SYS_recvfrom) {
        int fd = open(path, O_RDONLY);
        ssize_t length = read(fd, text, sizeof text - 1);
        close(fd);
        text[length > 0 ? length : 0] = '\0';
        if (length <= 0 || sscanf(text, "%d", &number) != 1)
            number = -1;
    }
}

static bool joined(pthread_t thread)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    return pthread_timedjoin_np(thread, NULL, &until) == 0;
}

long do_reader(const int *a)
{
    struct reader reader = {.fd = slot(a[0])};
    struct connection *connection = connection_of(reader.fd);
    pthread_t thread;

    /* Natively a read of what SHUT_RDWR has shut never waits: softened, it may. */
    if (!connection || connection->inside || connection->softened ||
        (fcntl(reader.fd, F_GETFL) & O_NONBLOCK) || !would_block(reader.fd, POLLIN | POLLRDHUP) ||
        pthread_create(&thread, NULL, blocked, &reader) != 0)
        return -1;
    await_blocked(&reader);
    connection->why |= WHY_READER;
    int result = a[1] ? CALL(dup2(2, reader.fd)) : CALL(close(reader.fd));
    int error = call_errno;
    say(SAY_STEP, OP_peer_send, connection->tag, SENT);
    if (!joined(thread)) {
        note(" stuck");
        say(SAY_STEP, OP_peer_close, connection->tag, 0);
        pthread_join(thread, NULL);
    }
    note(" read %zd %d", reader.result, reader.error);
    call_errno = error;
    return result;
}
