/* SPDX-License-Identifier: MIT */
#include "shim/discard.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>

#include "shim/facts.h"
#include "shim/process.h"
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

bool discard_copies(enum proto proto, const char *ulp)
{
    return proto != PROTO_TCP || ulp[0] != '\0';
}

static enum copying ask_copying(int fd, enum proto proto)
{
    char ulp[16] = ""; /* TCP_ULP_NAME_MAX */
    socklen_t length = sizeof ulp;

    if (proto == PROTO_TCP &&
        (raw_call(SYS_getsockopt, fd, IPPROTO_TCP, TCP_ULP, ulp, &length) != 0 || length == 0))
        ulp[0] = '\0';
    return discard_copies(proto, ulp) ? COPYING_YES : COPYING_NO;
}

/* A kTLS record that is no data (an alert, a key update) is EIO without room for its type. UNIX
 * messages get no such room: the descriptors in them are to be closed by the kernel. */
static long copy_away(int fd, bool record_types, size_t most)
{
    char control[64];
    struct iovec part = {rubbish, most};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = record_types ? control : NULL,
                             .msg_controllen = record_types ? sizeof control : 0};

    return raw_call(SYS_recvmsg, fd, &message, MSG_DONTWAIT);
}

/* Mostly nothing is here but the peer's end, which every protocol tells in the same way: one byte
 * first, and only if there is one it matters what to do with the rest. */
static long discard_some(int fd, struct discard_how *how)
{
    bool tcp = how->proto == PROTO_TCP;

    if (how->copying == COPYING_UNASKED) {
        long got = copy_away(fd, tcp, tcp ? 1 : sizeof rubbish);
        if (got > 0)
            how->copying = ask_copying(fd, how->proto);
        return got;
    }
    if (how->copying == COPYING_YES ||
        process_in_valgrind()) /* which takes the NULL for a mistake */
        return copy_away(fd, tcp, sizeof rubbish);
    return raw_call(SYS_recvfrom, fd, NULL, DISCARD_AT_ONCE, MSG_TRUNC | MSG_DONTWAIT, NULL, NULL);
}

enum discard_end discard(int fd, struct discard_how *how, uint64_t most, uint64_t *bytes)
{
    uint64_t limit = most == 0 ? UINT64_MAX : most;
    bool empty_records = how->type == TYPE_SEQPACKET;

    for (uint64_t done = 0; done < limit;) {
        long got = discard_some(fd, how);
        if (got == -EAGAIN)
            return DISCARD_MORE;
        if (got == -EINTR)
            continue;
        if (got < 0)
            return DISCARD_ERROR;
        if (got == 0 && !(empty_records && facts_readable(fd)))
            return at_zero(fd, how->proto);
        done += (uint64_t)got;
        *bytes += (uint64_t)got;
    }
    return DISCARD_MORE;
}
