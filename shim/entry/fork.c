/* SPDX-License-Identifier: MIT */
/*
 * fork(2) runs the pthread_atfork handlers of start.c, also from within libc; _Fork(3) and a plain
 * clone(2) do not, so the same steps stand around them here. vfork(2) cannot be wrapped (its frame
 * is shared) and needs not be: process.h tells its child apart.
 */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <unistd.h>

#include "shim/ending.h"
#include "shim/entry/entry.h"
#include "shim/holders.h"
#include "shim/process.h"

EXPORT pid_t fork(void)
{
    pid_t pid = REAL(fork)();
    if (start_maybe())
        start_forked(pid);
    return pid;
}

EXPORT pid_t _Fork(void)
{
    if (!start_maybe())
        return REAL(_Fork)();
    start_before_fork();
    pid_t pid = REAL(_Fork)();
    int error = errno;
    if (pid == 0)
        start_after_fork_child();
    else
        start_after_fork_parent();
    start_forked(pid);
    errno = error;
    return pid;
}

EXPORT int clone(int (*fn)(void *), void *stack, int flags, void *argument, ...)
{
    va_list list;
    va_start(list, argument);
    pid_t *parent = va_arg(list, pid_t *);
    void *tls = va_arg(list, void *);
    pid_t *child = va_arg(list, pid_t *);
    va_end(list);

    bool copies_memory = (flags & CLONE_VM) == 0, copies_files = (flags & CLONE_FILES) == 0;
    if (!start_maybe() || !copies_files)
        return REAL(clone)(fn, stack, flags, argument, parent, tls, child);
    if (!copies_memory) {
        holders_spawned(); /* like vfork: it holds what is open now, and cannot tell us */
        return REAL(clone)(fn, stack, flags, argument, parent, tls, child);
    }
    start_before_fork(); /* the child adopts itself at its first wrapped call */
    int pid = REAL(clone)(fn, stack, flags, argument, parent, tls, child);
    start_after_fork_parent();
    start_forked(pid);
    return pid;
}

EXPORT int daemon(int nochdir, int noclose)
{
    if (!start_maybe() || !start_enter())
        return REAL(daemon)(nochdir, noclose);
    /* Within libc the parent ends and, in the child, /dev/null goes over 0, 1 and 2. */
    struct closing closing[3];
    /* From the highest: the addresses of closes that are one within the other go down, see
     * under_way_begin(). */
    for (int fd = 2; fd >= 0 && !noclose; fd--)
        closing_begin(&closing[fd], fd, "dup2", CALLER);
    int before = errno;
    pid_t parent = process_pid();
    errno = 0; /* tells a fork within that has failed */
    ending_daemon();
    int result = REAL(daemon)(nochdir, noclose);
    ending_daemon_done();
    if (result < 0 && process_pid() == parent)
        start_forked(-1); /* it returns here only when there is no child */
    if (errno == 0)
        errno = before;
    for (int fd = 0; fd < 3 && !noclose; fd++)
        closing_end_if_gone(&closing[fd], result);
    return result;
}
