/* SPDX-License-Identifier: MIT */
/*
 * Which descriptors of the program are epoll sets. A connection that goes on in the background is
 * taken out of all of them first: once its number is gone it cannot be removed any more, and the
 * program would get events for a descriptor that it has closed.
 */
#ifndef SOFTCLOSE_SHIM_EPOLL_SETS_H
#define SOFTCLOSE_SHIM_EPOLL_SETS_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/sockets.h"

/* `fd` is an epoll set: made, copied, or found open at the start. */
void epoll_sets_add(int fd);

/* How many there have been. */
uint32_t epoll_sets_made(void);

/* `fd` was one and is closed; epoll_sets_made() before was `made`. Its number may be the next set's
 * by now: in doubt it stays marked, which the next epoll_sets_leave() finds out. */
void epoll_sets_closed(int fd, uint32_t made);

/* Takes `fd` out of every set. One epoll_ctl(2) a set; async-signal-safe. */
void epoll_sets_leave(int fd);

/* Finds out whether an inherited descriptor is one. One readlink(2). */
void epoll_sets_look(int fd);

/* An epoll set may know the socket under a number that is closed already, which nothing can take
 * out: only the last close does. Such a socket must not live on in the background. */
bool epoll_sets_may_keep(const struct socket *socket);

#endif
