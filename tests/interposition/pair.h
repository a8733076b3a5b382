/* SPDX-License-Identifier: MIT */
/*
 * What the programs of this folder share: connections over loopback whose both ends are in the
 * program's hands, and what the peer's end sees. Everything ends the program with a message when
 * it cannot be done: a test must not go on with less than it asked for.
 */
#ifndef SOFTCLOSE_TESTS_PAIR_H
#define SOFTCLOSE_TESTS_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct pair {
    int subject; /* the accepted end, whose closes are looked at */
    int peer;    /* the connected end */
};

/* A listener on 127.0.0.1 with a port of the kernel's choice. */
int pair_listen(void);

/* Its port. */
int pair_port(int fd);

/* A connection through it. `unread` bytes are sent by the peer and wait in the subject. */
struct pair pair_through(int listener, size_t unread);

/* The same with a listener of its own, closed again. */
struct pair pair_make(size_t unread);

/* The kernel's number of the socket, as events name it in "sock". */
uint64_t pair_cookie(int fd);

/* "none", "eof", "reset": what the peer sees now. Only looks, except that a reset is reported
 * once. On loopback a close has reached the peer when it returns, so no waiting is needed. */
const char *pair_view(int peer);

/* Polls until the peer sees anything, ten seconds at most. */
const char *pair_view_wait(int peer);

/* Whether that view says that the last holder has closed: a reset natively (something was unread),
 * the orderly end where softclose cures it. Counts which, for pair_endings(). */
bool pair_ended(const char *view);

/* How all of them ended: "resets", "ends" (in order), or "resets and ends". */
const char *pair_endings(void);

/* Prints "program: what: error" and ends the program with status 1. */
_Noreturn void pair_fail(const char *what);

/* For values that must not be negative: returns them. */
int pair_must(int value, const char *what);

#endif
