/* SPDX-License-Identifier: MIT */
/*
 * unshare(2) and setns(2): some namespaces can only be entered by a process without other threads,
 * and with CLONE_FILES the calling thread's descriptors are no longer the process's.
 */
#include <sched.h>

#include "shim/ending.h"
#include "shim/entry/entry.h"

static void shared_for_good(struct socket *socket, void *context)
{
    (void)context;
    socket->sent = true;
}

EXPORT int unshare(int flags)
{
    if (!start_maybe())
        return REAL(unshare)(flags);
    ending_thread();
    if ((flags & CLONE_FILES) != 0 && start_enter())
        sockets_each(shared_for_good, NULL); /* the other threads hold them now, too */
    return REAL(unshare)(flags);
}

EXPORT int setns(int fd, int type)
{
    if (start_maybe())
        ending_thread();
    return REAL(setns)(fd, type);
}
