/* SPDX-License-Identifier: MIT */
/*
 * Reads and throws away what a connection has received, without blocking. Takes a descriptor and
 * knows nothing of interposition. Raw system calls only, async-signal-safe.
 */
#ifndef SOFTCLOSE_SHIM_DISCARD_H
#define SOFTCLOSE_SHIM_DISCARD_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/facts.h"

enum discard_end {
    DISCARD_MORE,  /* nothing is here now, the peer may still send */
    DISCARD_DEAF,  /* the reading half is down and the peer has not finished: nothing to wait for */
    DISCARD_EOF,   /* the peer has finished, everything has been read */
    DISCARD_ERROR, /* the connection is gone (reset, timeout) */
};

/*
 * Has the data to be copied into a buffer? TCP throws it away in the kernel (MSG_TRUNC, tcp(7)).
 * Not so where an upper layer stands on it, `ulp` as TCP_ULP names it ("" = none): kTLS would
 * decrypt into the NULL that it is given. UNIX sockets answer EFAULT.
 */
bool discard_copies(enum proto proto, const char *ulp);

/* Asked of the kernel (one getsockopt(2)) only when there is something to throw away. */
enum copying { COPYING_UNASKED, COPYING_NO, COPYING_YES };

struct discard_how {
    enum proto proto;
    enum sock_type type;
    enum copying copying;
};

/* At most about `most` bytes (0 = all that is here). Adds what was read to *bytes. Urgent bytes are
 * read past. One recv(2) and one that finds nothing more; on a TCP connection the first time two
 * calls besides. */
enum discard_end discard(int fd, struct discard_how *how, uint64_t most, uint64_t *bytes);

#endif
