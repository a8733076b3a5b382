/* SPDX-License-Identifier: MIT */
#include "shim/facts.h"

#include <fcntl.h>
#include <linux/mptcp.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>

#include "shim/endpoint.h"
#include "shim/linger.h"
#include "shim/raw.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef SOL_MPTCP
#define SOL_MPTCP 284
#endif

static bool option(int fd, int level, int name, void *value, socklen_t length)
{
    socklen_t given = length;
    return raw_call(SYS_getsockopt, fd, level, name, value, &given) == 0;
}

static int number_option(int fd, int level, int name, int otherwise)
{
    int value = otherwise;
    return option(fd, level, name, &value, sizeof value) ? value : otherwise;
}

static int64_t queue(int fd, unsigned long request)
{
    int bytes = 0;
    return raw_call(SYS_ioctl, fd, request, &bytes) == 0 ? bytes : 0;
}

static short poll_now(int fd, short events)
{
    struct pollfd poll = {.fd = fd, .events = events};
    struct timespec none = {0};
    return raw_call(SYS_ppoll, &poll, 1, &none, NULL, 8) == 1 ? poll.revents : 0;
}

uint64_t facts_inode(int fd)
{
    struct stat status;
    return raw_call(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH) == 0 && S_ISSOCK(status.st_mode)
               ? status.st_ino
               : 0;
}

uint64_t facts_id(int fd, enum proto proto)
{
    uint64_t cookie = 0, inode;

    if (proto != PROTO_MPTCP)
        return option(fd, SOL_SOCKET, SO_COOKIE, &cookie, sizeof cookie) ? cookie : 0;
    inode = facts_inode(fd);
    return inode == 0 ? 0 : inode | 1ull << 63;
}

static enum proto proto_of(int domain, int type, int protocol)
{
    if (domain == AF_UNIX)
        return PROTO_UNIX;
    if ((domain == AF_INET || domain == AF_INET6) && type == SOCK_STREAM) {
        if (protocol == IPPROTO_TCP)
            return PROTO_TCP;
        if (protocol == IPPROTO_MPTCP)
            return PROTO_MPTCP;
    }
    return PROTO_OTHER;
}

static bool identified(int fd, int domain, int type, int protocol, struct socket *out)
{
    *out = (struct socket){
        .domain = domain,
        .proto = proto_of(domain, type, protocol),
        .type = type == SOCK_STREAM      ? TYPE_STREAM
                : type == SOCK_SEQPACKET ? TYPE_SEQPACKET
                                         : TYPE_DATAGRAM,
    };
    out->id = facts_id(fd, out->proto);
    return out->id != 0;
}

bool facts_identify(int fd, struct socket *out)
{
    int domain = number_option(fd, SOL_SOCKET, SO_DOMAIN, -1);
    int type, protocol;

    if (domain < 0)
        return false;
    type = number_option(fd, SOL_SOCKET, SO_TYPE, SOCK_DGRAM);
    protocol = number_option(fd, SOL_SOCKET, SO_PROTOCOL, 0);
    return identified(fd, domain, type, protocol, out);
}

bool facts_identify_made(int fd, int domain, int type, struct socket *out)
{
    int protocol = 0;

    type &= ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (type == SOCK_STREAM && (domain == AF_INET || domain == AF_INET6))
        protocol = number_option(fd, SOL_SOCKET, SO_PROTOCOL, 0);
    return identified(fd, domain, type, protocol, out);
}

bool facts_identify_like(int fd, const struct socket *relative, struct socket *out)
{
    *out = (struct socket){
        .domain = relative->domain,
        .proto = relative->proto,
        .type = relative->type,
        .id = facts_id(fd, relative->proto),
    };
    return out->id != 0;
}

uint32_t facts_data_segments(int fd)
{
    struct tcp_info info = {0};
    return option(fd, IPPROTO_TCP, TCP_INFO, &info, sizeof info) ? info.tcpi_data_segs_in : 0;
}

void facts_end_of_peer(struct facts *facts)
{
    if (facts->proto == PROTO_TCP && facts->state == STATE_CLOSE && !facts->peer_fin &&
        facts->rx > 0)
        facts->rx--;
    facts->peer_fin = true;
}

static bool peer_has_finished(enum tcp_state state)
{
    return state == STATE_CLOSE_WAIT || state == STATE_LAST_ACK || state == STATE_CLOSING ||
           state == STATE_TIME_WAIT;
}

static enum tcp_state tcp_state_of(int fd)
{
    struct tcp_info info = {0};
    return option(fd, IPPROTO_TCP, TCP_INFO, &info, sizeof info) ? info.tcpi_state : STATE_UNKNOWN;
}

bool facts_peer_finished(int fd)
{
    enum tcp_state state = tcp_state_of(fd);
    return peer_has_finished(state) || state == STATE_CLOSE;
}

bool facts_closed(int fd)
{
    return tcp_state_of(fd) == STATE_CLOSE || (poll_now(fd, 0) & POLLERR) != 0;
}

bool facts_failed(int fd)
{
    return tcp_state_of(fd) == STATE_CLOSE && (poll_now(fd, 0) & POLLERR) != 0;
}

int64_t facts_unsent(int fd)
{
    return queue(fd, SIOCOUTQ);
}

bool facts_readable(int fd)
{
    return (poll_now(fd, POLLIN | POLLRDHUP) & (POLLIN | POLLRDHUP | POLLHUP)) == POLLIN;
}

/* Bytes over the connection's life. The kernel counts our FIN, and the SYN of a connection that we
 * opened, among the bytes acknowledged, and the peer's FIN among those received
 * (tcp_snd_una_update, tcp_rcv_nxt_update). */
static void count_bytes(const struct tcp_info *info, struct facts *out)
{
    uint64_t fin = out->peer_fin && info->tcpi_bytes_received > 0;
    uint64_t syn = out->role == ROLE_CONNECTED && info->tcpi_bytes_acked > 0;
    uint64_t acknowledged = info->tcpi_bytes_acked - syn;
    uint64_t sent = info->tcpi_bytes_sent - info->tcpi_bytes_retrans;

    out->rx = (int64_t)(info->tcpi_bytes_received - fin);
    out->tx = (int64_t)(acknowledged < sent ? acknowledged : sent);
}

/* One question for the usual answer, that a queue is empty: what lies in the receive queue, an
 * urgent byte and the peer's bare FIN among it, is charged to sk_rmem_alloc, and what is not
 * acknowledged yet, our FIN among it, to sk_wmem_queued (sk_get_meminfo()). */
static void collect_queues(int fd, struct facts *out)
{
    uint32_t memory[SK_MEMINFO_VARS];
    bool known;

    memset(memory, 0xff, sizeof memory);
    known = option(fd, SOL_SOCKET, SO_MEMINFO, memory, sizeof memory);
    if (!known || memory[SK_MEMINFO_WMEM_QUEUED] != 0)
        out->unsent = queue(fd, SIOCOUTQ);
    if (known && memory[SK_MEMINFO_RMEM_ALLOC] == 0)
        return;
    out->unread = queue(fd, SIOCINQ);
    /* SIOCINQ counts up to an urgent byte; one that stands right at the read position is not
     * counted, and the close resets for it, even after recv(MSG_OOB) has taken it. */
    if (out->unread == 0)
        out->urgent = queue(fd, SIOCATMARK) != 0;
}

static void collect_tcp(int fd, const struct socket *socket, struct facts *out)
{
    struct tcp_info info = {0};

    if (!option(fd, IPPROTO_TCP, TCP_INFO, &info, sizeof info))
        return;
    out->state = info.tcpi_state;
    out->peer_fin = peer_has_finished(out->state);
    if (out->state == STATE_LISTEN) {
        out->backlog = info.tcpi_unacked; /* sk_ack_backlog, tcp_get_info() */
        return;
    }
    count_bytes(&info, out);
    out->notsent = info.tcpi_notsent_bytes;
    out->was_connected = info.tcpi_bytes_acked > 0 || info.tcpi_bytes_received > 0 ||
                         out->role == ROLE_ACCEPTED ||
                         (out->state != STATE_CLOSE && out->state != STATE_SYN_SENT);
    out->linger = linger_of(fd);
    if (out->state == STATE_CLOSE || out->state == STATE_SYN_SENT) {
        /* A reset that the program has not been told of yet waits in the socket; SO_ERROR would
         * take it away, poll only looks. */
        out->pending_error = out->was_connected && (poll_now(fd, 0) & POLLERR) != 0;
        out->late_data = socket->shut == SHUT_BOTH && socket->shut_segments != 0 &&
                         info.tcpi_data_segs_in + 1 > socket->shut_segments;
        return;
    }
    if (!out->peer_fin) /* in the other states it changes nothing */
        out->linger2 = number_option(fd, IPPROTO_TCP, TCP_LINGER2, 0);
    collect_queues(fd, out);
}

/* Has the connection ever been one? Set at the end of the handshake, kept after a reset. */
static bool mptcp_was_connected(int fd)
{
    struct mptcp_info info = {0};
    return option(fd, SOL_MPTCP, MPTCP_INFO, &info, sizeof info) &&
           (info.mptcpi_flags & (MPTCP_INFO_FLAG_FALLBACK | MPTCP_INFO_FLAG_REMOTE_KEY_RECEIVED));
}

/* SIOCINQ counts the peer's DATA_FIN as one byte, and says 1 with nothing there once the reading
 * half is down (mptcp_inq_hint(); measured on 6.18). */
static int64_t mptcp_unread(int fd, bool reading_down, bool peer_fin)
{
    int64_t hint = queue(fd, SIOCINQ);
    char byte;

    if (!reading_down || hint == 0)
        return hint;
    if (hint == 1)
        return raw_call(SYS_recvfrom, fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT, NULL, NULL) == 1;
    return hint - peer_fin;
}

/* TCP_INFO of an MPTCP socket is that of its first subflow, which stays ESTABLISHED when the peer
 * has ended the connection (DATA_FIN); poll tells the connection's own end. */
static void collect_mptcp(int fd, const struct socket *socket, struct facts *out)
{
    struct tcp_info info = {0};
    short events = poll_now(fd, POLLIN | POLLRDHUP);
    bool reading_down = (events & (POLLRDHUP | POLLHUP)) != 0;

    if (option(fd, IPPROTO_TCP, TCP_INFO, &info, sizeof info)) {
        out->state = info.tcpi_state;
        out->rx = (int64_t)info.tcpi_bytes_received;
        out->tx = (int64_t)info.tcpi_bytes_acked;
    }
    if (out->state == STATE_LISTEN) {
        out->backlog = info.tcpi_unacked;
        return;
    }
    out->was_connected = mptcp_was_connected(fd);
    out->linger = linger_of(fd);
    if (out->state == STATE_CLOSE || out->state == STATE_SYN_SENT) {
        out->pending_error = out->was_connected && (events & POLLERR) != 0;
        return;
    }
    out->peer_fin = reading_down && (socket->shut & SHUT_READ) == 0;
    if (out->peer_fin) /* the subflow lags behind the connection */
        out->state = (socket->shut & SHUT_WRITE) != 0 ? STATE_CLOSING : STATE_CLOSE_WAIT;
    out->unsent = queue(fd, SIOCOUTQ);
    out->unread = mptcp_unread(fd, reading_down, out->peer_fin);
}

/* Since Linux 6.16 unix_release_sock() passes over one empty record, meant as a consumed urgent
 * byte; before, it reset for it. */
static bool empty_record_resets(void)
{
    static int8_t resets = -1;
    struct utsname kernel;
    unsigned major = 0, minor = 0;

    if (resets < 0 && raw_call(SYS_uname, &kernel) == 0) {
        const char *text = kernel.release;
        for (; *text >= '0' && *text <= '9'; text++)
            major = major * 10 + (unsigned)(*text - '0');
        for (text += *text == '.'; *text >= '0' && *text <= '9'; text++)
            minor = minor * 10 + (unsigned)(*text - '0');
        resets = (int8_t)(major < 6 || (major == 6 && minor < 16));
    }
    return resets > 0;
}

static void collect_unix(int fd, const struct socket *socket, struct facts *out)
{
    short events = poll_now(fd, POLLIN | POLLRDHUP);

    out->linger = linger_of(fd);
    out->pending_error = (events & POLLERR) != 0;
    if (number_option(fd, SOL_SOCKET, SO_ACCEPTCONN, 0) != 0) {
        out->state = STATE_LISTEN;
        out->backlog = (events & POLLIN) != 0; /* at least one; the kernel tells no number */
        return;
    }
    if (out->peer.length == 0) {
        out->state = STATE_CLOSE;
        return;
    }
    out->was_connected = true;
    /* Nothing is unsent: what was written stands in the peer's queue already, and SIOCOUTQ would
     * tell the memory that it takes there. */
    out->unread = queue(fd, SIOCINQ);
    out->peer_fin = (events & POLLRDHUP) != 0 && (socket->shut & SHUT_READ) == 0;
    /* Both halves down and none of it by this program: the peer has closed. */
    out->peer_gone = (events & POLLHUP) != 0 && socket->shut == SHUT_NONE;
    out->state = out->peer_gone  ? STATE_CLOSE
                 : out->peer_fin ? STATE_CLOSE_WAIT
                                 : STATE_ESTABLISHED;
    /* Readable without a byte and without an end: a record of length 0. */
    out->record = out->type == TYPE_SEQPACKET && out->unread == 0 && (events & POLLIN) != 0 &&
                  (events & (POLLRDHUP | POLLHUP)) == 0 && empty_record_resets();
}

void facts_collect_addresses(int fd, const struct socket *socket, struct facts *out)
{
    if (out->local.length != 0)
        return;
    endpoint_local(fd, &out->local);
    endpoint_peer(fd, &out->peer);
    /* After a reset the kernel has forgotten the peer; the table has not. */
    if (out->peer.length == 0)
        endpoint_grow(&socket->peer, &out->peer);
}

void facts_collect(int fd, const struct socket *socket, struct facts *out)
{
    *out = (struct facts){
        .proto = socket->proto,
        .type = socket->type,
        .role = socket->role,
        .shut = socket->shut,
        .linger = -1,
    };
    /* What the kernel was given differs from what the program asked for: the close is judged by
     * the program's wish for a reset, and by the half that is really shut. */
    if (socket->softened)
        out->shut = SHUT_WRITE;
    if (out->proto != PROTO_TCP && out->proto != PROTO_MPTCP)
        facts_collect_addresses(fd, socket, out);
    if (out->type == TYPE_DATAGRAM)
        return;
    switch (out->proto) {
    case PROTO_TCP:
        collect_tcp(fd, socket, out);
        break;
    case PROTO_MPTCP:
        collect_mptcp(fd, socket, out);
        break;
    case PROTO_UNIX:
        collect_unix(fd, socket, out);
        break;
    case PROTO_OTHER:
        break;
    }
}
