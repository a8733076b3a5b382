/* SPDX-License-Identifier: MIT */
#include "file_tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"

struct entry *entry_of(struct table *table, long fd)
{
    return fd >= 0 && fd < table->size ? &table->entries[fd] : NULL;
}

void put(struct table *table, long fd, struct entry socket)
{
    if (fd < 0 || (socket.kind == NO_SOCKET && fd >= table->size))
        return;
    if (fd >= table->size) {
        int size = (int)fd + 16;
        struct entry *entries = allocate((size_t)size * sizeof *entries);
        if (table->size)
            memcpy(entries, table->entries, (size_t)table->size * sizeof *entries);
        free(table->entries);
        table->entries = entries;
        table->size = size;
    }
    table->entries[fd] = socket;
}

static struct table *copy_table(const struct table *from)
{
    struct table *table = allocate(sizeof *table);
    if (from && from->size) {
        table->size = from->size;
        table->entries = allocate((size_t)from->size * sizeof *table->entries);
        memcpy(table->entries, from->entries, (size_t)from->size * sizeof *table->entries);
    }
    return table;
}

void leave_table(struct task *task)
{
    if (--task->table->tasks == 0) {
        free(task->table->entries);
        free(task->table);
    }
    task->table = NULL;
}

void unshare_table(struct task *task)
{
    if (task->table->tasks == 1)
        return;
    struct table *own = copy_table(task->table);
    leave_table(task);
    task->table = own;
    own->tasks = 1;
}

void record_close(struct follow *follow, const struct task *task, long fd, const char *via,
                  long line, bool killed)
{
    struct entry *entry = entry_of(task->table, fd);
    if (!entry || entry->kind == NO_SOCKET)
        return;
    struct close_record record = {.pid = task->pid,
                                  .fd = (int)fd,
                                  .kind = entry->kind,
                                  .local = entry->local,
                                  .via = via,
                                  .line = line,
                                  .opened_ns = entry->opened_ns};
    if (entry->libc_line) {
        record.class = BY_LIBC;
        record.why_line = entry->libc_line;
    } else if (task->vfork_line) {
        record.class = BY_VFORK;
        record.why_line = task->vfork_line;
    } else if (killed) {
        record.class = BY_KILL;
        record.why_line = line;
    } else if (task->filter_line) {
        record.class = BY_FILTERED;
        record.why_line = task->filter_line;
    }
    struct close_list *list = &follow->list;
    if (entry->kind != OTHER_SOCKET) {
        list->closes = grow(list->closes, list->count, sizeof *list->closes);
        list->closes[list->count++] = record;
    }
    *entry = (struct entry){0};
}

void contradiction(struct follow *follow, long line, const char *what)
{
    follow->list.contradictions++;
    fprintf(stderr, "line %ld: %s: %s\n", line, what, follow->log->lines[line - 1]);
}

static struct task *find_task(struct follow *follow, int tid)
{
    for (size_t i = follow->task_count; i-- > 0;)
        if (follow->tasks[i].tid == tid && follow->tasks[i].table)
            return &follow->tasks[i];
    return NULL;
}

static struct task *add_task(struct follow *follow, struct task task)
{
    task.table->tasks++;
    follow->tasks = grow(follow->tasks, follow->task_count, sizeof *follow->tasks);
    follow->tasks[follow->task_count] = task;
    return &follow->tasks[follow->task_count++];
}

/* A signal can end a process between its close() and the write of the event: of a killed process
 * its very last close may be missing, as what it had still open. */
static void excuse_last_close(struct follow *follow, int pid, long line)
{
    for (size_t i = follow->list.count; i-- > 0;) {
        struct close_record *record = &follow->list.closes[i];
        if (record->pid != pid)
            continue;
        if (record->class == BY_PROGRAM) {
            record->class = BY_KILL;
            record->why_line = line;
        }
        return;
    }
}

void end_task(struct follow *follow, struct task *task, long line, bool killed)
{
    if (killed)
        excuse_last_close(follow, task->pid, line);
    if (task->table->tasks == 1)
        for (int fd = 0; fd < task->table->size; fd++)
            record_close(follow, task, fd, "exit", line, killed);
    leave_table(task);
}

struct task *make_child(struct follow *follow, struct call *call, int64_t now)
{
    const char *flags = call->arguments;
    struct task *parent = find_task(follow, call->tid);
    if (!parent)
        return NULL;
    bool vfork = strcmp(call->name, "vfork") == 0 ||
                 (strstr(flags, "CLONE_VFORK") && strstr(flags, "CLONE_VM"));
    struct task child = *parent;
    child.tid = (int)call->value;
    if (!strstr(flags, "CLONE_THREAD")) {
        child.pid = child.tid;
        child.vfork_line = vfork ? call->line : 0;
    }
    if (!strstr(flags, "CLONE_FILES")) {
        child.table = copy_table(parent->table);
        for (int fd = 0; fd < child.table->size; fd++)
            child.table->entries[fd].opened_ns = now;
    }
    call->applied = true;
    return add_task(follow, child);
}

struct task *task_of(struct follow *follow, const struct step *step)
{
    struct task *task = find_task(follow, step->tid);
    if (task || step->kind == STEP_EXITED || step->kind == STEP_KILLED)
        return task;
    for (size_t i = 0; i < follow->clone_count; i++) {
        struct call *call = follow->clones[i];
        if (!call->applied && call->value == step->tid && call->line < step->line)
            return make_child(follow, call, step->time_ns);
    }
    if (follow->task_count == 0)
        return add_task(follow, (struct task){step->tid, step->tid, copy_table(NULL), 0, 0});
    contradiction(follow, step->line, "a process that nobody made");
    return add_task(follow, (struct task){step->tid, step->tid, copy_table(NULL), 0, 0});
}
