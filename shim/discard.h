/* SPDX-License-Identifier: MIT */
/*
 * Reads and throws away what a connection has received, without blocking. Takes a descriptor and
 * knows nothing of interposition. Raw system calls only, async-signal-safe.
 */
#ifndef SOFTCLOSE_SHIM_DISCARD_H
#define SOFTCLOSE_SHIM_DISCARD_H

#include <stdint.h>

#include "policy/facts.h"

enum discard_end {
    DISCARD_MORE,  /* nothing is here now, the peer may still send */
    DISCARD_DEAF,  /* the reading half is down and the peer has not finished: nothing to wait for */
    DISCARD_EOF,   /* the peer has finished, everything has been read */
    DISCARD_ERROR, /* the connection is gone (reset, timeout) */
};

/* At most about `most` bytes (0 = all that is here). Adds what was read to *bytes. Urgent bytes are
 * read past. One recv(2) and one that finds nothing more. */
enum discard_end discard(int fd, enum proto proto, enum sock_type type, uint64_t most,
                         uint64_t *bytes);

#endif
