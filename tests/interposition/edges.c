/* SPDX-License-Identifier: MIT */
/*
 * Closes connections in its constructor and in its destructor: part of a program, a library of it,
 * or preloaded before softclose or after it. Each line tells what the peer saw.
 */
#include <stdio.h>
#include <unistd.h>

#include "pair.h"

enum { UNREAD = 10 };

static struct pair kept;

static void gives_up(const char *when, struct pair pair)
{
    int result = close(pair.subject);
    dprintf(1, "%s: close: %d, the peer sees: %s\n", when, result, pair_view_wait(pair.peer));
    close(pair.peer);
}

__attribute__((constructor)) static void begin(void)
{
    gives_up("constructor", pair_make(UNREAD));
    kept = pair_make(UNREAD);
}

__attribute__((destructor)) static void end(void)
{
    gives_up("destructor, opened in the constructor", kept);
    gives_up("destructor", pair_make(UNREAD));
}
