/* SPDX-License-Identifier: MIT */
#include "tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/names.h"
#include "processes.h"
#include "repairs.h"

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
    if (part->outcome == OUTCOME_RESET) {
        counts->curable_resets += part->curable ? sign : 0;
        counts->repaired_resets += part->repaired ? sign : 0;
    } else {
        counts->curable_exposed += part->curable ? sign : 0;
        counts->repaired_exposed += part->repaired ? sign : 0;
    }
}

static void apply_everywhere(struct tally *tally, const struct contribution *part, bool add)
{
    for (int i = 0; i < CONTRIBUTION_PLACES; i++)
        if (part->places[i])
            apply(part->places[i], part, add);
    if (part->is_close)
        apply(&tally->total, part, add);
}

static bool announced_by_exec(const struct event *event)
{
    return event->kind == EVENT_CLOSE && event->via && strcmp(event->via, "exec") == 0;
}

/* One without a process event is taken for what its events look like. */
static struct under_mode *mode_of(struct tally *tally, const struct process *process,
                                  const struct event *event)
{
    bool enforces = process->enforces;
    if (!process->announced)
        enforces = event->action && strcmp(event->action, "pass") != 0;
    return &tally->mode[enforces ? UNDER_ENFORCE : UNDER_AUDIT];
}

static struct counts *call_counts(struct table *table, const struct event *event, const char *word)
{
    char key[256];
    const char *call = event->kind == EVENT_CLOSE      ? "close"
                       : event->kind == EVENT_SHUTDOWN ? "shutdown"
                                                       : "SO_LINGER";
    int length = snprintf(key, sizeof key, "%s\t%.200s", call, word);
    return counts_of(table, key, (size_t)length);
}

/* What was, or would be, done against the outcome, and if nothing, why. */
static void judge(struct tally *tally, const struct process *process, const struct event *event,
                  struct contribution *part)
{
    struct under_mode *mode = mode_of(tally, process, event);
    bool enforces = mode == &tally->mode[UNDER_ENFORCE];
    const char *words = enforces ? event->action : event->would;
    unsigned actions = repairs_actions(words);
    int outcome = event->outcome ? outcome_from(event->outcome) : -1;
    int cause = event->cause ? cause_from(event->cause) : -1;
    bool bad = outcome == OUTCOME_RESET || outcome == OUTCOME_EXPOSED;
    char reason[REPAIRS_REASON];

    part->outcome = outcome < 0 ? OUTCOME_UNKNOWN : outcome;
    part->curable =
        bad && cause >= 0 && repairs_cure(event, (enum outcome)outcome, (enum cause)cause, actions);
    part->repaired = enforces && part->curable;
    if (actions != ACTION_PASS)
        part->places[0] =
            call_counts(&mode->actions, event, enforces ? repairs_done(event, reason) : words);
    if (bad && !part->curable && event->kind != EVENT_LINGER)
        part->places[1] =
            call_counts(&mode->reasons, event, repairs_reason(event, actions, enforces, reason));
    if (part->is_close)
        part->places[2] = &mode->total;
}

static void add_close(struct tally *tally, struct process *process, const struct event *event)
{
    struct contribution part = {.is_close = true};
    judge(tally, process, event, &part);
    if (part.outcome == OUTCOME_RESET && !part.repaired) {
        part.unread = positive(event->unread);
        part.unsent = positive(event->unsent);
        part.backlog = positive(event->backlog);
    }
    part.places[3] = cause_counts(&tally->causes, or_empty(event->outcome), event->cause);
    part.places[4] = program_counts(tally, event);
    if (event->site)
        part.places[5] = site_counts(&tally->sites, process, event);
    if (event->peer)
        part.places[6] = peer_counts(&tally->peers, event->peer);
    apply_everywhere(tally, &part, true);
    if (announced_by_exec(event))
        attempt_add(tally, event, &part);
}

/* An event that ends no connection itself: only what was done is counted. */
static void add_action(struct tally *tally, struct process *process, const struct event *event)
{
    struct contribution part = {0};
    judge(tally, process, event, &part);
    if (event->kind == EVENT_LINGER) { /* which tells the outcome of a close at that moment */
        part.outcome = OUTCOME_NONE;
        part.curable = part.repaired = false;
    }
    apply_everywhere(tally, &part, true);
}

static void add_shutdown(struct tally *tally, struct process *process, const struct event *event)
{
    static const char *const halves[] = {"rd", "wr", "both"};
    if (event->error)
        return; /* it failed: nothing happened */
    for (int i = 0; i < 3; i++)
        if (event->how && strcmp(event->how, halves[i]) == 0)
            tally->shutdowns[i]++;
    if (event->outcome && strcmp(event->outcome, "exposed") == 0 &&
        (repairs_actions(event->action) & ACTION_SOFTENED) == 0)
        tally->shutdown_exposed++;
    if (event->outcome && strcmp(event->outcome, "reset") == 0) {
        tally->by_shutdown++; /* a listener: its waiting connections are reset here, not at close */
        add_close(tally, process, event);
    } else {
        add_action(tally, process, event);
    }
}

static void add_drain(struct tally *tally, const struct event *event)
{
    int result = event->result ? drain_result_from(event->result) : -1;
    struct drains *drains = &tally->drains[result < 0 ? RESULT_OTHER : result];
    drains->count++;
    drains->drained += positive(event->drained);
    drains->unacked += positive(event->unacked);
    if (positive(event->ms) > drains->longest)
        drains->longest = positive(event->ms);
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
    tally->drained += positive(event->drained);
    tally->already_reset += event->already_reset;
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
        if (!event->error || (event->action && strcmp(event->action, "denied") == 0))
            add_action(tally, process, event);
        break;
    case EVENT_DRAIN:
        add_drain(tally, event);
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
    struct under_mode *audit = &tally->mode[UNDER_AUDIT], *enforce = &tally->mode[UNDER_ENFORCE];
    struct table *tables[] = {&tally->sites,   &tally->peers,     &tally->programs,
                              &tally->causes,  &tally->notes,     &audit->actions,
                              &audit->reasons, &enforce->actions, &enforce->reasons};
    for (size_t i = 0; i < sizeof tables / sizeof(void *); i++)
        table_free(tables[i]);
    processes_free(tally);
    modules_free();
}
