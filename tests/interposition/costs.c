/* SPDX-License-Identifier: MIT */
/*
 * Makes each of its operations 100 times, between two getpgid(0) that can be found in the output of
 * strace, and prints the names of the operations in that order.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pair.h"

enum { TIMES = 100 };

static int file, listener;
static int fds[TIMES], others[TIMES], results;
static struct pair pairs[TIMES];

static void open_files(int i)
{
    fds[i] = open("/dev/null", O_RDONLY);
}

static void close_fds(int i)
{
    results += close(fds[i]);
}

static void open_eventfds(int i)
{
    fds[i] = eventfd(0, 0);
}

static void open_epolls(int i)
{
    fds[i] = epoll_create1(0);
}

static void close_again(int i)
{
    (void)i;
    results += close(-1);
}

/* The numbers of the sockets that were closed just before. */
static void reuse_numbers(int i)
{
    fds[i] = socket(AF_INET, SOCK_STREAM, 0);
    if (i == TIMES - 1) {
        for (int j = 0; j < TIMES; j++)
            close(fds[j]);
        for (int j = 0; j < TIMES; j++)
            fds[j] = open("/dev/null", O_RDONLY);
    }
}

static void dup2_file(int i)
{
    (void)i;
    results += dup2(file, file + 1);
}

static void dup3_file(int i)
{
    (void)i;
    results += dup3(file, file + 1, O_CLOEXEC);
}

static void syscall_dup3(int i)
{
    (void)i;
    results += (int)syscall(SYS_dup3, file, file + 1, 0);
}

static void syscall_close(int i)
{
    results += (int)syscall(SYS_close, fds[i]);
}

static void control(int i)
{
    (void)i;
    results += fcntl(file, F_GETFL);
}

static void copy(int i)
{
    fds[i] = fcntl(file, F_DUPFD_CLOEXEC, 0);
}

static FILE *streams[TIMES];

static void open_streams(int i)
{
    streams[i] = fopen("/dev/null", "r");
}

static void close_streams(int i)
{
    results += fclose(streams[i]);
}

static void read_file(int i)
{
    char byte;

    (void)i;
    results += (int)read(file, &byte, 1);
}

static void read_socket(int i)
{
    char byte;
    results += (int)recv(pairs[i].subject, &byte, 1, MSG_DONTWAIT);
}

static void make_sockets(int i)
{
    fds[i] = socket(AF_INET, SOCK_STREAM, 0);
}

static void make_pairs(int i)
{
    pairs[i] = pair_through(listener, 1);
}

static void close_subjects(int i)
{
    results += close(pairs[i].subject);
}

static void close_peers(int i)
{
    results += close(pairs[i].peer);
}

static void shut(int i)
{
    results += shutdown(pairs[i].subject, SHUT_WR);
}

static void unix_pairs(int i)
{
    int ends[2];

    results += socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    fds[i] = ends[0];
    others[i] = ends[1];
}

static void close_others(int i)
{
    results += close(others[i]);
}

static void measure(const char *name, void (*operation)(int i))
{
    getpgid(0);
    for (int i = 0; i < TIMES; i++)
        operation(i);
    getpgid(0);
    printf("%s\n", name);
}

int main(void)
{
    listener = pair_listen();
    file = pair_must(open("/dev/null", O_RDONLY), "open");
    if (dup2(file, file + 1) < 0)
        pair_fail("dup2");
    measure("open", open_files);
    measure("close of a file", close_fds);
    measure("eventfd", open_eventfds);
    measure("close of an eventfd", close_fds);
    measure("epoll_create1", open_epolls);
    measure("close of an epoll set", close_fds);
    measure("close of -1", close_again);
    measure("(a socket's numbers become files')", reuse_numbers);
    measure("close of a file whose number was a socket's", close_fds);
    measure("dup2 of a file", dup2_file);
    measure("dup3 of a file", dup3_file);
    measure("syscall(SYS_dup3) of a file", syscall_dup3);
    measure("fcntl", control);
    measure("fcntl(F_DUPFD_CLOEXEC) of a file", copy);
    measure("syscall(SYS_close) of a file", syscall_close);
    measure("fopen", open_streams);
    measure("fclose of a file", close_streams);
    measure("read", read_file);
    measure("socket", make_sockets);
    measure("close, unconnected TCP", close_fds);
    measure("socket + connect + accept + send, TCP", make_pairs);
    measure("recv", read_socket);
    measure("shutdown, TCP", shut);
    measure("close, TCP", close_subjects);
    measure("close, TCP, peer has finished", close_peers);
    measure("(more connections)", make_pairs);
    measure("close with unread data, TCP", close_subjects);
    measure("close after a reset, TCP", close_peers);
    measure("socketpair", unix_pairs);
    measure("close, UNIX", close_fds);
    measure("close, UNIX, peer gone", close_others);
    return results == 12345;
}
