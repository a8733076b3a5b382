/* SPDX-License-Identifier: MIT */
#include "processes.h"

#include <stdlib.h>
#include <string.h>

struct exec_attempt {
    struct process_key key;
    struct contribution *parts;
    size_t count, room;
    UT_hash_handle hh;
};

struct process *process_of(struct tally *tally, const struct event *event)
{
    struct process_key key = {.pid = event->pid, .file = tally->file};
    struct process *process = tally->latest;
    if (process && memcmp(&process->key, &key, sizeof key) == 0)
        return process;
    HASH_FIND(hh, tally->processes, &key, sizeof key, process); /* NOLINT(clang-analyzer-core*) */
    if (!process) {
        process = calloc(1, sizeof *process);
        if (!process)
            return NULL;
        process->key = key;
        HASH_ADD(hh, tally->processes, key, sizeof key, process);
        if (!process->hh.tbl) {
            free(process);
            return NULL;
        }
    }
    tally->latest = process;
    return process;
}

/* A second process event of one pid is the same process after an exec. */
void process_begin(struct tally *tally, struct process *process, const struct event *event)
{
    if (!process->announced)
        tally->process_count++;
    process->announced = true;
    map_set_release(process->maps);
    process->maps = map_set_add(NULL, event->maps, event->map_count);
    process->enforces = event->mode && strcmp(event->mode, "enforce") == 0;
    tally->mode[process->enforces ? UNDER_ENFORCE : UNDER_AUDIT].processes++;
}

/* A summary comes before an exec, too, and if that fails the process goes on: what is known of its
 * modules is kept for a while. */
void process_end(struct tally *tally, struct process *process, uint64_t closes)
{
    if (closes > process->closes)
        tally->not_in_log += closes - process->closes;
    process->closes = 0;
    process->ended = true;
    struct process **place = &tally->ended[tally->ended_next++ % ENDED_KEPT];
    if (*place && *place != process && (*place)->ended) {
        map_set_release((*place)->maps);
        (*place)->maps = NULL;
    }
    *place = process;
}

void processes_finish(struct tally *tally)
{
    for (const struct process *at = tally->processes; at; at = at->hh.next)
        if (at->announced && !at->ended)
            tally->killed++;
}

static struct exec_attempt *attempt_of(struct tally *tally, const struct event *event)
{
    struct process_key key = {.pid = event->pid, .thread = event->tid, .file = tally->file};
    struct exec_attempt *found;
    HASH_FIND(hh, tally->attempts, &key, sizeof key, found); /* NOLINT(clang-analyzer-core*) */
    return found;
}

void attempt_add(struct tally *tally, const struct event *event, const struct contribution *part)
{
    struct exec_attempt *attempt = attempt_of(tally, event);
    if (!attempt) {
        attempt = calloc(1, sizeof *attempt);
        if (!attempt) {
            tally->out_of_memory = true;
            return;
        }
        attempt->key = (struct process_key){event->pid, event->tid, tally->file};
        HASH_ADD(hh, tally->attempts, key, sizeof attempt->key, attempt);
        if (!attempt->hh.tbl) {
            free(attempt);
            return;
        }
    }
    if (attempt->count == attempt->room) {
        size_t room = attempt->room ? 2 * attempt->room : 8;
        struct contribution *parts = realloc(attempt->parts, room * sizeof *parts);
        if (!parts) {
            tally->out_of_memory = true;
            return;
        }
        attempt->parts = parts;
        attempt->room = room;
    }
    attempt->parts[attempt->count++] = *part;
}

bool attempt_take(struct tally *tally, const struct event *event, struct contribution *part)
{
    struct exec_attempt *attempt = attempt_of(tally, event);
    if (!attempt || attempt->count == 0)
        return false;
    *part = attempt->parts[--attempt->count];
    return true;
}

static void attempt_free(struct tally *tally, struct exec_attempt *attempt)
{
    HASH_DEL(tally->attempts, attempt); /* NOLINT(clang-analyzer-unix.Malloc) */
    free(attempt->parts);
    free(attempt);
}

void attempt_forget(struct tally *tally, const struct event *event)
{
    struct exec_attempt *attempt = attempt_of(tally, event);
    if (attempt)
        attempt_free(tally, attempt);
}

void processes_free(struct tally *tally)
{
    struct process *process, *next;
    while (tally->attempts)
        attempt_free(tally, tally->attempts); /* NOLINT(clang-analyzer-unix.Malloc) */
    HASH_ITER(hh, tally->processes, process, next)
    {
        HASH_DEL(tally->processes, process); /* NOLINT(clang-analyzer-unix.Malloc) */
        map_set_release(process->maps);
        free(process);
    }
}
