/* SPDX-License-Identifier: MIT */
/*
 * unshare(2) and setns(2): some namespaces can only be entered by a process without other threads,
 * and with CLONE_FILES the calling thread's descriptors are no longer the process's.
 */
#include <errno.h>
#include <sched.h>

#include "shim/ending.h"
#include "shim/entry/entry.h"
#include "shim/holders.h"

int entry_unshare(int flags, typeof(unshare) *call)
{
    if (start_maybe())
        ending_thread();
    if ((flags & CLONE_FILES) == 0 || !start_maybe() || !start_enter())
        return call(flags);
    holders_splitting(1); /* from before the call on: another thread may close at once */
    int result = call(flags);
    int error = errno;
    if (result == 0)
        holders_split_all(); /* the other threads hold them now, too */
    holders_splitting(-1);
    errno = error;
    return result;
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
