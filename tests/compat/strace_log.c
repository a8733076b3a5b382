/* SPDX-License-Identifier: MIT */
#include "strace_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"

#define UNFINISHED "<unfinished ...>"

/* Calls that have begun and not ended, at most one for each task. */
struct pending {
    struct call **calls;
    size_t count;
};

static struct call *pending_take(struct pending *pending, int tid)
{
    for (size_t i = 0; i < pending->count; i++) {
        if (pending->calls[i]->tid != tid)
            continue;
        struct call *call = pending->calls[i];
        pending->calls[i] = pending->calls[--pending->count];
        return call;
    }
    return NULL;
}

static void pending_put(struct pending *pending, struct call *call)
{
    pending->calls = grow(pending->calls, pending->count, sizeof(struct call *));
    pending->calls[pending->count++] = call;
}

static void add_step(struct strace_log *log, struct step step)
{
    log->steps = grow(log->steps, log->count, sizeof *log->steps);
    log->steps[log->count++] = step;
}

/* "1700000000.123456" in ns. */
static int64_t nanoseconds(const char *text)
{
    char *end;
    int64_t seconds = strtoll(text, &end, 10);
    int64_t fraction = 0, unit = 1000000000;
    if (*end == '.')
        for (end++; *end >= '0' && *end <= '9' && unit > 1; end++)
            fraction += (*end - '0') * (unit /= 10);
    return seconds * 1000000000 + fraction;
}

/* Where the outer parenthesis closes: the last ")" that is followed by blanks and "= ". */
static char *find_result(char *text)
{
    for (char *at = text + strlen(text); at > text; at--) {
        if (strncmp(at, "= ", 2) != 0)
            continue;
        char *before = at - 1;
        while (before > text && *before == ' ')
            before--;
        if (*before == ')' && before < at - 1)
            return before;
    }
    return NULL;
}

/* Splits `call->arguments` ("3) = 0 <0.000012>") into arguments and result, and adds the end. */
static void finish(struct strace_log *log, struct call *call, long line, int64_t time_ns)
{
    char *close = find_result(call->arguments);
    if (!close)
        return;
    *close = '\0';
    char *result = strchr(close + 1, '=') + 2;
    char *spent = strrchr(result, '<');
    call->ended_ns = time_ns;
    if (spent && strspn(spent + 1, "0123456789.") == strlen(spent + 1) - 1) {
        /* On the line of a call that was not interrupted stands the time when it began. */
        if (line == call->line)
            call->ended_ns += nanoseconds(spent + 1);
        *spent = '\0';
    }
    char *end;
    call->value = strtol(result, &end, 0);
    if (end == result)
        call->value = -1;
    call->result = result;
    add_step(log, (struct step){STEP_END, call->tid, line, call->ended_ns, call});
}

static void begin(struct strace_log *log, struct pending *pending, struct step at, char *text)
{
    char *open = strchr(text, '(');
    if (!open)
        return;
    struct call *call = allocate(sizeof *call);
    *call = (struct call){.tid = at.tid, .line = at.line, .value = -1, .result = ""};
    call->name = copy_text(text, (size_t)(open - text));
    char *cut = strstr(open, UNFINISHED);
    bool complete = !cut || cut[strlen(UNFINISHED)] != '\0';
    call->arguments = copy_text(open + 1, complete ? strlen(open + 1) : (size_t)(cut - open - 1));
    at.kind = STEP_BEGIN;
    at.call = call;
    add_step(log, at);
    if (complete)
        finish(log, call, at.line, at.time_ns);
    else
        pending_put(pending, call);
}

/* "<... close resumed>) = 0": `rest` is what follows the ">". */
static void resume(struct strace_log *log, struct pending *pending, struct step at, char *rest)
{
    struct call *call = pending_take(pending, at.tid);
    if (!call)
        return;
    size_t had = strlen(call->arguments), more = strlen(rest);
    char *joined = allocate(had + more + 1);
    memcpy(joined, call->arguments, had);
    memcpy(joined + had, rest, more + 1);
    free(call->arguments);
    call->arguments = joined;
    finish(log, call, at.line, at.time_ns);
}

static void read_line(struct strace_log *log, struct pending *pending, char *text, long line)
{
    char *rest;
    struct step at = {.line = line};
    at.tid = (int)strtol(text, &rest, 10);
    rest += strspn(rest, " ");
    at.time_ns = nanoseconds(rest);
    rest += strcspn(rest, " ");
    rest += strspn(rest, " ");
    if (strncmp(rest, "--- ", 4) == 0)
        return;
    if (strncmp(rest, "+++ superseded by execve in pid ", 32) == 0) {
        /* A thread became its process: its execve returns under the process's number. */
        struct call *call = pending_take(pending, (int)strtol(rest + 32, NULL, 10));
        if (call) {
            call->tid = at.tid;
            pending_put(pending, call);
        }
        return;
    }
    if (strncmp(rest, "+++ ", 4) == 0) {
        at.kind = strncmp(rest + 4, "killed", 6) == 0 ? STEP_KILLED : STEP_EXITED;
        (void)pending_take(pending, at.tid);
        add_step(log, at);
        return;
    }
    if (strncmp(rest, "<... ", 5) == 0) {
        char *resumed = strstr(rest, " resumed>");
        if (resumed)
            resume(log, pending, at, resumed + strlen(" resumed>"));
        return;
    }
    begin(log, pending, at, rest);
}

bool strace_log_read(const char *path, struct strace_log *log)
{
    *log = (struct strace_log){0};
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    struct pending pending = {0};
    char *text = NULL;
    size_t size = 0;
    ssize_t length;
    while ((length = getline(&text, &size, file)) > 0) {
        if (text[length - 1] == '\n')
            text[--length] = '\0';
        log->lines = grow(log->lines, log->line_count, sizeof *log->lines);
        log->lines[log->line_count++] = copy_text(text, (size_t)length);
        read_line(log, &pending, text, (long)log->line_count);
    }
    free(text);
    free(pending.calls);
    fclose(file);
    return true;
}
