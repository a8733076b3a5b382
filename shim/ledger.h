/* SPDX-License-Identifier: MIT */
/*
 * Which related processes hold a socket, told from one shared anonymous mapping that the first
 * process makes and every fork passes on.
 *
 * Nothing is written down for a socket that is open: a process has what its parent had when it was
 * forked. What is written down is who was forked from whom and when (members.h), and who released
 * which socket and when (releases.h). So a fork costs the same however many sockets are open. Who
 * has a socket follows from its group: those forked, in however many steps, from the process in
 * which it was opened, after it was opened and before it was released there.
 *
 * Lock-free (atomics); async-signal-safe. When there is no room for a child, ledger_fork() says so;
 * when there is none for a release, the process counts as a holder for longer than it is one.
 */
#ifndef SOFTCLOSE_SHIM_LEDGER_H
#define SOFTCLOSE_SHIM_LEDGER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* In the order of what outweighs what. */
enum ledger_answer {
    LEDGER_ALONE, /* no related process has it */
    LEDGER_DOUBT, /* a related process had it when it executed another program */
    LEDGER_SENT,  /* a related process sent it over a UNIX socket */
    LEDGER_SHARED /* a related process that is alive has it */
};

/* False when there is no memory: every socket that lives through a fork is then in doubt. */
bool ledger_start(void);

/* What a socket that enters the table now remembers as `opened`. */
uint64_t ledger_now(void);

/* Before a fork: a place for the child, -1 when there is none. It has every socket of this
 * process's table; nothing may enter or leave that until it is born. */
int ledger_fork(void);

/* Before that fork, for a socket whose release is under way: the child has it still. */
void ledger_release_later(uint64_t id);

/* In the child, after the fork: it is the process at `child` (-1: unknown to the ledger). */
void ledger_child(int child);

/* In the parent, after the fork: the child's pid as the parent sees it. */
void ledger_born(int child, pid_t pid);

/* In the parent, when there was no fork after all. */
void ledger_fork_failed(int child);

/*
 * This process is about to close its last descriptor of the socket: it counts no longer. Returns
 * the number of the release for ledger_who(), 0 when no related process can have the socket.
 */
uint64_t ledger_release(uint64_t id, uint64_t opened);

/* Who has it still, open here as `fd`? Of several that release it exactly one is told that nobody
 * else has: the one with the highest number. Strikes off those that died without a word. One
 * kill(2) and one or two readlink(2) for each that is asked, until one has it. */
enum ledger_answer ledger_who(uint64_t id, uint64_t opened, uint64_t released, int fd);

/* The same without a release. */
enum ledger_answer ledger_ask(uint64_t id, uint64_t opened, int fd);

/* It has not closed it after all. */
void ledger_keep(uint64_t id);

/* It went over a UNIX socket: relatives that share it are told LEDGER_SENT from now on. */
void ledger_sent(uint64_t id, uint64_t opened);

/* Counts what related processes have started without a fork of ours; shared by all of them. */
uint32_t *ledger_generation(void);

/* Has this process, or a related one, an io_uring? Shared by all of them (rings.h). */
bool *ledger_rings(void);

/* A thread of this process is about to execute another program (true), or could not (false). */
void ledger_exec(bool under_way);

/* This process ends: from here on it holds nothing, and each ledger_release() is a part of that. */
void ledger_leaving(void);

/* After ledger_leaving(): does the process in which it was opened, a relative that is alive, go on
 * with it? Its life is asked for once, however many sockets there are. False also where only more
 * questions could tell. */
bool ledger_goes_on(uint64_t id, uint64_t opened);

/* It has ended: its place is free. */
void ledger_leave(void);

/* Events that could not be written, summed over the related processes. */
uint64_t ledger_add_unwritten(uint64_t count);

#endif
