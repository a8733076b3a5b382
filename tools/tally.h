/* SPDX-License-Identifier: MIT */
/*
 * Events added up: what a report shows. Memory grows with the number of different call sites,
 * peers, programs and processes, not with the number of events; each table has a limit, above
 * which the rest is counted together.
 */
#ifndef SOFTCLOSE_TOOLS_TALLY_H
#define SOFTCLOSE_TOOLS_TALLY_H

#include <stdbool.h>
#include <stdint.h>

/* clang's analyzer does not follow uthash: it takes the table for freed with the first entry, and
 * keys for unset. Where it says so there is a NOLINT. */
#ifndef HASH_NONFATAL_OOM
#define HASH_NONFATAL_OOM 1 /* then hh.tbl stays NULL */
#endif
#include <uthash.h>

#include "events.h"
#include "modules.h"
#include "policy/policy.h"

enum { TABLE_LIMIT = 100000, ENDED_KEPT = 1024, OUTCOME_UNKNOWN = OUTCOME_COUNT };

struct counts {
    uint64_t closes;
    uint64_t outcome[OUTCOME_COUNT + 1];
    uint64_t unread, unsent; /* bytes thrown away by resets that were not repaired */
    uint64_t backlog;        /* connections reset because they waited in a listener */
    /* Of these resets and exposed closes: what was repaired (mode enforce), and what was or, in
     * mode audit, would be. */
    uint64_t repaired_resets, repaired_exposed, curable_resets, curable_exposed;
};

struct row {
    struct counts counts;
    const struct module *module; /* a call site; NULL: `offset` is a bare address */
    uint64_t offset;
    char via[16]; /* a call site: the road to the close */
    UT_hash_handle hh;
    char key[]; /* text, or the fields above */
};

struct table {
    struct row *rows;
    struct counts rest; /* of what came after TABLE_LIMIT */
};

/* Audit and enforce are counted apart: a log may hold both. */
enum { UNDER_AUDIT, UNDER_ENFORCE, MODES };

struct under_mode {
    uint64_t processes;
    struct counts total;
    /* "CALL\tACTION" and "CALL\tREASON", CALL being close, shutdown or SO_LINGER: what was done (in
     * audit: what enforce would do), and why a reset or exposed close was left as it is. */
    struct table actions, reasons;
};

/* A drain has ended: DRAIN_UNDER_WAY stands for a result that this softclose does not know. */
enum { RESULT_OTHER = DRAIN_UNDER_WAY };

struct drains {
    uint64_t count, drained, unacked, longest; /* bytes, bytes, ms */
};

struct process;
struct exec_attempt;

struct tally {
    struct table sites, peers, programs, causes; /* causes: "outcome cause" */
    struct table notes;                          /* only counts.closes; "code text" */
    struct under_mode mode[MODES];
    struct drains drains[DRAIN_RESULT_COUNT];
    uint64_t drained;       /* bytes, as the summaries say: drained inline, too */
    uint64_t already_reset; /* closes of dead connections, as the summaries say */
    struct counts total;
    struct process *processes;
    struct exec_attempt *attempts; /* closes of exec calls that may yet turn out to have failed */

    uint64_t events, bad_lines, truncated;
    uint64_t process_count, killed;
    uint64_t lingers, by_shutdown;
    uint64_t shutdowns[3], shutdown_exposed; /* rd, wr, both */
    uint64_t voided;                         /* closes announced by an exec that failed */
    uint64_t unwritten, unseen, not_in_log;
    bool out_of_memory;
    char first[40], last[40]; /* time stamps */

    int file; /* number of the log that is being read; pids are told apart by log */
    struct process *latest;
    struct process *ended[ENDED_KEPT]; /* the last ones, whose modules are still known */
    size_t ended_next;
};

/* Adds one event. */
void tally_event(struct tally *tally, const struct event *event);

/* After the last event: works out what follows from what is missing. */
void tally_finish(struct tally *tally);

void tally_free(struct tally *tally);

/* Drains that ended by a limit. */
uint64_t drains_given_up(const struct tally *tally);

/* Resets and exposed closes that nothing was done against, or not enough. */
uint64_t resets_left(const struct counts *counts);
uint64_t exposed_left(const struct counts *counts);

/* Closes (and listeners shut down) whose cause or outcome has this name; those that were repaired
 * do not count. */
uint64_t tally_named(const struct tally *tally, const char *name);

/* The rows of a table that have closes, most telling first; `bad_only`: only those that reset or
 * are exposed. The caller frees the array (NULL when there is none). */
struct row **tally_sorted(const struct table *table, bool bad_only, size_t *count);

#endif
