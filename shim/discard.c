/* SPDX-License-Identifier: MIT */
#include "shim/discard.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

#include "shim/facts.h"
#include "shim/raw.h"

/* TCP discards up to this much in one call without copying (MSG_TRUNC, tcp(7)). */
static const uint64_t DISCARD_AT_ONCE = 1u << 30;

/* Where the protocol copies: bytes are read into here by any thread, nobody looks at them. */
static char rubbish[65536];

/* recv() returns 0 at the peer's end, but also after a SHUT_RD of the program's own: then the
 * connection's state tells. */
static enum discard_end at_zero(int fd, enum proto proto)
{
    if (proto != PROTO_TCP)
        return DISCARD_EOF;
    return facts_peer_finished(fd) ? DISCARD_EOF : DISCARD_DEAF;
}

enum discard_end discard(int fd, enum proto proto, enum sock_type type, uint64_t most,
                         uint64_t *bytes)
{
    uint64_t limit = most == 0 ? UINT64_MAX : most;
    bool empty_records = type == TYPE_SEQPACKET;

    for (uint64_t done = 0; done < limit;) {
        long got;
        if (proto == PROTO_TCP)
            got = raw_call(SYS_recvfrom, fd, NULL, DISCARD_AT_ONCE, MSG_TRUNC | MSG_DONTWAIT, NULL,
                           NULL);
        else
            got = raw_call(SYS_recvfrom, fd, rubbish, sizeof rubbish, MSG_DONTWAIT, NULL, NULL);
        if (got == -EAGAIN)
            return DISCARD_MORE;
        if (got == -EINTR)
            continue;
        if (got < 0)
            return DISCARD_ERROR;
        if (got == 0 && !(empty_records && facts_readable(fd)))
            return at_zero(fd, proto);
        done += (uint64_t)got;
        *bytes += (uint64_t)got;
    }
    return DISCARD_MORE;
}
