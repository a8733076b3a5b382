/* SPDX-License-Identifier: MIT */
#include "event_facts.h"

#include <string.h>

#include "policy/names.h"

bool event_was_decided(const struct event *event)
{
    return event->kind == EVENT_CLOSE || event->kind == EVENT_SHUTDOWN ||
           event->kind == EVENT_LINGER;
}

static enum operation operation_of(const struct event *event)
{
    if (event->kind == EVENT_SHUTDOWN)
        return OP_SHUTDOWN;
    if (event->kind == EVENT_LINGER)
        return OP_LINGER;
    return event->via && strcmp(event->via, "connect") == 0 ? OP_DISCONNECT : OP_CLOSE;
}

/* The words of an event; each with what it means when it is missing. */
struct words {
    const char *field, *value;
    int (*from)(const char *);
    int otherwise, found;
};

static bool read_words(struct words *words, size_t count, const char **field, const char **value)
{
    for (size_t i = 0; i < count; i++) {
        words[i].found = words[i].value ? words[i].from(words[i].value) : words[i].otherwise;
        if (words[i].found < 0) {
            *field = words[i].field;
            *value = words[i].value;
            return false;
        }
    }
    return true;
}

static bool read_endpoint(const char *name, const char *text, struct endpoint *endpoint,
                          const char **field, const char **value)
{
    if (!text || endpoint_parse(text, endpoint))
        return true;
    *field = name;
    *value = text;
    return false;
}

/* Counts of bytes and connections, and seconds that fit into what the kernel has for them. */
static bool read_numbers(const struct event *event, const char **field, const char **value)
{
    const struct {
        const char *name;
        int64_t value, low, high;
    } numbers[] = {
        {"unread", event->unread, 0, INT64_MAX},
        {"unsent", event->unsent, 0, INT64_MAX},
        {"notsent", event->notsent, 0, INT64_MAX},
        {"backlog", event->backlog, 0, UINT32_MAX},
        {"linger", event->linger, -1, INT32_MAX},
        {"linger2", event->linger2, INT32_MIN, INT32_MAX},
    };

    *field = event->mistyped;
    *value = "another kind of value";
    if (event->mistyped)
        return false;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        *field = numbers[i].name;
        *value = "a number out of range";
        if (numbers[i].value < numbers[i].low || numbers[i].value > numbers[i].high)
            return false;
    }
    return true;
}

bool event_facts(const struct event *event, struct facts *facts, const char **field,
                 const char **value)
{
    enum { PROTO, TYPE, ROLE, STATE, HOLDERS, SHUT, HOW, ENDED, WORDS };
    struct words words[WORDS] = {
        [PROTO] = {"proto", event->proto, proto_from, PROTO_TCP, 0},
        [TYPE] = {"type", event->type, type_from, TYPE_STREAM, 0},
        [ROLE] = {"role", event->role, role_from, ROLE_ANY, 0},
        [STATE] = {"state", event->state, state_from, STATE_UNKNOWN, 0},
        [HOLDERS] = {"holders", event->holders, holders_from, HOLDERS_UNKNOWN, 0},
        [SHUT] = {"shut", event->shut, shut_from, SHUT_NONE, 0},
        [HOW] = {"how", event->how, shut_from, SHUT_NONE, 0},
        [ENDED] = {"ended", event->ended, drain_result_from, DRAIN_UNDER_WAY, 0},
    };
    if (!read_numbers(event, field, value) || !read_words(words, WORDS, field, value))
        return false;
    *facts = (struct facts){
        .op = operation_of(event),
        .proto = (enum proto)words[PROTO].found,
        .type = (enum sock_type)words[TYPE].found,
        .role = (enum role)words[ROLE].found,
        .state = (enum tcp_state)words[STATE].found,
        .holders = (enum holders)words[HOLDERS].found,
        .shut = (enum shut)words[SHUT].found,
        .how = (enum shut)words[HOW].found,
        .unread = event->unread,
        .unsent = event->unsent,
        .notsent = event->notsent,
        .rx = event->rx,
        .tx = event->tx,
        .linger = (int32_t)event->linger,
        .linger2 = (int32_t)event->linger2,
        .backlog = (uint32_t)event->backlog,
        .urgent = event->urgent,
        .record = event->record,
        .peer_fin = event->peer_fin,
        .peer_gone = event->peer_gone,
        .was_connected = event->was_connected,
        .pending_error = event->pending_error,
        .late_data = event->late_data,
        .at_exit = event->at_exit,
        .awaited = event->awaited,
        .unflushed = event->unflushed,
        .no_thread = event->no_thread,
        .epoll_uncertain = event->epoll_uncertain,
        .ended = (enum drain_result)words[ENDED].found,
        /* A close of a number that was not open has no facts of a socket. */
        .bad_fd = event->kind == EVENT_CLOSE && !event->state && event->error &&
                  strcmp(event->error, "EBADF") == 0,
    };
    return read_endpoint("local", event->local, &facts->local, field, value) &&
           read_endpoint("peer", event->peer, &facts->peer, field, value);
}
