/* SPDX-License-Identifier: MIT */
/*
 * Events read back from a log (softclose-events(5)), one at a time, in constant memory.
 *
 * A reader takes whatever is in a file: lines that are no event are handed out as EVENT_BAD with
 * the reason, and reading goes on behind them.
 */
#ifndef SOFTCLOSE_TOOLS_EVENTS_H
#define SOFTCLOSE_TOOLS_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lines.h"

enum event_kind {
    EVENT_PROCESS,
    EVENT_CLOSE,
    EVENT_SHUTDOWN,
    EVENT_LINGER,
    EVENT_DRAIN,
    EVENT_SUMMARY,
    EVENT_NOTE,
    EVENT_OTHER, /* of a later version: not an error */
};

/* Where one module (program or library) is mapped in a process. */
struct mapped {
    uint64_t base, end; /* end 0 = not told */
    const char *module, *build_id;
};

/* What a report needs of an event. A text is NULL when the field is missing or null, and lives
 * until the next events_next(). */
struct event {
    enum event_kind kind;
    int64_t version, pid, tid;
    int64_t unread, unsent, backlog, count, unwritten, unseen;
    int64_t rx, tx, notsent, linger2;
    int64_t linger; /* seconds, -1 = off or not told */
    int64_t drained, unacked, ms;
    uint64_t site;          /* innermost return address, 0 = none */
    uint64_t closes;        /* summary: the sum of its closes */
    uint64_t already_reset; /* summary: closes with this cause */
    const char *event, *ts, *exe, *path, *mode, *peer, *via, *how, *outcome, *cause, *action,
        *would, *rule, *proto, *holders, *shut, *state, *result, *error, *code, *text, *policy,
        *ended, *type, *role, *local;
    bool unflushed, no_thread, epoll_uncertain;
    bool peer_fin, urgent, record, peer_gone, was_connected, pending_error, late_data, at_exit,
        awaited;
    const char *mistyped; /* a field that holds another kind of value than events have there */
    const struct mapped *maps;
    size_t map_count;
};

enum events_result {
    EVENTS_EVENT,
    EVENTS_BAD,       /* not an event: see reader->reason */
    EVENTS_TRUNCATED, /* the last line breaks off: the writer was killed, or is at it */
    EVENTS_END,
    EVENTS_ERROR, /* read failed: reader->lines.error */
};

struct events_reader {
    struct lines lines;
    const char *reason;
    const char *rest; /* of the line, behind the half of an event: NULL = none */
    size_t rest_length;
    struct parse *parse;
};

/* Reads events from `text` in place of a file. Returns 0 or an errno. */
int events_open_text(struct events_reader *reader, const char *text);

/* `path` "-" is stdin. Starts at byte `from`. Returns 0 or an errno. */
int events_open(struct events_reader *reader, const char *path, int64_t from);
void events_close(struct events_reader *reader);
enum events_result events_next(struct events_reader *reader, struct event *event);

#endif
