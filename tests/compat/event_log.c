/* SPDX-License-Identifier: MIT */
#include "event_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "grow.h"

/* What follows `"key":` in a line of JSON, or NULL. Keys of close events never repeat. */
static const char *field(const char *line, const char *key)
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(line, quoted);
    return at ? at + strlen(quoted) : NULL;
}

static bool is(const char *line, const char *key, const char *word)
{
    const char *value = field(line, key);
    size_t length = strlen(word);
    return value && value[0] == '"' && strncmp(value + 1, word, length) == 0 &&
           value[1 + length] == '"';
}

static int number(const char *line, const char *key)
{
    const char *value = field(line, key);
    return value ? (int)strtol(value, NULL, 10) : -1;
}

/* "2026-01-31T12:00:00.123456789Z" in ns since 1970. */
static int64_t when(const char *line)
{
    const char *value = field(line, "ts");
    struct tm tm = {0};
    const char *rest = value ? strptime(value + 1, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    if (!rest)
        return 0;
    int64_t fraction = 0, unit = 1000000000;
    for (rest++; *rest >= '0' && *rest <= '9' && unit > 1; rest++)
        fraction += (*rest - '0') * (unit /= 10);
    return (int64_t)timegm(&tm) * 1000000000 + fraction;
}

/* An exec that failed: the last `count` exec events of this thread did not happen. */
static void withdraw(struct event_log *log, int pid, int tid, int count)
{
    for (size_t i = log->count; i-- > 0 && count > 0;) {
        struct close_event *event = &log->events[i];
        if (event->pid != pid || event->tid != tid || !event->by_exec)
            continue;
        memmove(event, event + 1, (log->count - i - 1) * sizeof *event);
        log->count--;
        count--;
    }
}

static void read_event(struct event_log *log, const char *text, long line)
{
    int pid = number(text, "pid"), tid = number(text, "tid");
    if (is(text, "event", "note") && is(text, "code", "exec-failed"))
        withdraw(log, pid, tid, number(text, "count"));
    if (!is(text, "event", "close") || is(text, "outcome", "invalid") || is(text, "via", "connect"))
        return;
    struct close_event event = {.pid = pid,
                                .tid = tid,
                                .fd = number(text, "fd"),
                                .local = is(text, "proto", "unix"),
                                .by_exec = is(text, "via", "exec"),
                                .time_ns = when(text),
                                .line = line};
    if (is(text, "type", "stream"))
        event.kind = STREAM_SOCKET;
    else if (is(text, "type", "seqpacket"))
        event.kind = SEQPACKET_SOCKET;
    if (event.kind == NO_SOCKET || is(text, "proto", "other"))
        return;
    log->events = grow(log->events, log->count, sizeof event);
    log->events[log->count++] = event;
}

bool event_log_read(const char *path, struct event_log *log)
{
    *log = (struct event_log){0};
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    char *text = NULL;
    size_t size = 0;
    for (long line = 1; getline(&text, &size, file) > 0; line++)
        read_event(log, text, line);
    free(text);
    fclose(file);
    return true;
}
