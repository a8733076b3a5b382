/* SPDX-License-Identifier: MIT */
/*
 * What a run leaves behind, in memory that the subject, all its children and the peer share: the
 * subject has no descriptor for it that it could close. It also holds the peer's mailbox.
 */
#ifndef SOFTCLOSE_TESTS_RECORD_H
#define SOFTCLOSE_TESTS_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "program.h"

enum { CONNECTIONS = 64, TRACE_ROOM = 1 << 18 };

enum command {
    SAY_SETTLE,
    SAY_EXPECT, /* a connection of the subject's should have come: tag, manner */
    SAY_COME,   /* tag, manner; the address is in `address` */
    SAY_FINISH, /* the program ends: peers that have seen the end finish, too */
    SAY_STEP,   /* one of the steps peer_*: operation, tag, bytes */
};

/* Why the peer cannot be expected to receive everything and the end. */
enum why {
    WHY_PEER_LEFT = 1,     /* the peer itself closed or reset it */
    WHY_UNACCEPTED = 2,    /* the program never had it: the listener was closed */
    WHY_SENT = 4,          /* it travelled over a UNIX socket: shared for good */
    WHY_DISCONNECTED = 8,  /* connect(AF_UNSPEC) */
    WHY_SHUT_READ = 16,    /* the program shut the reading half itself */
    WHY_KILLED = 32,       /* its last holder was killed */
    WHY_UNSHARED = 64,     /* close_range(UNSHARE) beside other threads: shared for good */
    WHY_SHUT_SHARED = 128, /* SHUT_RDWR while another descriptor had it: not softened */
    WHY_UNFLUSHED = 256,   /* fclose() could not write what the stream held */
    WHY_READER = 512,      /* closed while another thread was in a read: the kernel keeps it */
    WHY_EXECUTED = 1024, /* passed on by exec, and a descriptor was in flight: this one, perhaps */
    WHYS = 11
};

enum end { END_OPEN, END_EOF, END_RESET, END_OTHER };

struct connection {
    int tag, manner;
    enum protocol protocol;
    uint64_t inode;               /* of the subject's socket, 0 until it has one */
    uint64_t far_inode, listener; /* inside: of the accepted end, and of the listener */
    uint16_t peer_port, subject_port;
    unsigned why;       /* enum why */
    int pid;            /* that came by it first */
    bool renumbered;    /* it has had more than one descriptor */
    bool softened;      /* the program called SHUT_RDWR */
    bool executed;      /* it was passed on by exec */
    bool inside;        /* both ends are the program's */
    bool ended;         /* the program's side was shut or closed (inside: either) */
    uint64_t sent, got; /* bytes the subject wrote, the peer read */
    uint64_t sent_digest, got_digest;
    uint64_t peer_sent;
    enum end end;
    int error;       /* the peer's errno for END_OTHER */
    char story[200]; /* what the peer did with it, and how that went */
};

struct record {
    _Atomic uint32_t request, reply; /* futex words: counts of requests and replies */
    _Atomic uint32_t loose;          /* the subject is ending or waits: the peer acts by itself */
    _Atomic uint32_t over;
    enum command command;
    int words[3];
    int result;
    struct sockaddr_room {
        uint32_t length;
        char bytes[128];
    } address, listeners[PROTOCOLS]; /* of come; where the peer listens */
    uint32_t worker;
    uint32_t connection_count;
    struct connection connections[CONNECTIONS];
    struct program program;
    int slots[SLOTS]; /* handed on over exec */
    uint32_t next;    /* where exec goes on */
    uint64_t killed;
    uint32_t in_flight; /* descriptors sent and not received; some are gone with their socket */
    uint64_t operations;
    _Atomic uint32_t trace_length;
    char trace[TRACE_ROOM];
};

#define DIGEST_START 14695981039346656037ull

/* FNV-1a */
static inline uint64_t digest(uint64_t from, const void *data, size_t size)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < size; i++)
        from = (from ^ bytes[i]) * 1099511628211ull;
    return from;
}

/* The peer: serves the record's mailbox until `over`, then brings every connection to its end. */
void peer_run(struct record *record, bool v6, const char *address);

#endif
