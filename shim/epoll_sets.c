/* SPDX-License-Identifier: MIT */
#include "shim/epoll_sets.h"

#include <limits.h>
#include <stddef.h>
#include <sys/epoll.h>

#include "shim/procfs.h"
#include "shim/raw.h"
#include "shim/sockets.h"

static uint32_t sets_made;

uint32_t epoll_sets_made(void)
{
    return __atomic_load_n(&sets_made, __ATOMIC_SEQ_CST);
}

void epoll_sets_closed(int fd, uint32_t made)
{
    sockets_state_clear(fd, DESCRIPTOR_EPOLL);
    if (epoll_sets_made() != made) /* counted before it is marked */
        sockets_state_set(fd, DESCRIPTOR_EPOLL);
}

void epoll_sets_add(int fd)
{
    __atomic_add_fetch(&sets_made, 1, __ATOMIC_SEQ_CST);
    sockets_state_set(fd, DESCRIPTOR_EPOLL);
}

void epoll_sets_leave(int fd)
{
    struct epoll_event ignored = {0}; /* Linux before 2.6.9 wanted one */

    for (int set = -1; (set = sockets_next(set + 1, INT_MAX, DESCRIPTOR_EPOLL)) >= 0;) {
        long result = raw_call(SYS_epoll_ctl, set, EPOLL_CTL_DEL, fd, &ignored);
        if (result == -EBADF || result == -EINVAL)
            sockets_state_clear(set, DESCRIPTOR_EPOLL); /* closed by an unseen road */
    }
}

bool epoll_sets_may_keep(const struct socket *socket)
{
    return socket->renumbered && sockets_next(0, INT_MAX, DESCRIPTOR_EPOLL) >= 0;
}

void epoll_sets_look(int fd)
{
    if (procfs_fd_is(fd, "anon_inode:[eventpoll]"))
        epoll_sets_add(fd);
}
