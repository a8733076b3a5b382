/* SPDX-License-Identifier: MIT */
/*
 * The processes of a log, and the closes that an exec announced: part of tally.c.
 *
 * The shim reports what an exec will close before the exec, because afterwards it is gone. If the
 * exec fails, an "exec-failed" note takes the last of these back.
 */
#ifndef SOFTCLOSE_TOOLS_PROCESSES_H
#define SOFTCLOSE_TOOLS_PROCESSES_H

#include <sys/types.h>

#include "tally.h"

/* What one close has added, and where (NULL = nowhere). */
enum { CONTRIBUTION_PLACES = 7 };
struct contribution {
    int outcome;
    bool is_close; /* and not only an action on a connection that goes on */
    bool curable, repaired;
    uint64_t unread, unsent, backlog;
    struct counts *places[CONTRIBUTION_PLACES];
};

struct process_key {
    int64_t pid, thread; /* thread: only for exec attempts */
    int64_t file;
};

struct process {
    struct process_key key;
    struct map_set *maps;
    uint64_t closes; /* events in the log since the last summary */
    bool announced;  /* its process event was seen */
    bool enforces;   /* which said so */
    bool ended;      /* a summary was the last that was heard of it */
    UT_hash_handle hh;
};

/* The process an event is of; NULL when there is no memory. */
struct process *process_of(struct tally *tally, const struct event *event);
void process_begin(struct tally *tally, struct process *process, const struct event *event);
/* A summary: it counted `closes` since the one before. */
void process_end(struct tally *tally, struct process *process, uint64_t closes);
/* Counts the processes that never said goodbye. */
void processes_finish(struct tally *tally);
void processes_free(struct tally *tally);

/* Remembers, takes back the latest of, or lets stand, the closes announced by one thread's exec. */
void attempt_add(struct tally *tally, const struct event *event, const struct contribution *part);
bool attempt_take(struct tally *tally, const struct event *event, struct contribution *part);
void attempt_forget(struct tally *tally, const struct event *event);

#endif
