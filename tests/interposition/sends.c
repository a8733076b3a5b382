/* SPDX-License-Identifier: MIT */
/*
 * A connection with unread data goes through a UNIX socket, or fails to, and is closed: which close
 * ends it? After each step the peer's view is printed.
 *
 *   sends failed|dropped|in-flight|twice|peeked|kept [syscall|many|syscall-many]
 *
 * The second word: the road of the message, sendmsg() and recvmsg() by default.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "pair.h"

static const char *road = "";
static struct pair pair;

static ssize_t transfer(int fd, struct msghdr *message, bool sends, int flags)
{
    struct mmsghdr many = {.msg_hdr = *message};
    long result;

    if (strcmp(road, "syscall") == 0)
        return syscall(sends ? SYS_sendmsg : SYS_recvmsg, fd, message, flags);
    if (strcmp(road, "many") == 0)
        result = sends ? sendmmsg(fd, &many, 1, flags) : recvmmsg(fd, &many, 1, flags, NULL);
    else if (strcmp(road, "syscall-many") == 0)
        result = syscall(sends ? SYS_sendmmsg : SYS_recvmmsg, fd, &many, 1, flags, NULL);
    else
        return sends ? sendmsg(fd, message, flags) : recvmsg(fd, message, flags);
    *message = many.msg_hdr;
    return result == 1 ? (ssize_t)many.msg_len : -1;
}

/* Sends `fd`, or receives one: its number, or -1 and errno. */
static int pass(int to, int fd, int flags)
{
    char byte = 0;
    struct iovec part = {&byte, 1};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {.bytes = {0}};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);

    *rights = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    if (transfer(to, &message, fd >= 0, flags | MSG_NOSIGNAL) != 1)
        return -1;
    if (fd < 0)
        memcpy(&fd, CMSG_DATA(rights), sizeof fd);
    return fd;
}

static int receive(int from, int flags)
{
    return pair_must(pass(from, -1, flags), "receive");
}

static void tell(const char *step)
{
    printf("%s %s\n", step, pair_view(pair.peer));
    fflush(stdout);
}

static void close_it(int fd, const char *step)
{
    pair_must(close(fd), "close");
    tell(step);
}

/* What the peer has sent is still there for whoever has the connection now. */
static void read_it(int fd)
{
    char bytes[4];
    if (recv(fd, bytes, sizeof bytes, 0) != sizeof bytes)
        printf("the data is gone\n");
}

static void send_in_vain(int to, int wanted)
{
    if (pass(to, pair.subject, MSG_DONTWAIT) >= 0 || errno != wanted)
        pair_fail("it was sent");
    printf("failed %s\n", strerrorname_np(wanted));
}

static void failed(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t length = sizeof name.sun_family;
    int ends[2], lone = pair_must(socket(AF_UNIX, SOCK_DGRAM, 0), "socket");

    pair_must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
    close(ends[1]);
    send_in_vain(ends[0], EPIPE);
    int far = pair_must(socket(AF_UNIX, SOCK_DGRAM, 0), "socket");
    pair_must(bind(far, (struct sockaddr *)&name, length), "bind"); /* the kernel names it */
    length = sizeof name;
    pair_must(getsockname(far, (struct sockaddr *)&name, &length), "getsockname");
    pair_must(connect(lone, (struct sockaddr *)&name, length), "connect");
    while (send(lone, "", 1, MSG_DONTWAIT) == 1)
        ;
    send_in_vain(lone, EAGAIN);
    close(far);
    send_in_vain(lone, ECONNREFUSED);
    close(lone);
    close(ends[0]);
    close_it(pair.subject, "last");
}

static int run(const char *what)
{
    int ends[2], copy;

    if (strcmp(what, "failed") == 0) {
        failed();
        return 0;
    }
    pair_must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), "socketpair");
    pair_must(pass(ends[0], pair.subject, 0), "send");
    if (strcmp(what, "dropped") == 0) {
        close(ends[1]);
        close(ends[0]);
        close_it(pair.subject, "last");
        return 0;
    }
    if (strcmp(what, "in-flight") == 0) {
        close_it(pair.subject, "sent");
        copy = receive(ends[1], 0);
    } else if (strcmp(what, "twice") == 0) {
        pair_must(pass(ends[0], pair.subject, 0), "send");
        close_it(pair.subject, "sent");
        copy = receive(ends[1], 0);
        read_it(copy);
        close_it(copy, "received");
        copy = receive(ends[1], 0);
    } else if (strcmp(what, "peeked") == 0) {
        copy = receive(ends[1], MSG_PEEK);
        close_it(pair.subject, "sent");
        close_it(copy, "peeked");
        copy = receive(ends[1], 0);
    } else if (strcmp(what, "kept") == 0) {
        copy = receive(ends[1], 0);
        close_it(copy, "received");
        copy = pair.subject;
    } else {
        return 2;
    }
    read_it(copy);
    close_it(copy, "last");
    return 0;
}

int main(int count, char **arguments)
{
    if (count < 2)
        return 2;
    road = count > 2 ? arguments[2] : "";
    pair = pair_make(100);
    return run(arguments[1]);
}
