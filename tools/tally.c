/* SPDX-License-Identifier: MIT */
#include "tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/names.h"
#include "processes.h"

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static uint64_t positive(int64_t number)
{
    return number > 0 ? (uint64_t)number : 0;
}

static struct row *row_add(struct table *table, const void *key, size_t length)
{
    struct row *row = calloc(1, sizeof *row + length + 1);
    if (!row)
        return NULL;
    memcpy(row->key, key, length);
    HASH_ADD(hh, table->rows, key, length, row);
    if (!row->hh.tbl) {
        free(row);
        return NULL;
    }
    return row;
}

/* The counts of one key; those of the rest when the table is full. */
static struct counts *counts_of(struct table *table, const void *key, size_t length)
{
    struct row *row;
    HASH_FIND(hh, table->rows, key, length, row);
    if (!row && HASH_COUNT(table->rows) < TABLE_LIMIT)
        row = row_add(table, key, length);
    return row ? &row->counts : &table->rest;
}

static struct counts *text_counts(struct table *table, const char *text)
{
    return text ? counts_of(table, text, strlen(text)) : NULL;
}

static struct counts *site_counts(struct table *table, const struct process *process,
                                  const struct event *event)
{
    const struct mapping *mapping = map_set_find(process->maps, event->site);
    struct {
        const struct module *module;
        uint64_t offset;
        char via[sizeof((struct row *)0)->via];
    } key = {.module = mapping ? mapping->module : NULL,
             .offset = mapping ? event->site - mapping->base : event->site};
    if (event->via)
        strncpy(key.via, event->via, sizeof key.via - 1);
    struct row *row;
    HASH_FIND(hh, table->rows, &key, sizeof key, row); /* NOLINT(clang-analyzer-core*) */
    if (!row && HASH_COUNT(table->rows) < TABLE_LIMIT) {
        row = row_add(table, &key, sizeof key);
        if (row) {
            row->module = key.module;
            row->offset = key.offset;
            memcpy(row->via, key.via, sizeof row->via);
        }
    }
    return row ? &row->counts : &table->rest;
}

/* The peer without its port: "10.0.0.1:80", "[::1]:80"; UNIX addresses as they are. */
static struct counts *peer_counts(struct table *table, const char *peer)
{
    size_t length = strlen(peer);
    if (strncmp(peer, "unix:", 5) != 0) {
        const char *colon = strrchr(peer, ':');
        if (colon)
            length = (size_t)(colon - peer);
        if (length > 1 && peer[0] == '[' && peer[length - 1] == ']') {
            peer++;
            length -= 2;
        }
    }
    return counts_of(table, peer, length);
}

static struct counts *cause_counts(struct table *table, const char *outcome, const char *cause)
{
    char key[64];
    int length = snprintf(key, sizeof key, "%.30s %.30s", outcome, or_empty(cause));
    return counts_of(table, key, (size_t)length);
}

static struct counts *program_counts(struct tally *tally, const struct event *event)
{
    const char *exe = or_empty(event->exe);
    return counts_of(&tally->programs, exe, strlen(exe));
}

static void apply(struct counts *counts, const struct contribution *part, bool add)
{
    uint64_t sign = add ? 1 : (uint64_t)-1;
    counts->closes += sign;
    counts->outcome[part->outcome] += sign;
    counts->unread += sign * part->unread;
    counts->unsent += sign * part->unsent;
    counts->backlog += sign * part->backlog;
}

static void apply_everywhere(struct tally *tally, const struct contribution *part, bool add)
{
    for (int i = 0; i < CONTRIBUTION_PLACES; i++)
        if (part->places[i])
            apply(part->places[i], part, add);
    apply(&tally->total, part, add);
}

static bool announced_by_exec(const struct event *event)
{
    return event->kind == EVENT_CLOSE && event->via && strcmp(event->via, "exec") == 0;
}

static void add_close(struct tally *tally, struct process *process, const struct event *event)
{
    int outcome = event->outcome ? outcome_from(event->outcome) : -1;
    bool untouched = !event->action || strcmp(event->action, "pass") == 0;
    bool lost = outcome == OUTCOME_RESET && untouched;
    bool is_close = event->kind == EVENT_CLOSE;
    struct contribution part = {
        .outcome = outcome < 0 ? OUTCOME_UNKNOWN : outcome,
        .unread = lost ? positive(event->unread) : 0,
        .unsent = lost ? positive(event->unsent) : 0,
        .backlog = lost ? positive(event->backlog) : 0,
        .places = {cause_counts(&tally->causes, or_empty(event->outcome), event->cause),
                   program_counts(tally, event),
                   event->site ? site_counts(&tally->sites, process, event) : NULL,
                   event->peer ? peer_counts(&tally->peers, event->peer) : NULL,
                   is_close ? text_counts(&tally->actions, event->action) : NULL,
                   is_close ? text_counts(&tally->would, event->would) : NULL},
    };
    apply_everywhere(tally, &part, true);
    if (announced_by_exec(event))
        attempt_add(tally, event, &part);
}

static void add_shutdown(struct tally *tally, struct process *process, const struct event *event)
{
    static const char *const halves[] = {"rd", "wr", "both"};
    if (event->error)
        return; /* it failed: nothing happened */
    for (int i = 0; i < 3; i++)
        if (event->how && strcmp(event->how, halves[i]) == 0)
            tally->shutdowns[i]++;
    if (event->outcome && strcmp(event->outcome, "exposed") == 0)
        tally->shutdown_exposed++;
    if (event->outcome && strcmp(event->outcome, "reset") == 0) {
        tally->by_shutdown++; /* a listener: its waiting connections are reset here, not at close */
        add_close(tally, process, event);
    }
}

static void add_note(struct tally *tally, struct process *process, const struct event *event)
{
    const char *code = or_empty(event->code);
    if (strcmp(code, "modules") == 0) {
        process->maps = map_set_add(process->maps, event->maps, event->map_count);
        return;
    }
    if (strcmp(code, "exec-failed") == 0) {
        struct contribution part;
        for (int64_t i = 0; i < event->count && attempt_take(tally, event, &part); i++) {
            apply_everywhere(tally, &part, false);
            tally->voided++;
        }
        return;
    }
    char key[1024];
    int length = snprintf(key, sizeof key, "%s: %s", event->path ? event->path : code,
                          or_empty(event->text));
    if (length >= (int)sizeof key)
        length = sizeof key - 1;
    counts_of(&tally->notes, key, (size_t)length)->closes++;
}

static void add_summary(struct tally *tally, struct process *process, const struct event *event)
{
    tally->unwritten += positive(event->unwritten);
    tally->unseen += positive(event->unseen);
    process_end(tally, process, event->closes);
}

static void note_time(struct tally *tally, const char *ts)
{
    size_t length = ts ? strlen(ts) : 0;
    if (length < 20 || length >= sizeof tally->first)
        return;
    if (!*tally->first || strcmp(ts, tally->first) < 0)
        memcpy(tally->first, ts, length + 1);
    if (strcmp(ts, tally->last) > 0)
        memcpy(tally->last, ts, length + 1);
}

/* connect(AF_UNSPEC) that failed: nothing was closed. */
static bool disconnect_failed(const struct event *event)
{
    return event->error && event->via && strcmp(event->via, "connect") == 0;
}

/* Something that a thread does after its exec has failed, or a program after it has begun. The
 * summary and the notes that belong to an exec come between its closes and its failure. */
static bool went_on(const struct event *event)
{
    return event->kind != EVENT_NOTE && event->kind != EVENT_SUMMARY && !announced_by_exec(event);
}

void tally_event(struct tally *tally, const struct event *event)
{
    struct process *process = process_of(tally, event);
    if (!process) {
        tally->out_of_memory = true;
        return;
    }
    tally->events++;
    note_time(tally, event->ts);
    process->ended = false;
    if (tally->attempts && went_on(event))
        attempt_forget(tally, event);
    switch (event->kind) {
    case EVENT_PROCESS:
        process_begin(tally, process, event);
        program_counts(tally, event); /* listed even if it closes nothing */
        break;
    case EVENT_CLOSE:
        process->closes++;
        if (!disconnect_failed(event))
            add_close(tally, process, event);
        break;
    case EVENT_SHUTDOWN:
        add_shutdown(tally, process, event);
        break;
    case EVENT_LINGER:
        tally->lingers++;
        break;
    case EVENT_SUMMARY:
        add_summary(tally, process, event);
        break;
    case EVENT_NOTE:
        add_note(tally, process, event);
        break;
    default:
        break;
    }
}

void tally_finish(struct tally *tally)
{
    processes_finish(tally);
}

static void table_free(struct table *table)
{
    struct row *row, *next;
    HASH_ITER(hh, table->rows, row, next)
    {
        HASH_DEL(table->rows, row); /* NOLINT(clang-analyzer-unix.Malloc) */
        free(row);
    }
}

void tally_free(struct tally *tally)
{
    struct table *tables[] = {&tally->sites,   &tally->peers, &tally->programs, &tally->causes,
                              &tally->actions, &tally->would, &tally->notes};
    for (size_t i = 0; i < sizeof tables / sizeof(void *); i++)
        table_free(tables[i]);
    processes_free(tally);
    modules_free();
}

uint64_t tally_named(const struct tally *tally, const char *name)
{
    int outcome = outcome_from(name);
    if (outcome >= 0)
        return tally->total.outcome[outcome];
    uint64_t sum = 0;
    for (const struct row *row = tally->causes.rows; row; row = row->hh.next) {
        const char *cause = strchr(row->key, ' ');
        if (cause && strcmp(cause + 1, name) == 0)
            sum += row->counts.closes;
    }
    return sum;
}

/* Resets before exposed before the rest, then by bytes lost, then by name for a stable order. */
static int by_weight(const void *left, const void *right)
{
    const struct row *a = *(struct row *const *)left;
    const struct row *b = *(struct row *const *)right;
    const struct counts *x = &a->counts;
    const struct counts *y = &b->counts;
    const uint64_t weights[][2] = {
        {x->outcome[OUTCOME_RESET], y->outcome[OUTCOME_RESET]},
        {x->outcome[OUTCOME_EXPOSED], y->outcome[OUTCOME_EXPOSED]},
        {x->unread + x->unsent, y->unread + y->unsent},
        {x->closes, y->closes},
    };
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        if (weights[i][0] != weights[i][1])
            return weights[i][0] > weights[i][1] ? -1 : 1;
    if (a->module && b->module && a->module != b->module)
        return strcmp(a->module->path, b->module->path);
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    if (strcmp(a->via, b->via) != 0)
        return strcmp(a->via, b->via);
    return strcmp(a->key, b->key);
}

struct row **tally_sorted(const struct table *table, bool bad_only, size_t *count)
{
    struct row **sorted = calloc(HASH_COUNT(table->rows) + 1, sizeof(void *));
    *count = 0;
    if (!sorted)
        return NULL;
    for (struct row *row = table->rows; row; row = row->hh.next) {
        uint64_t bad = row->counts.outcome[OUTCOME_RESET] + row->counts.outcome[OUTCOME_EXPOSED];
        if (bad_only ? bad > 0 : row->counts.closes > 0)
            sorted[(*count)++] = row;
    }
    qsort(sorted, *count, sizeof(void *), by_weight);
    return sorted;
}
