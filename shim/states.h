/* SPDX-License-Identifier: MIT */
/*
 * One state byte per descriptor, so that a descriptor that is no socket costs one load and one
 * branch. No locks, no system calls.
 */
#ifndef SOFTCLOSE_SHIM_STATES_H
#define SOFTCLOSE_SHIM_STATES_H

#include <stdbool.h>
#include <stdint.h>

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

/* A byte for each of the first million descriptors; the end of the process does not find the
 * sockets above (nr_open can be raised). */
enum { STATES_MOST = 1 << 20 };

struct socket_states {
    uint8_t *bytes;
    unsigned count; /* descriptors that have a byte */
    uint8_t beyond; /* state of the others: before the start and above the cap DESCRIPTOR_SOCKET */
};

extern struct socket_states socket_states;

static inline unsigned states_count(void)
{
    return __atomic_load_n(&socket_states.count, __ATOMIC_RELAXED);
}

/* May this descriptor concern softclose? One load and one branch for the usual no. */
static inline bool sockets_maybe(int fd)
{
    unsigned index = (unsigned)fd;
    const struct socket_states *states = &socket_states;
    return index < states_count()
               ? __atomic_load_n(&states->bytes[index], __ATOMIC_RELAXED) != 0
               : __atomic_load_n(&states->beyond, __ATOMIC_RELAXED) != 0 && fd >= 0;
}

/* Reserves the memory (touched lazily). False: there is none. */
bool states_start(unsigned descriptors);

/* Switches the fast answer to "no" for good: inert and passive modes. */
void sockets_stop(void);

uint8_t sockets_state(int fd);
void sockets_state_set(int fd, uint8_t bits);
void sockets_state_clear(int fd, uint8_t bits);

/* The table has no socket of that number any more: SOCKET goes, unless UNSURE says that the number
 * is another socket's by now. In one step. */
void sockets_state_taken(int fd);

/* First descriptor >= fd and <= last with one of the bits set, or -1. softclose's own are not
 * found here (own_fds_next()). DESCRIPTOR_EPOLL alone is found without a look at the others. */
int sockets_next(int fd, int last, uint8_t bits);

#endif
