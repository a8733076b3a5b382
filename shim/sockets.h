/* SPDX-License-Identifier: MIT */
/*
 * The table: which descriptors are sockets, and of each socket what the kernel cannot tell.
 *
 * In front stands one state byte per descriptor, so that a descriptor that is no socket costs one
 * load and one branch. Behind it two uthash tables in shards: descriptor -> id and id -> socket.
 * Every call copies in or out under a shard's lock; no pointer leaves, no lock is held when a call
 * returns. A lock that cannot be had (a signal handler inside its own thread's
 * critical section, a child of an unprepared fork) means "not found": the caller asks the kernel
 * alone. Nothing here makes a system call except the yield of a contended lock.
 */
#ifndef SOFTCLOSE_SHIM_SOCKETS_H
#define SOFTCLOSE_SHIM_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/facts.h"

/* Bits of a descriptor's state byte. 0 = nothing to do with softclose. */
enum descriptor_state {
    DESCRIPTOR_SOCKET = 1 << 0, /* a socket, in the table unless there was no memory */
    DESCRIPTOR_CLOSED = 1 << 1, /* was a socket; a close that fails now is a double close */
    DESCRIPTOR_OWN = 1 << 2,    /* softclose's own */
    DESCRIPTOR_LOG = 1 << 3,    /* descriptor 2 while events go to stderr */
    DESCRIPTOR_EPOLL = 1 << 4,  /* an epoll set (enforce) */
    DESCRIPTOR_UNSURE =
        1 << 5, /* a socket that the table could not take: it may still name another */
};

struct socket {
    uint64_t id;    /* of the socket, facts_id(); 0 is no socket */
    uint64_t since; /* CLOCK_MONOTONIC ns when this process got it */
    int domain;     /* AF_INET ... */
    enum proto proto;
    enum sock_type type;
    enum role role;
    enum shut shut;         /* halves the program has shut */
    bool linger_zero;       /* asked for SO_LINGER {on, 0}, which the kernel was not given */
    bool renumbered;        /* one of its descriptors was closed while others were left */
    bool softened;          /* SHUT_RDWR, of which the kernel was given SHUT_WR only */
    bool sent;              /* went over a UNIX socket: shared for good */
    bool elsewhere;         /* came from outside (inherited, received): others may hold it */
    uint32_t spawned;       /* spawn generation at which other holders were last ruled out */
    uint32_t shut_segments; /* tcpi_data_segs_in when the second half was shut */
    uint32_t descriptors;   /* how many of this process refer to it */
    uint32_t announced;     /* how many of those are just being closed */
    struct endpoint_small { /* IPv4 and IPv6 only */
        uint8_t length;
        uint8_t bytes[28];
    } peer; /* for when the kernel has forgotten it, after a reset */
};

struct socket_states {
    uint8_t *bytes;
    unsigned count; /* descriptors that have a byte */
    uint8_t beyond; /* state of the others: before the start and above the cap DESCRIPTOR_SOCKET */
};

extern struct socket_states socket_states;

/* May this descriptor concern softclose? One load and one branch for the usual no. */
static inline bool sockets_maybe(int fd)
{
    unsigned index = (unsigned)fd;
    const struct socket_states *states = &socket_states;
    return index < states->count ? __atomic_load_n(&states->bytes[index], __ATOMIC_RELAXED) != 0
                                 : states->beyond != 0 && fd >= 0;
}

/* Reserves the memory (touched lazily). False: nothing can be tracked. */
bool sockets_start(unsigned descriptors);

/* Switches the fast answer to "no" for good: inert and passive modes. */
void sockets_stop(void);

uint8_t sockets_state(int fd);
void sockets_state_set(int fd, uint8_t bits);
void sockets_state_clear(int fd, uint8_t bits);

/* First descriptor >= fd and <= last with one of the bits set, or -1. softclose's own are not
 * found here (own_fds_next()). */
int sockets_next(int fd, int last, uint8_t bits);

/* A new descriptor of a socket. `socket` describes it if its id is not known yet; otherwise one
 * more descriptor is counted. What the table held for `fd` before is dropped. */
void sockets_add(int fd, const struct socket *socket);

/* Copies out what is known of the descriptor's socket. */
bool sockets_find(int fd, struct socket *out);

/* Is a descriptor of that socket open in this process? */
bool sockets_known(uint64_t id);

/* Removes the descriptor if it still stands for that socket; `announced` counts down with it if it
 * had been counted (holders_leave()). */
void sockets_remove(int fd, uint64_t id);

/* Changes a socket under its lock. `change` must do nothing but write to it. */
void sockets_update(uint64_t id, void (*change)(struct socket *socket, void *context),
                    void *context);

/* Calls `each` for every socket of the table, under its lock. */
void sockets_each(void (*each)(struct socket *socket, void *context), void *context);

/* Around a fork: the parent takes every lock so that the child's copy is whole. */
bool sockets_lock_all(void);
void sockets_unlock_all(void);

/* In the child of a fork that nobody prepared: the copy may be torn, so begin again empty.
 * State bytes stay; the caller asks the kernel about each. */
void sockets_forget(void);

#endif
