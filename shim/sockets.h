/* SPDX-License-Identifier: MIT */
/*
 * The table: which descriptors are sockets, and of each socket what the kernel cannot tell.
 *
 * In front stands one state byte per descriptor (states.h). Behind it the socket's id of each
 * descriptor, read without a lock (descriptors.h), and in shards a uthash table id -> socket.
 * Every call copies in or out under a shard's lock; no pointer leaves, no lock is held when a call
 * returns. A lock that cannot be had (locks.h) means "not found": the caller asks the kernel alone.
 * Nothing here makes a system call except for memory and the yield of a contended lock.
 */
#ifndef SOFTCLOSE_SHIM_SOCKETS_H
#define SOFTCLOSE_SHIM_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/facts.h"
#include "shim/states.h"

/* Kept for every open socket, so its members are as small as they can be. */
struct socket {
    uint64_t id;            /* of the socket, facts_id(); 0 is no socket */
    uint64_t since;         /* CLOCK_MONOTONIC ns when this process got it */
    uint64_t matched;       /* whose settings these are, 0 = nobody's: shim/matched.c */
    uint64_t opened;        /* ledger_now() when this process got it; children's copies keep it */
    uint32_t spawned;       /* spawn generation at which other holders were last ruled out */
    uint32_t shut_segments; /* tcpi_data_segs_in when the second half was shut */
    uint32_t descriptors;   /* how many of this process refer to it */
    uint32_t announced;     /* how many of those are just being closed: sockets_announce() */
    uint16_t settings;
    uint16_t copying;       /* how many descriptors are just being made */
    uint8_t domain;         /* AF_INET ... */
    uint8_t proto;          /* enum proto */
    uint8_t type;           /* enum sock_type */
    uint8_t role;           /* enum role */
    uint8_t shut;           /* enum shut: halves the program has shut */
    struct endpoint_small { /* IPv4 and IPv6 only */
        uint8_t length;
        uint8_t bytes[28];
    } peer;              /* for when the kernel has forgotten it, after a reset */
    bool renumbered : 1; /* one of its descriptors was closed while others were left */
    bool softened : 1;   /* SHUT_RDWR, of which the kernel was given SHUT_WR only */
    bool travelled : 1;  /* went over a UNIX socket: a copy may be in flight */
    bool sent : 1;       /* it was this process that sent it */
    bool split : 1;      /* a thread went away with a descriptor table of its own: it has it */
    bool elsewhere : 1;  /* came from outside (inherited, received): others may hold it */
    bool inherited : 1;  /* had a life that is not known here: it may be in flight, too */
};

/* Reserves the memory (touched lazily). False: nothing can be tracked. */
bool sockets_start(unsigned descriptors);

/* A new descriptor of a socket. `socket` describes it if its id is not known yet; otherwise one
 * more descriptor is counted. What the table held for `fd` before is dropped. */
void sockets_add(int fd, const struct socket *socket);

/* Which socket the descriptor is, as far as the table knows; 0 = none. Takes no lock. */
uint64_t sockets_id(int fd);

/* Copies out what is known of the descriptor's socket. */
bool sockets_find(int fd, struct socket *out);

/* Is a descriptor of that socket open in this process? */
bool sockets_known(uint64_t id);

/* Descriptors that the table has for the socket, of those with a state byte: how many, and the
 * first `most` of them. The kernel may know better. */
int sockets_descriptors(uint64_t id, int *fds, int most);

/* Removes the descriptor if it still stands for that socket; `announced` counts down with it if it
 * had been counted (holders_leave()). */
void sockets_remove(int fd, uint64_t id);

/* Changes a socket under its lock. `change` must do nothing but write to it. */
void sockets_update(uint64_t id, void (*change)(struct socket *socket, void *context),
                    void *context);

/* Calls `each` for every socket of the table, under its lock. */
void sockets_each(void (*each)(struct socket *socket, void *context), void *context);

/* For sockets_update() and sockets_each(): one descriptor more is just being closed (1), or one is
 * not after all (-1). And how many there are of all sockets. */
void sockets_announce(struct socket *socket, int change);
unsigned sockets_announced(void);

/* Around a fork: the parent takes every lock so that the child's copy is whole. */
bool sockets_lock_all(void);
void sockets_unlock_all(void);

/* In the child of a fork that nobody prepared: the copy may be torn, so begin again empty.
 * State bytes stay; the caller asks the kernel about each. */
void sockets_forget(void);

#endif
