/* SPDX-License-Identifier: MIT */
/*
 * How sockets come to be known: made, accepted, copied, connected, received and sent. Each is
 * called after the real call has succeeded, keeps errno, and does nothing when softclose is off or
 * in a vfork child.
 */
#ifndef SOFTCLOSE_SHIM_TRACKING_H
#define SOFTCLOSE_SHIM_TRACKING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "shim/sockets.h"

/* How many children there have been. Asked before a call that makes a socket and given to the
 * functions below: a child made in between, by another thread, holds a socket that the ledger does
 * not know of. */
uint32_t tracking_births(void);

/* socket(), socketpair(), with these arguments. */
void tracking_made(int fd, int domain, int type, uint32_t births);

/* `address` is what accept() has filled in, NULL when nobody asked. `like` is what the table knows
 * of the listener; NULL: look. */
void tracking_accepted(int listener, const struct socket *like, int fd,
                       const struct sockaddr *address, socklen_t length, uint32_t births);

/* dup() and relatives: `to` is now the same as `from`. */
void tracking_copied(int from, int to);

/* connect() is about to be called. */
void tracking_connecting(int fd, const struct sockaddr *address, socklen_t length);

/* A descriptor that came from elsewhere (SCM_RIGHTS, pidfd_getfd), socket or not. */
void tracking_received(int fd);

/* SCM_RIGHTS of a message that was received (or only peeked at: it is still there then, and holds
 * what it carries) or sent. */
void tracking_message_received(const struct msghdr *message);
void tracking_message_sent(const struct msghdr *message);

#endif
