/* SPDX-License-Identifier: MIT */
/*
 * How sockets come to be known: made, accepted, copied, connected, received and sent. Each is
 * called after the real call has succeeded, keeps errno, and does nothing when softclose is off or
 * in a vfork child.
 */
#ifndef SOFTCLOSE_SHIM_TRACKING_H
#define SOFTCLOSE_SHIM_TRACKING_H

#include <sys/socket.h>

/* socket(), socketpair(). */
void tracking_made(int fd);

/* `address` is what accept() has filled in, NULL when the program did not ask. */
void tracking_accepted(int listener, int fd, const struct sockaddr *address, socklen_t length);

/* dup() and relatives: `to` is now the same as `from`. */
void tracking_copied(int from, int to);

/* connect() is about to be called. */
void tracking_connecting(int fd, const struct sockaddr *address, socklen_t length);

/* A descriptor that came from elsewhere (SCM_RIGHTS, pidfd_getfd), socket or not. */
void tracking_received(int fd);

/* SCM_RIGHTS of a message that was received or sent. */
void tracking_message_received(const struct msghdr *message);
void tracking_message_sent(const struct msghdr *message);

#endif
