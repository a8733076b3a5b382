/* SPDX-License-Identifier: MIT */
/* dup(2), dup2(2), dup3(2), fcntl(2) with F_DUPFD and F_DUPFD_CLOEXEC. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/resource.h>

#include "shim/entry/entry.h"
#include "shim/holders.h"
#include "shim/own_fds.h"
#include "shim/raw.h"

uint64_t entry_copying(int from)
{
    return sockets_maybe(from) && start_enter() ? holders_copying(from) : 0;
}

int entry_copied(uint64_t copying, int from, int to)
{
    int error = errno;

    if (to >= 0 && sockets_maybe(from))
        tracking_copied(from, to);
    if (copying != 0)
        holders_copied(copying);
    errno = error;
    return to;
}

bool entry_not_open(int fd)
{
    if (!sockets_maybe(fd) || !own_fds_is(fd) || !start_enter())
        return false;
    errno = EBADF;
    return true;
}

EXPORT int dup(int fd)
{
    if (entry_not_open(fd))
        return -1;
    uint64_t copying = entry_copying(fd);
    return entry_copied(copying, fd, REAL(dup)(fd));
}

bool entry_replaces(int from, int to)
{
    struct rlimit limit;

    return from != to && raw_call(SYS_fcntl, from, F_GETFD) >= 0 &&
           raw_call(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) == 0 && to >= 0 &&
           (rlim_t)to < limit.rlim_cur;
}

/* The program is about to put something onto `to`, where it always wins. */
static void make_way(struct closing *closing, int to, const char *via, void *caller)
{
    if (own_fds_is(to) && start_enter())
        own_fds_yield(to);
    closing_begin(closing, to, via, caller);
}

EXPORT int dup2(int from, int to)
{
    if (entry_not_open(from))
        return -1;
    struct closing closing;
    uint64_t copying = entry_copying(from);
    if (!sockets_maybe(to) || !start_maybe() || !entry_replaces(from, to))
        return entry_copied(copying, from, real.dup2(from, to));
    make_way(&closing, to, "dup2", CALLER);
    return entry_copied(copying, from, closing_end_if_gone(&closing, real.dup2(from, to)));
}

EXPORT int dup3(int from, int to, int flags)
{
    if ((flags & ~O_CLOEXEC) == 0 && from != to && entry_not_open(from))
        return -1; /* wrong flags and equal numbers are found first: EINVAL */
    struct closing closing;
    uint64_t copying = entry_copying(from);
    if (!sockets_maybe(to) || !start_maybe() || (flags & ~O_CLOEXEC) != 0 ||
        !entry_replaces(from, to))
        return entry_copied(copying, from, REAL(dup3)(from, to, flags));
    make_way(&closing, to, "dup3", CALLER);
    return entry_copied(copying, from, closing_end_if_gone(&closing, REAL(dup3)(from, to, flags)));
}

static int control(fcntl_function *call, int fd, int command, void *argument)
{
    if (entry_not_open(fd))
        return -1;
    if (command != F_DUPFD && command != F_DUPFD_CLOEXEC)
        return call(fd, command, argument);
    uint64_t copying = entry_copying(fd);
    return entry_copied(copying, fd, call(fd, command, argument));
}

EXPORT int fcntl(int fd, int command, ...)
{
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    return control(real.fcntl, fd, command, argument);
}

EXPORT int fcntl64(int fd, int command, ...)
{
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    return control(real.fcntl64, fd, command, argument);
}
