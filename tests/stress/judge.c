/* SPDX-License-Identifier: MIT */
#include "judging.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const exemption_names[EXEMPTIONS] = {
    "the peer left by itself",
    "never accepted",
    "sent over a UNIX socket",
    "disconnected by the program",
    "reading half shut by the program",
    "held by a killed process",
    "given up by close_range(UNSHARE) beside threads",
    "SHUT_RDWR by one of several holders",
    "closed by fclose() that could not flush",
    "closed while another thread was in a read",
    "passed on by exec, and a descriptor was in flight",
    "peer goes on beyond close.exit_wait",
    "late data, and an epoll set beside several descriptors",
    "passed on by exec, while something waits where it cannot be looked into",
    "result on a softened connection",
    "result on the other end, which gets no reset now",
    "linger 0 denied",
    "audit: resets between two ends that one close_range() closes",
};

const char *const failure_names[FAILURES] = {
    "fine",
    "audit differs",
    "enforce returns something else",
    "enforce lost bytes or EOF",
    "enforce let a reset out",
    "did not come to an end",
};

const char *policy_of(const struct program *program)
{
#define LIMITS "close.exit_wait=500ms;close.drain_idle=20s;close.drain_total=60s"
    switch (program->seed % 8) {
    case 1:
        return LIMITS ";linger.zero=deny";
    case 2:
        return LIMITS ";listener.backlog=drain";
    case 3:
        return LIMITS ";log.events=all";
    default:
        return LIMITS;
    }
}

bool policy_denies(const struct program *program)
{
    return program->seed % 8 == 1;
}

enum failure failed(enum failure failure, char *why, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(why, WHY_ROOM, format, list);
    va_end(list);
    return failure;
}

const char *line_of(const char **text, char *line, size_t size)
{
    size_t length = strcspn(*text, "\n");

    snprintf(line, size, "%.*s", (int)length, *text);
    *text += length + ((*text)[length] == '\n');
    return length == 0 && **text == '\0' ? NULL : line;
}

const char *connection_text(const struct connection *c, char *text, size_t size)
{
    static const char *const ends[] = {"open", "EOF", "ECONNRESET", "other"};
    snprintf(text, size, "wrote %llu (%08x), peer got %llu (%08x) %s %d, peer:%s",
             (unsigned long long)c->sent, (unsigned)c->sent_digest, (unsigned long long)c->got,
             (unsigned)c->got_digest, ends[c->end], c->error, c->story);
    return text;
}

bool has(const struct program *program, enum operation operation)
{
    for (size_t i = 0; i < program->count; i++)
        if (program->steps[i].operation == operation)
            return true;
    return false;
}
