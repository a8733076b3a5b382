/* SPDX-License-Identifier: MIT */
/* dup(2), dup2(2), dup3(2), fcntl(2) with F_DUPFD and F_DUPFD_CLOEXEC. */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/resource.h>

#include "shim/entry/entry.h"
#include "shim/own_fds.h"
#include "shim/raw.h"

static int copied(int from, int to)
{
    if (to >= 0 && sockets_maybe(from))
        tracking_copied(from, to);
    return to;
}

EXPORT int dup(int fd)
{
    return copied(fd, REAL(dup)(fd));
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
    if (!sockets_maybe(to) || !entry_replaces(from, to))
        return copied(from, real.dup2(from, to));
    struct closing closing;
    make_way(&closing, to, "dup2", CALLER);
    return copied(from, closing_end_if_gone(&closing, real.dup2(from, to)));
}

EXPORT int dup3(int from, int to, int flags)
{
    if (!sockets_maybe(to) || (flags & ~O_CLOEXEC) != 0 || !entry_replaces(from, to))
        return copied(from, REAL(dup3)(from, to, flags));
    struct closing closing;
    make_way(&closing, to, "dup3", CALLER);
    return copied(from, closing_end_if_gone(&closing, REAL(dup3)(from, to, flags)));
}

static int control(fcntl_function *call, int fd, int command, void *argument)
{
    int result = call(fd, command, argument);
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? copied(fd, result) : result;
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
