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
 * sockets_remove(), or holders_stay() when nothing was closed. `ending`: the descriptors that have
 * been counted down stay open until the program ends or executes another one.
 */
enum holders holders_leave(int fd, struct socket *socket, bool ending, bool perhaps);
void holders_stay(uint64_t id);
void holders_all_stay(void);

/* Around a dup(): a handler may leave that by siglongjmp(), too, and then the copy is never
 * counted. 0 for what is not in the table. */
uint64_t holders_copying(int fd);
void holders_copied(uint64_t id);

/* The answer that needs no search. UNKNOWN: a program that this process started, or whoever the
 * socket came from, may hold it: holders_search() can tell. */
enum holders holders_of(int fd, const struct socket *socket);

/* Has the program one thread only (softclose's own is not the program's)? One or two system calls.
 */
bool holders_one_thread(void);

/* Is another thread of this process inside a call on it (in_call.h)? Then that call holds the
 * socket until it returns. Asked before a connection is touched; LAST, SHARED or UNKNOWN. One
 * or two system calls in a process with one thread. */
enum holders holders_in_call(int fd, uint32_t max_draining);

/* Looks through /proc once, and at what is in flight. `ending`: every descriptor of this process
 * goes, not only this one. */
enum holders holders_search(int fd, const struct socket *socket, bool ending);

/* A thread is about to leave with a descriptor table of its own (+1), or it is done or failed (-1):
 * meanwhile every socket counts as shared. */
void holders_splitting(int change);

/* A thread has gone with a descriptor table of its own: what is open now it holds for good. */
void holders_split_all(void);

/* For one that nobody saw being made: it was open when the program started, or its history is
 * lost. */
void holders_inherited(struct socket *socket);

/* For sockets_update(): it went over a UNIX socket; this process sent it. */
void holders_travelled(struct socket *socket, void *unused);
void holders_sent(struct socket *socket, void *unused);

/* For a close that nobody will touch and that resets nothing, which is worth no search: what was
 * sent is taken to be held by whom it was sent to. SHARED or UNKNOWN. */
enum holders holders_presumed(const struct socket *socket);

/* A child is about to get a copy of every descriptor (posix_spawn, popen, system, vfork and exec):
 * until shown otherwise it holds what is open now. One atomic addition, nothing else: this is also
 * called in a vfork child. */
void holders_spawned(void);

/* The spawn generation that a socket opened now belongs to. */
uint32_t holders_generation(void);

/* Counts forks and spawned children of this process. */
uint32_t holders_births(void);

/* Before a fork, with every lock of the table: `child` from ledger_fork(). Then, still with them,
 * in the parent and in the child. */
void holders_fork(int child);
void holders_forked_parent(void);
void holders_forked_child(void);

#endif
