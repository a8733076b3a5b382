/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says of one socket, now. Takes a descriptor and knows nothing of interposition:
 * the preload and the seccomp engine share it. Async-signal-safe, raw system calls only.
 */
#ifndef SOFTCLOSE_SHIM_FACTS_H
#define SOFTCLOSE_SHIM_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/facts.h"
#include "shim/sockets.h"

/*
 * The socket's identity: SO_COOKIE, never given twice while the system is up; 0 = no socket. Of an
 * MPTCP socket the inode with the top bit set: Linux gives an accepted MPTCP socket the cookie of
 * its listener once that has been asked for (mptcp_sk_clone_init(); measured on 6.18), so it must
 * not even be asked.
 */
uint64_t facts_id(int fd, enum proto proto);

/* The number of the socket in sockfs, as /proc/PID/fd shows it. */
uint64_t facts_inode(int fd);

/* What stays the same over a socket's life: cookie, domain, type, protocol. False when `fd` is no
 * socket. Four system calls. */
bool facts_identify(int fd, struct socket *out);

/* An accepted socket has the domain, type and protocol of its listener, a socket from another
 * descriptor everything: one system call. */
bool facts_identify_like(int fd, const struct socket *relative, struct socket *out);

/* Everything that a close depends on. `socket` is what the table remembers. System calls: TCP 8
 * (7 with unread data; a closed one adds poll), UNIX 6. */
void facts_collect(int fd, const struct socket *socket, struct facts *out);

/* Single answers for a drain: bytes (and our FIN) not acknowledged yet; the peer has sent its FIN;
 * the connection is gone; a recv(2) would not block. */
int64_t facts_unsent(int fd);
bool facts_peer_finished(int fd);
bool facts_closed(int fd);
bool facts_readable(int fd);

/* tcpi_data_segs_in: segments with data received so far, to tell later whether more came. */
uint32_t facts_data_segments(int fd);

#endif
