/* SPDX-License-Identifier: MIT */
/*
 * The file tables of the processes in a trace: which numbers are sockets, which tasks share a table
 * (threads) and which got a copy (fork, vfork), and the list of the closes so far.
 */
#ifndef SOFTCLOSE_COMPAT_FILE_TABLES_H
#define SOFTCLOSE_COMPAT_FILE_TABLES_H

#include "annotation.h"
#include "closes.h"

struct entry {
    enum socket_kind kind; /* NO_SOCKET: not open, or open but no socket */
    bool local;
    bool cloexec;
    int64_t opened_ns;
    long libc_line; /* the connect() that shows that it is libc's own; 0 = none */
};

struct table {
    int tasks;
    int size;
    struct entry *entries;
};

struct task {
    int tid, pid;
    struct table *table; /* NULL = ended */
    long vfork_line;     /* made by vfork and not yet exec'ed; 0 = no */
    long filter_line;    /* seccomp filter installed, by it or an ancestor; 0 = no */
};

struct follow {
    const struct strace_log *log;
    struct task *tasks;
    size_t task_count;
    struct call **clones; /* that succeeded, in order */
    size_t clone_count;
    struct inode_memory inodes;
    struct close_list list;
};

/* NULL when the number was never a socket. */
struct entry *entry_of(struct table *table, long fd);

/* Makes `fd` a number for `socket`; NO_SOCKET forgets what stood there. */
void put(struct table *table, long fd, struct entry socket);

/* The task has no table any more, and is no longer found. Nothing is recorded. */
void leave_table(struct task *task);

/* The task gets a table of its own, if it shares one. */
void unshare_table(struct task *task);

/* If `fd` is a socket, its close is recorded, and the number is free. */
void record_close(struct follow *follow, const struct task *task, long fd, const char *via,
                  long line, bool killed);

/* The task of a step; made on the way when its parent's clone() has not yet returned. NULL for the
 * end of a task that exec had ended before. */
struct task *task_of(struct follow *follow, const struct step *step);

/* The child of a successful call of the clone family. `now` is when its descriptors came to be. */
struct task *make_child(struct follow *follow, struct call *call, int64_t now);

/* The last task of a table closes what is left in it. */
void end_task(struct follow *follow, struct task *task, long line, bool killed);

/* Names a line where the trace and the tables disagree, and counts it. */
void contradiction(struct follow *follow, long line, const char *what);

#endif
