/* SPDX-License-Identifier: MIT */
/*
 * What is known of one socket and of the operation on it: the input of decide().
 *
 * Plain data. The shim fills it from the kernel (shim/facts.c), replay fills it from an event;
 * whoever fills it sets linger to -1 where it is not known: 0 means {on, 0}.
 * Names of enumerators as they stand in events and policy files come from names.h.
 */
#ifndef SOFTCLOSE_POLICY_FACTS_H
#define SOFTCLOSE_POLICY_FACTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum operation {
    OP_CLOSE,      /* a descriptor goes away, by whatever road */
    OP_SHUTDOWN,   /* shutdown(fd, facts.how) */
    OP_LINGER,     /* setsockopt(SO_LINGER) to {on, facts.linger} */
    OP_DISCONNECT, /* connect(AF_UNSPEC) */
};

enum proto { PROTO_TCP, PROTO_MPTCP, PROTO_UNIX, PROTO_OTHER };

enum sock_type { TYPE_STREAM, TYPE_SEQPACKET, TYPE_DATAGRAM };

enum role { ROLE_ANY, ROLE_ACCEPTED, ROLE_CONNECTED, ROLE_INHERITED };

/* The kernel's numbers, include/net/tcp_states.h. UNIX sockets use ESTABLISHED, CLOSE_WAIT (the
 * peer shut its writing half), LISTEN and CLOSE (unconnected, or the peer is gone). */
enum tcp_state {
    STATE_UNKNOWN,
    STATE_ESTABLISHED,
    STATE_SYN_SENT,
    STATE_SYN_RECV,
    STATE_FIN_WAIT1,
    STATE_FIN_WAIT2,
    STATE_TIME_WAIT,
    STATE_CLOSE,
    STATE_CLOSE_WAIT,
    STATE_LAST_ACK,
    STATE_LISTEN,
    STATE_CLOSING,
};

/* Who else has the open file description: only LAST allows a change to the connection. */
enum holders { HOLDERS_UNKNOWN, HOLDERS_SHARED, HOLDERS_LAST };

/* Halves of the connection, as bits: SHUT_BOTH = SHUT_READ | SHUT_WRITE. */
enum shut { SHUT_NONE = 0, SHUT_READ = 1, SHUT_WRITE = 2, SHUT_BOTH = 3 };

/* How a drain ended, or that it goes on. */
enum drain_result {
    DRAIN_UNDER_WAY,
    DRAIN_EOF,
    DRAIN_IDLE,
    DRAIN_TOTAL,
    DRAIN_BYTES,
    DRAIN_EVICTED,
    DRAIN_EXIT,
    DRAIN_ERROR,
    DRAIN_RESULT_COUNT
};

struct endpoint {
    socklen_t length; /* bytes of `address` in use; 0 = none */
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
    } address;
};

struct facts {
    enum operation op;
    enum proto proto;
    enum sock_type type;
    enum role role;
    enum tcp_state state;
    enum holders holders;
    enum shut shut;     /* halves the program had shut before this operation */
    enum shut how;      /* OP_SHUTDOWN: halves this call shuts */
    int64_t unread;     /* bytes received in order and not read, the FIN not counted (SIOCINQ) */
    int64_t unsent;     /* bytes (and our FIN) not yet acknowledged (SIOCOUTQ) */
    int64_t notsent;    /* bytes of those never sent at all (tcpi_notsent_bytes) */
    int64_t rx, tx;     /* bytes received and acknowledged over the connection's life */
    int32_t linger;     /* SO_LINGER in seconds, -1 = off; OP_LINGER: what is asked for */
    int32_t linger2;    /* TCP_LINGER2 in seconds, negative = abort instead of FIN_WAIT2 */
    uint32_t backlog;   /* LISTEN: connections waiting to be accepted (UNIX: 1 = at least one) */
    bool urgent;        /* an unread urgent byte stands at the read position (SIOCATMARK) */
    bool record;        /* seqpacket: a record of length 0 is unread, which SIOCINQ cannot tell */
    bool peer_fin;      /* the peer has finished sending */
    bool peer_gone;     /* UNIX: the peer's socket is closed; nobody is left to see a reset */
    bool was_connected; /* it has been connected once, though state may now be CLOSE */
    bool pending_error; /* an error waits in the socket (POLLERR): a reset or a timeout arrived */
    bool late_data;     /* data arrived after both halves had been shut by the program */
    bool at_exit;       /* OP_CLOSE by the end of the process: SO_LINGER {on, N} does not wait */
    bool awaited;       /* OP_CLOSE by the end of the process or an exec: drains are waited for */
    bool bad_fd;        /* OP_CLOSE of a number that is not open (EBADF) */
    /* What stands in the way of doing something about it. Some of it is learned only while doing:
     * then decide() is asked again. */
    bool unflushed;       /* OP_CLOSE of a stdio stream that could not write what it holds */
    bool no_thread;       /* the drain thread cannot take it: none can be had, or it has no room */
    bool epoll_uncertain; /* an epoll set may know it under a number that is gone */
    enum drain_result ended; /* what was here has been read, and that was all, or is to be all */
    struct endpoint local, peer;
};

#endif
