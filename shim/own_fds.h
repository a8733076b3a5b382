/* SPDX-License-Identifier: MIT */
/*
 * softclose's own descriptors, kept out of the program's way: at numbers above the program's soft
 * limit where that is possible, close-on-exec, untouched by the program's close loops, and moved
 * aside when the program dup2()s onto one.
 */
#ifndef SOFTCLOSE_SHIM_OWN_FDS_H
#define SOFTCLOSE_SHIM_OWN_FDS_H

#include <stdbool.h>

enum own_fd { OWN_LOG, OWN_PROC, OWN_DRAIN, OWN_DRAIN_FAR, OWN_DIAG, OWN_COUNT };

/* Moves `fd` (just opened, at a low number) out of the way and remembers it. Returns the new
 * number or -errno; `fd` is closed in either case. `at_start`, before the program has threads, it
 * may raise and restore RLIMIT_NOFILE for that. */
int own_fds_keep(enum own_fd which, int fd, bool at_start);

/* The descriptor's number, or -1. */
int own_fds_get(enum own_fd which);

/* Forgets it, without closing it. */
void own_fds_lost(enum own_fd which);

/* Is this number softclose's? No system call. */
bool own_fds_is(int fd);

/* The program is about to dup2() onto `fd`, which will succeed: ours goes elsewhere first. */
void own_fds_yield(int fd);

/* Lowest own descriptor >= first and <= last, or -1: where a close_range() has to be split. */
int own_fds_next(unsigned first, unsigned last);

#endif
