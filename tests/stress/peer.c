/* SPDX-License-Identifier: MIT */
/*
 * The peer: a process that softclose does not cover. It acts only when the subject asks it to, and
 * answers when everything that is under way has arrived, so that no result depends on time. Only
 * while the subject waits for an end (loose) it acts by itself, on each connection alone.
 */
#include "record.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LATE_BYTES = 64, MOST_BYTES = 8192, END_MS = 4000 };

static struct record *record;
static int fds[CONNECTIONS], listeners[PROTOCOLS], fence_fd;

/* All of a worker's processes are on one processor, whose backlog of packets is a queue: when ours
 * has come through, so has everything before it. */
static void fence(void)
{
    char byte = 0;

    for (int i = 0; i < 2; i++)
        if (send(fence_fd, &byte, 1, 0) == 1)
            (void)!recv(fence_fd, &byte, 1, 0);
}

static void pause_us(long us)
{
    nanosleep(&(struct timespec){0, us * 1000}, NULL);
}

static void tell(struct connection *connection, const char *what, long result)
{
    size_t length = strlen(connection->story);

    snprintf(connection->story + length, sizeof connection->story - length, "%s %ld;", what,
             result < 0 ? -(long)errno : result);
}

static void send_pattern(struct connection *connection, int bytes, int flags, const char *what)
{
    char data[MOST_BYTES];
    size_t size = bytes < 1 ? 1 : (size_t)(bytes % MOST_BYTES);
    int fd = fds[connection - record->connections];

    for (size_t i = 0; i < size; i++)
        data[i] = (char)('A' + (connection->peer_sent + i) % 26);
    ssize_t sent = send(fd, data, size, flags | MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        connection->peer_sent += (uint64_t)sent;
    tell(connection, what, sent);
}

static void leave(struct connection *connection)
{
    int *fd = &fds[connection - record->connections];

    close(*fd);
    *fd = -1;
}

static void read_all(struct connection *connection)
{
    static char data[1 << 16];
    int fd = fds[connection - record->connections];
    bool again = connection->protocol >= STREAM; /* the rest comes behind the error */

    while (connection->end == END_OPEN || connection->end == END_RESET) {
        ssize_t got = recv(fd, data, sizeof data, MSG_DONTWAIT);
        if (got > 0) {
            connection->got += (uint64_t)got;
            connection->got_digest = digest(connection->got_digest, data, (size_t)got);
        } else if (got == 0) {
            if (connection->end == END_OPEN)
                connection->end = END_EOF;
            return;
        } else if (errno == EAGAIN) {
            return;
        } else {
            connection->end = errno == ECONNRESET ? END_RESET : END_OTHER;
            connection->error = errno;
            if (!again || connection->end == END_OTHER)
                return;
            again = false;
        }
    }
}

/* True when something was done. */
static bool serve(struct connection *connection, bool finishing)
{
    int fd = fds[connection - record->connections];
    enum end before = connection->end;
    uint64_t got = connection->got;

    if (fd < 0 || !(finishing || (connection->manner & MANNER_READS)))
        return false;
    read_all(connection);
    if (connection->end == END_EOF && (finishing || (connection->manner & MANNER_FINISHES))) {
        if (finishing || (connection->manner & MANNER_LATE))
            send_pattern(connection, LATE_BYTES, 0, "late");
        fence();
        leave(connection);
        return true;
    }
    if (connection->end != END_EOF && connection->end != END_OPEN)
        leave(connection);
    return connection->end != before || connection->got != got;
}

static bool serve_all(bool finishing)
{
    bool done = false;

    for (uint32_t i = 0; i < record->connection_count; i++)
        done |= serve(&record->connections[i], finishing);
    return done;
}

/* MPTCP leaves work to kernel threads, which no packet of ours waits for. */
static bool uses_mptcp(void)
{
    for (uint32_t i = 0; i < record->connection_count; i++)
        if (record->connections[i].protocol == MPTCP)
            return true;
    return false;
}

static void settle(bool finishing)
{
    do {
        if (uses_mptcp())
            pause_us(1500);
        fence();
    } while (serve_all(finishing));
}

static int add(int fd, enum protocol protocol, int tag, int manner)
{
    int number = (int)record->connection_count;
    struct connection *connection = &record->connections[number];
    int on = 1;

    if (number == CONNECTIONS) {
        close(fd);
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
    *connection = (struct connection){.tag = tag,
                                      .manner = manner,
                                      .protocol = protocol,
                                      .sent_digest = DIGEST_START,
                                      .got_digest = DIGEST_START};
    fds[number] = fd;
    record->connection_count++;
    return number;
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
    return ntohs(((const struct sockaddr_in *)address)->sin_port); /* sin6_port, too */
}

static int expect(int tag, int manner)
{
    int last = -1;

    fence();
    if (record->words[2] == MPTCP)
        pause_us(1500);
    for (int i = 0; i < PROTOCOLS; i++) {
        struct sockaddr_storage from = {0};
        socklen_t length = sizeof from;
        int fd = accept4(listeners[i], (struct sockaddr *)&from, &length, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        last = add(fd, (enum protocol)i, tag, manner);
        if (last >= 0 && i < STREAM) {
            record->connections[last].subject_port = port_of(&from);
            record->connections[last].peer_port =
                port_of((const struct sockaddr_storage *)record->listeners[i].bytes);
        }
    }
    return last;
}

static int new_socket(int family, enum protocol protocol)
{
    int type = protocol == SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM;

    return socket(protocol < STREAM ? family : AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK,
                  protocol == MPTCP ? IPPROTO_MPTCP : 0);
}

static int unix_name(struct sockaddr_un *address, const char *kind, unsigned number)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int length = snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "random-%u-%s-%u",
                          record->worker, kind, number);
    return (int)offsetof(struct sockaddr_un, sun_path) + 1 + length;
}

static int come(int tag, int manner, enum protocol protocol)
{
    const struct sockaddr *to = (const struct sockaddr *)record->address.bytes;
    struct sockaddr_storage here = {0};
    struct sockaddr_un name;
    socklen_t length = sizeof here;
    int error = 0, fd = new_socket(to->sa_family, protocol);

    if (fd < 0)
        return -1;
    if (protocol >= STREAM) {
        socklen_t size = (socklen_t)unix_name(&name, "from", record->connection_count);
        (void)!bind(fd, (struct sockaddr *)&name, size);
    }
    if (connect(fd, to, record->address.length) != 0) {
        struct pollfd pollfd = {.fd = fd, .events = POLLOUT};
        socklen_t size = sizeof error;
        if (errno != EINPROGRESS || poll(&pollfd, 1, 300) != 1 ||
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
            close(fd);
            return -1;
        }
    }
    int number = add(fd, protocol, tag, manner);
    if (number >= 0 && protocol < STREAM) {
        getsockname(fd, (struct sockaddr *)&here, &length);
        record->connections[number].peer_port = port_of(&here);
        record->connections[number].subject_port = port_of((const struct sockaddr_storage *)to);
    }
    if (number >= 0)
        record->connections[number].why = WHY_UNACCEPTED;
    return number;
}

static struct connection *tagged(int tag)
{
    for (uint32_t i = record->connection_count; i-- > 0;)
        if (record->connections[i].tag == tag)
            return fds[i] >= 0 ? &record->connections[i] : NULL;
    return NULL;
}

static int act(enum operation operation, int tag, int bytes)
{
    const struct linger zero = {1, 0};
    struct connection *connection = tagged(tag);

    if (!connection)
        return -1;
    switch (operation) {
    case OP_peer_send:
        send_pattern(connection, bytes, 0, "send");
        break;
    case OP_peer_oob:
        if (connection->protocol < STREAM) /* poll() says in, and read() waits, for a UNIX one */
            send_pattern(connection, 1, MSG_OOB, "urgent");
        break;
    case OP_peer_fin:
        tell(connection, "fin", shutdown(fds[connection - record->connections], SHUT_WR));
        break;
    case OP_peer_read:
        read_all(connection);
        tell(connection, "read", (long)connection->got);
        break;
    case OP_peer_reset:
        setsockopt(fds[connection - record->connections], SOL_SOCKET, SO_LINGER, &zero,
                   sizeof zero);
        /* fall through */
    default:
        connection->why |= WHY_PEER_LEFT;
        tell(connection, "left", 0);
        leave(connection);
        break;
    }
    return 0;
}

static void obey(void)
{
    record->result = 0;
    switch (record->command) {
    case SAY_EXPECT:
        record->result = expect(record->words[0], record->words[1]);
        break;
    case SAY_COME:
        record->result = come(record->words[0], record->words[1], (enum protocol)record->words[2]);
        break;
    case SAY_STEP:
        record->result = act((enum operation)record->words[0], record->words[1], record->words[2]);
        break;
    default:
        break;
    }
    settle(record->command == SAY_FINISH);
}

static bool start(bool v6, const char *address)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct sockaddr *inet = v6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in4;
    socklen_t size = v6 ? sizeof in6 : sizeof in4;
    struct sockaddr_un name;
    bool good = true;

    inet_pton(inet->sa_family, address, v6 ? (void *)&in6.sin6_addr : (void *)&in4.sin_addr);
    fence_fd = socket(inet->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage own;
    socklen_t length = sizeof own;
    good = bind(fence_fd, inet, size) == 0 &&
           getsockname(fence_fd, (struct sockaddr *)&own, &length) == 0 &&
           connect(fence_fd, (struct sockaddr *)&own, length) == 0;
    for (int i = 0; i < PROTOCOLS; i++) {
        struct sockaddr_room *room = &record->listeners[i];
        bool local = i >= STREAM;
        socklen_t named = local ? (socklen_t)unix_name(&name, "at", (unsigned)i) : size;
        listeners[i] = new_socket(inet->sa_family, (enum protocol)i);
        good = good && listeners[i] >= 0 &&
               bind(listeners[i], local ? (struct sockaddr *)&name : inet, named) == 0 &&
               listen(listeners[i], 64) == 0;
        room->length = sizeof room->bytes;
        getsockname(listeners[i], (struct sockaddr *)room->bytes, &room->length);
    }
    return good;
}

/* Until every connection has come to its end. */
static void finish(void)
{
    for (int waited = 0; waited < END_MS * 2; waited++) {
        bool open = false;
        fence();
        serve_all(true);
        for (uint32_t i = 0; i < record->connection_count; i++)
            open |= fds[i] >= 0;
        if (!open)
            break;
        pause_us(500);
    }
    fence();
    for (uint32_t i = 0; i < record->connection_count; i++)
        if (fds[i] >= 0)
            leave(&record->connections[i]);
    fence();
}

void peer_run(struct record *shared, bool v6, const char *address)
{
    uint32_t served = 0;

    record = shared;
    memset(fds, -1, sizeof fds);
    if (!start(v6, address))
        _exit(1);
    atomic_store(&record->reply, 1);
    while (!atomic_load(&record->over)) {
        uint32_t loose = atomic_load(&record->loose), asked = atomic_load(&record->request);
        struct timespec time = {0, loose ? 200000 : 20000000};
        if (asked != served) {
            obey();
            served = asked;
            atomic_store(&record->reply, served + 1);
            syscall(SYS_futex, &record->reply, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
            continue;
        }
        if (loose && serve_all(loose > 1))
            continue;
        syscall(SYS_futex, &record->request, FUTEX_WAIT, served, &time, NULL, 0);
    }
    finish();
    _exit(0);
}
