/* SPDX-License-Identifier: MIT */
/* epoll_create(2): only which descriptors are epoll sets; who is in them is asked of the kernel. */
#include <sys/epoll.h>

#include "shim/entry/entry.h"
#include "shim/epoll_sets.h"
#include "shim/observation.h"

int entry_epoll_made(int fd)
{
    if (fd >= 0 && start_maybe() && observation_enforces() && start_enter())
        epoll_sets_add(fd);
    return fd;
}

EXPORT int epoll_create(int size)
{
    return entry_epoll_made(REAL(epoll_create)(size));
}

EXPORT int epoll_create1(int flags)
{
    return entry_epoll_made(REAL(epoll_create1)(flags));
}
