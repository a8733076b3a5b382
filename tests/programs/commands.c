/* SPDX-License-Identifier: MIT */
/* The commands by which a socket is brought into a situation. */
#include "closer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* ADDRESS and PORT as they are typed; for UNIX sockets an abstract name and no port. */
static socklen_t address_of(const struct closer *closer, const char *text, int port,
                            struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (closer->family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;
        *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        inet_pton(AF_INET, text, &in->sin_addr);
        return sizeof *in;
    }
    if (closer->family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
        *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
        inet_pton(AF_INET6, text, &in6->sin6_addr);
        return sizeof *in6;
    }
    struct sockaddr_un *un = (struct sockaddr_un *)out;
    un->sun_family = AF_UNIX;
    size_t length = strlen(text);
    memcpy(un->sun_path + 1, text, length);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
}

static long local_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        return 0;
    if (address.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&address)->sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return 0;
}

static int new_socket(struct closer *closer)
{
    return say("socket", socket(closer->family, closer->type, closer->protocol));
}

static bool set_linger(int fd, int seconds)
{
    struct linger linger = {.l_onoff = 1, .l_linger = seconds};
    return say("setsockopt(SO_LINGER)",
               setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger)) == 0;
}

/* listen ADDRESS [linger]: the port is the answer. */
static bool do_listen(struct closer *closer, const char *address, const char *option)
{
    struct sockaddr_storage local;
    socklen_t length = address_of(closer, address, 0, &local);
    int fd = new_socket(closer);
    if (say("bind", bind(fd, (struct sockaddr *)&local, length)) != 0)
        return false;
    if (*option && !set_linger(fd, 0))
        return false;
    if (closer->type != SOCK_DGRAM && say("listen", listen(fd, 8)) != 0)
        return false;
    closer->listener = closer->fd = fd;
    answer_ok(local_port(fd));
    return true;
}

/* accept: the listener is given up, as a server for one connection would. */
static bool do_accept(struct closer *closer)
{
    closer->fd = say("accept", accept(closer->listener, NULL, NULL));
    say("close", close(closer->listener));
    closer->listener = -1;
    if (closer->fd < 0)
        return false;
    answer_ok(closer->fd);
    return true;
}

/* connect FROM TO PORT [nonblock]: the local port is the answer. */
static bool do_connect(struct closer *closer, char *words[])
{
    struct sockaddr_storage local, peer;
    closer->fd = new_socket(closer);
    socklen_t length = address_of(closer, words[0], 0, &local);
    if (closer->family != AF_UNIX &&
        say("bind", bind(closer->fd, (struct sockaddr *)&local, length)) != 0)
        return false;
    if (*words[3])
        fcntl(closer->fd, F_SETFL, O_NONBLOCK);
    length = address_of(closer, words[1], (int)strtol(words[2], NULL, 10), &peer);
    int result = say("connect", connect(closer->fd, (struct sockaddr *)&peer, length));
    if (result != 0 && !(*words[3] && errno == EINPROGRESS))
        return false;
    answer_ok(local_port(closer->fd));
    return true;
}

static bool do_socket(struct closer *closer)
{
    closer->fd = new_socket(closer);
    answer_ok(-1);
    return true;
}

static bool do_send(struct closer *closer, int bytes)
{
    static char data[1 << 18];
    int room = 2 * bytes;
    if (bytes > 16384) /* all of it must fit into the send buffer: the peer does not read yet */
        setsockopt(closer->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    return say("send", send(closer->fd, data, (size_t)bytes, MSG_NOSIGNAL)) == bytes;
}

static void do_receive(struct closer *closer, int bytes, int flags)
{
    static char data[1 << 16];
    if (bytes > (int)sizeof data)
        bytes = sizeof data;
    say("recv", recv(closer->fd, data, (size_t)bytes, flags));
}

static bool do_shutdown(struct closer *closer, const char *how)
{
    int half = strcmp(how, "rd") == 0 ? SHUT_RD : strcmp(how, "wr") == 0 ? SHUT_WR : SHUT_RDWR;
    return say("shutdown", shutdown(closer->fd, half)) == 0;
}

/* The descriptor that is closed later is the higher one: closefrom() would take both otherwise. */
static bool do_dup(struct closer *closer)
{
    int copy = say("dup", dup(closer->fd));
    closer->holder = copy < closer->fd ? copy : closer->fd;
    closer->fd = copy < closer->fd ? closer->fd : copy;
    answer_ok(closer->fd);
    return true;
}

/* The child keeps the socket open, and sends one byte on it for each byte on HOLD. */
static bool do_fork(struct closer *closer)
{
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        while (recv(HOLD, &byte, 1, 0) == 1)
            if (send(closer->fd, &byte, 1, MSG_NOSIGNAL) != 1)
                _exit(72);
        _exit(0);
    }
    return pid > 0;
}

/* Put the descriptor into flight: it stays in the queue of HOLD, nobody receives it. */
static bool do_pass(struct closer *closer)
{
    char byte = 'f';
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.space};
    control.header = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(&control.header), &closer->fd, sizeof(int));
    return say("sendmsg", sendmsg(HOLD, &message, 0)) == 1;
}

static bool do_option(struct closer *closer, const char *name, int value)
{
    if (strcmp(name, "linger") == 0)
        return set_linger(closer->fd, value);
    if (strcmp(name, "linger2") == 0)
        return say("setsockopt(TCP_LINGER2)",
                   setsockopt(closer->fd, IPPROTO_TCP, TCP_LINGER2, &value, sizeof value)) == 0;
    return strcmp(name, "oobinline") == 0 &&
           say("setsockopt(SO_OOBINLINE)",
               setsockopt(closer->fd, SOL_SOCKET, SO_OOBINLINE, &value, sizeof value)) == 0;
}

static bool do_disconnect(struct closer *closer)
{
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    return say("connect(AF_UNSPEC)", connect(closer->fd, &none, sizeof none)) == 0;
}

/* Wait for at least `bytes` unread. */
static bool await_unread(int fd, int bytes)
{
    const struct timespec pause = {.tv_nsec = 500000};
    for (int waited = 0; waited < 2 * AWAIT_MS; waited++) {
        int unread = 0;
        if (ioctl(fd, FIONREAD, &unread) == 0 && unread >= bytes)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

static bool await_poll(int fd, short events)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    return poll(&poll_fd, 1, AWAIT_MS) == 1 && poll_fd.revents & events;
}

/* Commands that leave the answer to obey(). */
static bool do_plain(struct closer *closer, char *words[])
{
    const char *verb = words[0];
    int number = (int)strtol(words[1], NULL, 10);
    if (strcmp(verb, "send") == 0)
        return do_send(closer, number);
    if (strcmp(verb, "recv") == 0)
        return do_receive(closer, number, 0), true;
    if (strcmp(verb, "peek") == 0)
        return do_receive(closer, number, MSG_PEEK), true;
    if (strcmp(verb, "recv-oob") == 0)
        return do_receive(closer, 1, MSG_OOB), true;
    if (strcmp(verb, "shutdown") == 0)
        return do_shutdown(closer, words[1]);
    if (strcmp(verb, "fork") == 0)
        return do_fork(closer);
    if (strcmp(verb, "pass") == 0)
        return do_pass(closer);
    if (strcmp(verb, "disconnect") == 0)
        return do_disconnect(closer);
    if (strcmp(verb, "unread") == 0)
        return await_unread(closer->fd, number);
    if (strcmp(verb, "readable") == 0)
        return await_poll(closer->fd, POLLIN);
    if (strcmp(verb, "peer-fin") == 0)
        return await_poll(closer->fd, POLLRDHUP);
    if (strcmp(verb, "urgent") == 0)
        return await_poll(closer->fd, POLLPRI);
    if (strcmp(verb, "hangup") == 0)
        return await_poll(closer->fd, POLLHUP);
    if (strcmp(verb, "ping") == 0)
        return say("send", send(closer->holder, "p", 1, MSG_NOSIGNAL)) == 1;
    return do_option(closer, verb, number);
}

enum next obey(struct closer *closer, char *line)
{
    char none[] = "", *rest = NULL;
    char *words[6] = {none, none, none, none, none, none}; /* what is not given is empty */
    int count = 0;
    for (char *word = strtok_r(line, " ", &rest); word && count < 5;
         word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    if (count == 0)
        return NEXT_COMMAND;
    bool done;
    if (strcmp(words[0], "road") == 0)
        return take_road(closer, words[1]);
    if (strcmp(words[0], "listen") == 0)
        done = do_listen(closer, words[1], words[2]);
    else if (strcmp(words[0], "accept") == 0)
        done = do_accept(closer);
    else if (strcmp(words[0], "connect") == 0)
        done = do_connect(closer, words + 1);
    else if (strcmp(words[0], "socket") == 0)
        done = do_socket(closer);
    else if (strcmp(words[0], "dup") == 0)
        done = do_dup(closer);
    else if (strcmp(words[0], "fd") == 0)
        answer_ok(closer->fd), done = true;
    else if ((done = do_plain(closer, words)))
        answer_ok(-1);
    if (!done)
        answer_no();
    return NEXT_COMMAND;
}
