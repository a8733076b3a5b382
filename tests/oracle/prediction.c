/* SPDX-License-Identifier: MIT */
#include "prediction.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text(const cJSON *event, const char *key)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, key));
    return value ? value : "";
}

static double number(const cJSON *event, const char *key, double otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(event, key);
    return cJSON_IsNumber(item) ? item->valuedouble : otherwise;
}

static void append(char *list, size_t size, const char *what, const char *cause)
{
    size_t length = strlen(list);
    snprintf(list + length, size - length, "%s%s:%s", length ? " " : "", what, cause);
}

static void outcome_of(const cJSON *event, char *out, size_t size)
{
    const char *cause = text(event, "cause");
    snprintf(out, size, "%s%s%s", text(event, "outcome"), *cause ? "/" : "", cause);
}

/* The close of the descriptor itself; a later close of a reused number replaces an earlier one. */
static void take_close(const cJSON *event, const char *line, struct prediction *out)
{
    double sock = number(event, "sock", -1);
    if (out->closes == 0 || sock != out->sock)
        out->closes = 0;
    out->sock = sock;
    out->closes++;
    outcome_of(event, out->outcome, sizeof out->outcome);
    snprintf(out->via, sizeof out->via, "%s", text(event, "via"));
    out->unread = (long)number(event, "unread", -1);
    out->unsent = (long)number(event, "unsent", -1);
    out->notsent = (long)number(event, "notsent", 0);
    snprintf(out->line, sizeof out->line, "%s", line);
}

/* What is told besides: of the same socket earlier, of its other holders, of other sockets. */
static void take_other(const cJSON *event, bool ours, bool by_close, struct prediction *out)
{
    const char *told = by_close ? text(event, "via") : text(event, "event");
    const char *cause = text(event, "cause");
    bool reset = strcmp(text(event, "outcome"), "reset") == 0;
    if (ours && reset)
        append(out->earlier, sizeof out->earlier, told, cause);
    else if (!ours && by_close && number(event, "sock", -2) == out->sock)
        outcome_of(event, out->later, sizeof out->later);
    else if (reset)
        append(out->others, sizeof out->others, told, cause);
}

/* Two passes over the log: the close itself first, by which the socket is known for the second. */
static void take_event(const cJSON *event, const char *line, bool second, struct prediction *out)
{
    const char *kind = text(event, "event");
    bool ours =
        (pid_t)number(event, "pid", 0) == out->pid && (int)number(event, "fd", -1) == out->fd;
    bool by_close = strcmp(kind, "close") == 0;
    bool itself = ours && by_close && strcmp(text(event, "via"), "connect") != 0;
    if (itself && !second)
        take_close(event, line, out);
    else if (!itself && second && (by_close || strcmp(kind, "shutdown") == 0))
        take_other(event, ours, by_close, out);
}

static bool take_file(FILE *file, bool second, struct prediction *out)
{
    char *line = NULL;
    size_t size = 0;
    bool valid = true;
    rewind(file);
    while (valid && getline(&line, &size, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        cJSON *event = cJSON_Parse(line);
        if (event) {
            take_event(event, line, second, out);
        } else {
            valid = false;
            snprintf(out->line, sizeof out->line, "no JSON: %s", line);
        }
        cJSON_Delete(event);
    }
    free(line);
    return valid;
}

bool prediction_read(const char *log, pid_t pid, int fd, struct prediction *out)
{
    *out = (struct prediction){.pid = pid, .fd = fd, .sock = -1};
    FILE *file = fopen(log, "re");
    if (!file) {
        snprintf(out->line, sizeof out->line, "no log was written");
        return false;
    }
    bool valid = take_file(file, false, out) && take_file(file, true, out);
    fclose(file);
    return valid;
}
