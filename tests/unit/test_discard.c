/* SPDX-License-Identifier: MIT */
/* Which sockets are read into a buffer, and that both ways of reading throw everything away. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim/discard.h"

enum { BEFORE = 2000, AFTER = 3000, MORE = 100000 };

/* No kTLS module is needed for the choice: it depends on the name alone. */
static void test_choice(void **state)
{
    (void)state;
    assert_false(discard_copies(PROTO_TCP, ""));
    assert_true(discard_copies(PROTO_TCP, "tls"));
    assert_true(discard_copies(PROTO_TCP, "espintcp"));
    assert_true(discard_copies(PROTO_MPTCP, ""));
    assert_true(discard_copies(PROTO_UNIX, ""));
    assert_true(discard_copies(PROTO_OTHER, ""));
}

static void tcp_pair(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    ends[1] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(ends[1], (struct sockaddr *)&address, length), 0);
    ends[0] = accept(listener, NULL, NULL);
    assert_true(ends[0] >= 0);
    close(listener);
}

static void send_all(int fd, size_t count, int flags)
{
    static const char bytes[MORE];

    for (ssize_t sent; count > 0; count -= (size_t)sent) {
        sent = send(fd, bytes, count < MORE ? count : MORE, flags);
        assert_true(sent > 0);
    }
}

static void wait_for(int fd, short events)
{
    struct pollfd poll_for = {.fd = fd, .events = events};
    assert_int_equal(poll(&poll_for, 1, 10000), 1);
}

/* Until the peer's end; what comes in several pieces is read in several. */
static uint64_t discard_all(int fd, struct discard_how *how)
{
    enum discard_end end;
    uint64_t bytes = 0;

    while ((end = discard(fd, how, 0, &bytes)) == DISCARD_MORE)
        wait_for(fd, POLLIN);
    assert_int_equal(end, DISCARD_EOF);
    return bytes;
}

/* Asked only once there is something to throw away. */
static void test_choice_of_a_socket(void **state)
{
    struct discard_how tcp = {.proto = PROTO_TCP}, local = {.proto = PROTO_UNIX};
    uint64_t bytes = 0;
    int ends[2];

    (void)state;
    tcp_pair(ends);
    assert_int_equal(discard(ends[0], &tcp, 0, &bytes), DISCARD_MORE);
    assert_int_equal(tcp.copying, COPYING_UNASKED);
    send_all(ends[1], MORE, 0);
    shutdown(ends[1], SHUT_WR);
    assert_int_equal(discard_all(ends[0], &tcp), MORE);
    assert_int_equal(tcp.copying, COPYING_NO);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    send_all(ends[1], MORE, MSG_DONTWAIT);
    shutdown(ends[1], SHUT_WR);
    assert_int_equal(discard_all(ends[0], &local), MORE);
    assert_int_equal(local.copying, COPYING_YES);
    close(ends[0]);
    close(ends[1]);
}

/* With an urgent byte in the midst, which is read past and not counted. */
static void test_both_ways_over_tcp(void **state)
{
    int ends[2];

    (void)state;
    for (enum copying copying = COPYING_UNASKED; copying <= COPYING_YES; copying++) {
        struct discard_how how = {.proto = PROTO_TCP, .copying = copying};
        tcp_pair(ends);
        send_all(ends[1], BEFORE, 0);
        send_all(ends[1], 1, MSG_OOB);
        send_all(ends[1], AFTER + MORE, 0);
        shutdown(ends[1], SHUT_WR);
        assert_int_equal(discard_all(ends[0], &how), BEFORE + AFTER + MORE);
        close(ends[0]);
        close(ends[1]);
    }
}

static void test_limit(void **state)
{
    struct discard_how how = {.proto = PROTO_UNIX, .copying = COPYING_YES};
    uint64_t bytes = 0;
    int ends[2], left = 0;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    send_all(ends[1], MORE, MSG_DONTWAIT);
    assert_int_equal(discard(ends[0], &how, 1000, &bytes), DISCARD_MORE);
    assert_in_range(bytes, 1000, 65536);
    assert_int_equal(ioctl(ends[0], FIONREAD, &left), 0);
    assert_int_equal(bytes + (uint64_t)left, MORE);
    close(ends[0]);
    close(ends[1]);
}

/* Descriptors in what is thrown away are closed, not received. */
static void test_descriptors_in_messages(void **state)
{
    struct discard_how how = {.proto = PROTO_UNIX, .copying = COPYING_YES};
    char control[CMSG_SPACE(sizeof(int))] = {0};
    char byte = 0;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    uint64_t bytes = 0;
    int ends[2], before = dup(0);

    (void)state;
    close(before);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &ends[1], sizeof(int));
    assert_int_equal(sendmsg(ends[1], &message, 0), 1);
    assert_int_equal(discard(ends[0], &how, 0, &bytes), DISCARD_MORE);
    assert_int_equal(bytes, 1);
    close(ends[0]);
    close(ends[1]);
    int after = dup(0);
    assert_int_equal(after, before);
    close(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_choice_of_a_socket),
        cmocka_unit_test(test_both_ways_over_tcp),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_descriptors_in_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
