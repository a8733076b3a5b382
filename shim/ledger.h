/* SPDX-License-Identifier: MIT */
/*
 * Which related processes hold a socket: one shared anonymous mapping, made by the first process
 * and inherited through every fork. A socket enters it at the first fork after it was opened; the
 * child is counted before fork() returns in either process.
 *
 *   processes: index -> pid     (1,024 at a time)
 *   slots:     id -> one bit for each process that holds the socket (16,384 at a time)
 *
 * Lock-free (atomics); async-signal-safe. When either is full, ledger_fork() says so and the
 * sockets count as shared from then on.
 */
#ifndef SOFTCLOSE_SHIM_LEDGER_H
#define SOFTCLOSE_SHIM_LEDGER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum ledger_answer {
    LEDGER_ALONE,  /* no related process has it */
    LEDGER_SHARED, /* a related process that is alive has it */
    LEDGER_DOUBT,  /* a related process had it when it executed another program */
};

/* False when there is no memory: every socket that lives through a fork is then in doubt. */
bool ledger_start(void);

/* Before a fork: a place for the child, -1 when there is none. */
int ledger_fork(void);

/* Before the fork, for each socket: the child at `child` and this process hold it. False when it
 * could not be noted. */
bool ledger_share(uint64_t id, int child);

/* In the child, after the fork: it is the process at `child` (-1: unknown to the ledger). */
void ledger_child(int child);

/* In the parent, after the fork: the child's pid as the parent sees it. */
void ledger_born(int child, pid_t pid);

/* In the parent, when there was no fork after all. */
void ledger_fork_failed(int child);

/*
 * This process is about to close its last descriptor of the socket: it counts no longer, and in the
 * same instant learns who still does. Of several that close at once exactly one finds itself the
 * last (exact for the first 64 related processes; among more, two may both).
 */
enum ledger_answer ledger_release(uint64_t id, int fd);

/* It went over a UNIX socket: of a socket that relatives share only a search can tell from now on.
 */
void ledger_sent(uint64_t id);

/* It has not closed it after all. */
void ledger_keep(uint64_t id);

/* Counts what related processes have started without a fork of ours; shared by all of them. */
uint32_t *ledger_generation(void);

/* Does a related process hold the socket with this id, open here as `fd`? Strikes off those that
 * died without a word. One kill(2) and one or two readlink(2) for each holder. */
enum ledger_answer ledger_ask(uint64_t id, int fd);

/* This process is about to execute another program (true), or could not (false). */
void ledger_exec(bool under_way);

/* This process ends in order: its place is free, its sockets have been released. */
void ledger_leave(void);

/* Events that could not be written, summed over the related processes. */
uint64_t ledger_add_unwritten(uint64_t count);

#endif
