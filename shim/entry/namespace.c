/* SPDX-License-Identifier: MIT */
/*
 * unshare(2) and setns(2): some namespaces can only be entered by a process without other threads,
 * and with CLONE_FILES the calling thread's descriptors are no longer the process's.
 */
#include <sched.h>

#include "shim/ending.h"
#include "shim/entry/entry.h"

void entry_shared_for_good(struct socket *socket, void *context)
{
    (void)context;
    socket->sent = true;
}

int entry_unshare(int flags, typeof(unshare) *call)
{
    if (start_maybe())
        ending_thread();
    if ((flags & CLONE_FILES) != 0 && start_maybe() && start_enter())
        sockets_each(entry_shared_for_good, NULL); /* the other threads hold them now, too */
    return call(flags);
}

int entry_setns(int fd, int type, typeof(setns) *call)
{
    if (start_maybe())
        ending_thread();
    return call(fd, type);
}

EXPORT int unshare(int flags)
{
    return entry_unshare(flags, REAL(unshare));
}

EXPORT int setns(int fd, int type)
{
    return entry_setns(fd, type, REAL(setns));
}
