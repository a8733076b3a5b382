/* SPDX-License-Identifier: MIT */
#include "event_fields.h"

#include <string.h>

#include "events.h"

#define TEXT(name, member)                                                                         \
    {                                                                                              \
        name, FIELD_TEXT, offsetof(struct event, member)                                           \
    }
#define NUMBER(name, member)                                                                       \
    {                                                                                              \
        name, FIELD_NUMBER, offsetof(struct event, member)                                         \
    }

#define FLAG(name, member)                                                                         \
    {                                                                                              \
        name, FIELD_FLAG, offsetof(struct event, member)                                           \
    }

/* By length of the name: by_length() finds the first of each. */
/* clang-format off */
static const struct field fields[] = {
    NUMBER("v", version), TEXT("ts", ts), NUMBER("ms", ms), NUMBER("rx", rx), NUMBER("tx", tx),
    NUMBER("pid", pid), NUMBER("tid", tid), TEXT("exe", exe), TEXT("via", via), TEXT("how", how),
    TEXT("path", path), TEXT("mode", mode), TEXT("peer", peer), TEXT("code", code),
    TEXT("text", text), TEXT("rule", rule), TEXT("shut", shut), TEXT("type", type),
    TEXT("role", role), TEXT("event", event), TEXT("cause", cause), TEXT("would", would),
    TEXT("errno", error), TEXT("state", state), TEXT("proto", proto), TEXT("local", local),
    TEXT("ended", ended), NUMBER("count", count), TEXT("action", action), TEXT("result", result),
    NUMBER("linger", linger), NUMBER("unread", unread), NUMBER("unsent", unsent),
    NUMBER("unseen", unseen), FLAG("urgent", urgent), FLAG("record", record),
    TEXT("outcome", outcome), TEXT("holders", holders), NUMBER("backlog", backlog),
    NUMBER("drained", drained), NUMBER("unacked", unacked), NUMBER("notsent", notsent),
    NUMBER("linger2", linger2), FLAG("at_exit", at_exit), FLAG("awaited", awaited),
    FLAG("peer_fin", peer_fin), NUMBER("unwritten", unwritten), FLAG("peer_gone", peer_gone), FLAG("late_data", late_data),
    FLAG("no_thread", no_thread), FLAG("unflushed", unflushed),
    FLAG("was_connected", was_connected), FLAG("pending_error", pending_error),
    FLAG("epoll_uncertain", epoll_uncertain),
};
/* clang-format on */

enum { FIELD_COUNT = sizeof fields / sizeof *fields, FIELD_LENGTHS = 16 };

/* The first field whose name is at least as long; found once. */
static const struct field *const *by_length(void)
{
    static const struct field *first[FIELD_LENGTHS + 1];
    size_t at = 0;
    if (first[0])
        return first;
    for (size_t length = 0; length <= FIELD_LENGTHS; length++) {
        while (at < FIELD_COUNT && strlen(fields[at].name) < length)
            at++;
        first[length] = fields + at;
    }
    return first;
}

const struct field *event_field(const char *name, size_t length)
{
    const struct field *const *first = by_length();
    if (length == 0 || length >= FIELD_LENGTHS)
        return NULL;
    for (const struct field *at = first[length]; at < first[length + 1]; at++)
        /* The first byte alone tells most apart, without a call. */
        if (at->name[0] == name[0] && memcmp(at->name, name, length) == 0)
            return at;
    return NULL;
}
