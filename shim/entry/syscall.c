/* SPDX-License-Identifier: MIT */
/*
 * syscall(2): six words through. libuv and some allocators close that way; what makes, copies or
 * closes a socket is observed as by its own function, and stays no cancellation point.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "shim/ending.h"
#include "shim/entry/entry.h"
#include "shim/holders.h"
#include "shim/own_fds.h"
#include "shim/raw.h"
#include "shim/rings.h"

struct words {
    long a, b, c, d, e, f;
};

static long pass(long number, const struct words *w)
{
    return real.syscall(number, w->a, w->b, w->c, w->d, w->e, w->f);
}

static long close_word(long number, const struct words *w, void *caller)
{
    struct closing closing;
    int fd = (int)w->a;

    if (!sockets_maybe(fd))
        return pass(number, w);
    if (own_fds_is(fd) && start_enter()) {
        errno = EBADF;
        return -1;
    }
    closing_begin(&closing, fd, "syscall", caller);
    return closing_end(&closing, (int)pass(number, w));
}

static long copy(long number, const struct words *w)
{
    uint64_t copying = entry_copying((int)w->a);
    return entry_copied(copying, (int)w->a, (int)pass(number, w));
}

static long dup_onto(long number, const struct words *w, void *caller)
{
    struct closing closing;
    int from = (int)w->a, to = (int)w->b;
    bool valid = number != SYS_dup3 || ((w->c & ~(long)O_CLOEXEC) == 0 && w->a != w->b);

    if (valid && entry_not_open(from))
        return -1;
    if (!sockets_maybe(to) || !entry_replaces(from, to) || !valid)
        return copy(number, w);
    uint64_t copying = entry_copying(from);
    if (own_fds_is(to) && start_enter())
        own_fds_yield(to);
    closing_begin(&closing, to, "syscall", caller);
    return entry_copied(copying, from, closing_end_if_gone(&closing, (int)pass(number, w)));
}

/* The system calls themselves, in the shape of libc's functions. */
static int raw_close_range(unsigned first, unsigned last, int flags)
{
    return (int)real.syscall(SYS_close_range, first, last, flags);
}

static int raw_shutdown(int fd, int how)
{
    return (int)real.syscall(SYS_shutdown, fd, how);
}

static int raw_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    return (int)real.syscall(SYS_setsockopt, fd, level, name, value, length);
}

static int raw_getsockopt(int fd, int level, int name, void *restrict value,
                          socklen_t *restrict length)
{
    return (int)real.syscall(SYS_getsockopt, fd, level, name, value, length);
}

static int raw_socket(int domain, int type, int protocol)
{
    return (int)real.syscall(SYS_socket, domain, type, protocol);
}

static int raw_socketpair(int domain, int type, int protocol, int fds[2])
{
    return (int)real.syscall(SYS_socketpair, domain, type, protocol, fds);
}

static int raw_prctl(int option, ...)
{
    unsigned long words[4];
    va_list list;

    va_start(list, option);
    for (int i = 0; i < 4; i++)
        words[i] = va_arg(list, unsigned long);
    va_end(list);
    return (int)real.syscall(SYS_prctl, option, words[0], words[1], words[2], words[3]);
}

static int raw_unshare(int flags)
{
    return (int)real.syscall(SYS_unshare, flags);
}

static int raw_setns(int fd, int type)
{
    return (int)real.syscall(SYS_setns, fd, type);
}

/* The calls whose logic is that of the wrapper of the same name. */
static bool wrapped(long number, const struct words *w, long *result, void *caller)
{
    const unsigned long words[4] = {(unsigned long)w->b, (unsigned long)w->c, (unsigned long)w->d,
                                    (unsigned long)w->e};
    int a = (int)w->a, b = (int)w->b, c = (int)w->c;

    switch (number) {
    case SYS_close_range:
        *result = entry_close_range((unsigned)a, (unsigned)b, c, raw_close_range, caller);
        return true;
    case SYS_shutdown:
        *result = entry_shutdown(a, b, raw_shutdown, caller);
        return true;
    case SYS_setsockopt:
        *result =
            entry_setsockopt(a, b, c, (const void *)w->d, (socklen_t)w->e, raw_setsockopt, caller);
        return true;
    case SYS_getsockopt:
        *result = entry_getsockopt(a, b, c, (void *)w->d, (socklen_t *)w->e, raw_getsockopt);
        return true;
    case SYS_socket:
        *result = entry_socket(a, b, c, raw_socket);
        return true;
    case SYS_socketpair:
        *result = entry_socketpair(a, b, c, (int *)w->d, raw_socketpair);
        return true;
    case SYS_prctl:
        *result = entry_prctl(a, words, raw_prctl);
        return true;
    case SYS_unshare:
        *result = entry_unshare(a, raw_unshare);
        return true;
    case SYS_setns:
        *result = entry_setns(a, b, raw_setns);
        return true;
    default:
        return false;
    }
}

/* A fork, when neither memory nor descriptors are shared (clone(2) flags); a vfork, when only the
 * descriptors are not. A child with a stack of its own cannot return through a C function at all.
 */
static long cloned(long number, const struct words *w, uint64_t flags)
{
    if ((flags & CLONE_FILES) != 0)
        return pass(number, w);
    if ((flags & CLONE_VM) != 0) {
        holders_spawned();
        return pass(number, w);
    }
    start_before_fork();
    long pid = pass(number, w);
    int error = errno;
    if (pid == 0)
        start_after_fork_child();
    else
        start_after_fork_parent();
    start_forked((pid_t)pid);
    errno = error;
    return pid;
}

/* seccomp(2): questions and failed attempts change nothing. With SECCOMP_FILTER_FLAG_NEW_LISTENER
 * success is a descriptor, with TSYNC alone a positive number is the thread that failed. */
static long filter(long number, const struct words *w)
{
    bool sets = w->a == SECCOMP_SET_MODE_STRICT || (w->a == SECCOMP_SET_MODE_FILTER && w->c != 0);
    bool thread =
        (w->b & SECCOMP_FILTER_FLAG_TSYNC) != 0 && (w->b & SECCOMP_FILTER_FLAG_NEW_LISTENER) == 0;
    bool stopped = sets && ending_filter();
    long result = pass(number, w);

    if (stopped && (result < 0 || (thread && result > 0)))
        ending_filter_failed();
    return result;
}

/* Calls after which a descriptor is there, or on its way to another process. */
static bool made_or_sent(long number, const struct words *w, long *result)
{
    uint32_t births = tracking_births();

    switch (number) {
#ifdef SYS_epoll_create
    case SYS_epoll_create:
#endif
    case SYS_epoll_create1:
        *result = entry_epoll_made((int)pass(number, w));
        return true;
#ifdef SYS_accept
    case SYS_accept:
#endif
    case SYS_accept4:
        *result = pass(number, w);
        if (*result >= 0)
            tracking_accepted((int)w->a, NULL, (int)*result, NULL, 0, births);
        return true;
    case SYS_sendmsg:
        *result = pass(number, w);
        if (*result >= 0)
            entry_sent((const struct msghdr *)w->b);
        return true;
    case SYS_recvmsg:
        *result = pass(number, w);
        if (*result >= 0)
            entry_received((const struct msghdr *)w->b);
        return true;
    case SYS_sendmmsg:
        *result = entry_sent_many((struct mmsghdr *)w->b, (int)pass(number, w));
        return true;
    case SYS_recvmmsg:
        *result = entry_received_many((struct mmsghdr *)w->b, (int)pass(number, w));
        return true;
    case SYS_io_uring_setup:
        *result = pass(number, w);
        if (*result >= 0 && start_enter())
            rings_made();
        return true;
    case SYS_pidfd_getfd:
        *result = pass(number, w);
        if (*result >= 0)
            tracking_received((int)*result);
        return true;
    default:
        return false;
    }
}

static long observed(long number, const struct words *w, void *caller)
{
    uint64_t flags = 0;
    long result;

    switch (number) {
    case SYS_close:
        return close_word(number, w, caller);
#ifdef SYS_dup2
    case SYS_dup2:
#endif
    case SYS_dup3:
        return dup_onto(number, w, caller);
    case SYS_dup:
        return entry_not_open((int)w->a) ? -1 : copy(number, w);
    case SYS_fcntl:
        if (entry_not_open((int)w->a))
            return -1;
        return w->b == F_DUPFD || w->b == F_DUPFD_CLOEXEC ? copy(number, w) : pass(number, w);
    case SYS_exit_group:
        ending_exit(caller);
        ending_yield();
        return pass(number, w);
    case SYS_seccomp:
        return filter(number, w);
    case SYS_clone:
        return cloned(number, w, (uint64_t)w->a);
    case SYS_clone3:
        return cloned(number, w, raw_copy(&flags, (const void *)w->a, sizeof flags) ? flags : 0);
#ifdef SYS_fork
    case SYS_fork:
        return cloned(number, w, 0);
#endif
#ifdef SYS_vfork
    case SYS_vfork:
        return cloned(number, w, CLONE_VM | CLONE_VFORK);
#endif
    default:
        if (made_or_sent(number, w, &result) || wrapped(number, w, &result, caller))
            return result;
        return pass(number, w);
    }
}

EXPORT long syscall(long number, ...)
{
    struct words w;
    va_list list;

    va_start(list, number);
    w = (struct words){va_arg(list, long), 0, 0, 0, 0, 0};
    w.b = va_arg(list, long);
    w.c = va_arg(list, long);
    w.d = va_arg(list, long);
    w.e = va_arg(list, long);
    w.f = va_arg(list, long);
    va_end(list);
    return start_maybe() ? observed(number, &w, CALLER) : pass(number, &w);
}
