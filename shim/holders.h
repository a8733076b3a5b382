/* SPDX-License-Identifier: MIT */
/*
 * Who else has the open file description of a socket: this process (counted in the table), related
 * processes (the ledger), programs started without a fork of ours, strangers (/proc), or a message
 * in flight. "Maybe" always counts as held. Async-signal-safe.
 */
#ifndef SOFTCLOSE_SHIM_HOLDERS_H
#define SOFTCLOSE_SHIM_HOLDERS_H

#include <stdbool.h>

#include "policy/facts.h"
#include "shim/sockets.h"

/*
 * For a close: counts the descriptor down first and asks then, so that of several that close at
 * once the one that comes last knows. The table's `announced` and the ledger remember it until
 * sockets_remove(), or holders_stay() when nothing was closed.
 */
enum holders holders_leave(int fd, struct socket *socket);
void holders_stay(const struct socket *socket);

/* The answer that needs no search. UNKNOWN: a program that this process started, or whoever the
 * socket came from, may hold it: holders_search() can tell. */
enum holders holders_of(int fd, const struct socket *socket);

/* Looks through /proc once. `ending`: every descriptor of this process goes, not only this one. */
enum holders holders_search(int fd, const struct socket *socket, bool ending);

/* A child is about to get a copy of every descriptor (posix_spawn, popen, system, vfork and exec):
 * until shown otherwise it holds what is open now. One atomic addition, nothing else: this is also
 * called in a vfork child. */
void holders_spawned(void);

/* The spawn generation that a socket opened now belongs to. */
uint32_t holders_generation(void);

/* Counts forks and spawned children of this process. */
uint32_t holders_births(void);

/* Around a fork, in the parent before it, then in either process. `child` from ledger_fork(). */
void holders_fork(int child);

#endif
