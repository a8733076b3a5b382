/* SPDX-License-Identifier: MIT */
/*
 * Which related process has given up which socket, and with which number (members.h): a table in
 * the memory that all of them share. What does not stand here is still held by whoever got it.
 *
 * So a release may be forgotten, which makes a socket count as shared for longer than it is, but
 * never invented: when there is no room, the oldest goes. That a socket was sent over a UNIX socket
 * is never forgotten. Lock-free (atomics); async-signal-safe.
 */
#ifndef SOFTCLOSE_SHIM_RELEASES_H
#define SOFTCLOSE_SHIM_RELEASES_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/members.h"

enum { RELEASE_BUCKETS = 1 << 15, RELEASES_PER_BUCKET = 4 };

/* In place of a member: the socket was sent. */
enum { RELEASE_SENT = MEMBERS };

struct release {
    uint64_t id;    /* of the socket; 0: free */
    uint64_t state; /* 0: being written or removed */
};

struct releases {
    struct release buckets[RELEASE_BUCKETS][RELEASES_PER_BUCKET] __attribute__((aligned(64)));
};

void releases_start(struct releases *shared);

/* With a number that is taken now, and returned: for anybody who sees the entry, all that took an
 * earlier one have entered theirs. False in `noted` when there was no room. */
uint64_t releases_put(uint64_t id, int member, bool *noted);

/* 0: there is none. Waits for a number that is just being taken. */
uint64_t releases_find(uint64_t id, int member);

/* Gives the entry, if there is one, a number. */
void releases_renumber(uint64_t id, int member, uint64_t number);

/* Returns the number that it had, 0 when there was none. */
uint64_t releases_remove(uint64_t id, int member);

#endif
