/* SPDX-License-Identifier: MIT */
/*
 * Another preloaded library that stands in the same places: it counts what goes through close(),
 * and makes shutdown(), socket() and setsockopt() of the raw system calls, as some libraries do.
 * What it counted is told on standard error at the end.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned closes, shutdowns, depth;

int close(int fd)
{
    static int (*next)(int fd);

    if (next == NULL)
        next = (int (*)(int))dlsym(RTLD_NEXT, "close");
    closes++;
    return next(fd);
}

int shutdown(int fd, int how)
{
    shutdowns++;
    if (++depth > 10)
        _exit(99); /* whoever hands the system call back to us */
    int result = (int)syscall(SYS_shutdown, fd, how);
    depth--;
    return result;
}

int socket(int domain, int type, int protocol)
{
    if (++depth > 10)
        _exit(98);
    int result = (int)syscall(SYS_socket, domain, type, protocol);
    depth--;
    return result;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    if (++depth > 10)
        _exit(97);
    int result = (int)syscall(SYS_setsockopt, fd, level, name, value, length);
    depth--;
    return result;
}

__attribute__((destructor)) static void tell(void)
{
    fprintf(stderr, "chain: %u closes, %u shutdowns\n", closes, shutdowns);
}
