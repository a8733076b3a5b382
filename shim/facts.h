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

/* The same of one that socket(2) or socketpair(2) made of these arguments. Whether TCP became MPTCP
 * meanwhile (mptcpize, a BPF program) is asked: two system calls, one where it is neither. */
bool facts_identify_made(int fd, int domain, int type, struct socket *out);

/* An accepted socket has the domain, type and protocol of its listener, a socket from another
 * descriptor everything: one system call. */
bool facts_identify_like(int fd, const struct socket *relative, struct socket *out);

/* Everything that a close depends on. `socket` is what the table remembers. The addresses decide
 * nothing of a TCP or MPTCP connection: they are left out, for facts_collect_addresses(). System
 * calls: TCP 3, one more while the peer has not finished, one for each queue that is not empty and
 * for a state of CLOSE; UNIX 6. */
void facts_collect(int fd, const struct socket *socket, struct facts *out);

/* The addresses, unless they are there. Two system calls. */
void facts_collect_addresses(int fd, const struct socket *socket, struct facts *out);

/* A drain has met the peer's end: what facts_collect() cannot tell in state CLOSE, where the peer's
 * FIN may have come or not, and is counted among the bytes received if it has. */
void facts_end_of_peer(struct facts *facts);

/* Single answers for a drain: bytes (and our FIN) not acknowledged yet; the peer has sent its FIN;
 * the connection is gone; a recv(2) would not block. */
int64_t facts_unsent(int fd);
bool facts_peer_finished(int fd);
bool facts_closed(int fd);
bool facts_failed(int fd); /* by a reset or a timeout that nobody has been told of yet */
bool facts_readable(int fd);

/* tcpi_data_segs_in: segments with data received so far, to tell later whether more came. */
uint32_t facts_data_segments(int fd);

#endif
