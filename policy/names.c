/* SPDX-License-Identifier: MIT */
/* The words of contract sections 3 and 4; see names.h. No stdio: events are written in close(). */
#include "names.h"

#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const char *const proto_words[] = {
    [PROTO_TCP] = "tcp",
    [PROTO_MPTCP] = "mptcp",
    [PROTO_UNIX] = "unix",
    [PROTO_OTHER] = "other",
};

static const char *const type_words[] = {
    [TYPE_STREAM] = "stream",
    [TYPE_SEQPACKET] = "seqpacket",
    [TYPE_DATAGRAM] = "datagram",
};

static const char *const role_words[] = {
    [ROLE_ANY] = "any",
    [ROLE_ACCEPTED] = "accepted",
    [ROLE_CONNECTED] = "connected",
    [ROLE_INHERITED] = "inherited",
};

/* As ss(8) and tcp_states.h spell them. */
static const char *const state_words[] = {
    [STATE_UNKNOWN] = "UNKNOWN",       [STATE_ESTABLISHED] = "ESTABLISHED",
    [STATE_SYN_SENT] = "SYN_SENT",     [STATE_SYN_RECV] = "SYN_RECV",
    [STATE_FIN_WAIT1] = "FIN_WAIT1",   [STATE_FIN_WAIT2] = "FIN_WAIT2",
    [STATE_TIME_WAIT] = "TIME_WAIT",   [STATE_CLOSE] = "CLOSE",
    [STATE_CLOSE_WAIT] = "CLOSE_WAIT", [STATE_LAST_ACK] = "LAST_ACK",
    [STATE_LISTEN] = "LISTEN",         [STATE_CLOSING] = "CLOSING",
};

static const char *const holders_words[] = {
    [HOLDERS_UNKNOWN] = "unknown",
    [HOLDERS_SHARED] = "shared",
    [HOLDERS_LAST] = "last",
};

static const char *const shut_words[] = {
    [SHUT_NONE] = "none",
    [SHUT_READ] = "rd",
    [SHUT_WRITE] = "wr",
    [SHUT_BOTH] = "both",
};

static const char *const outcome_words[OUTCOME_COUNT] = {
    [OUTCOME_RELEASED] = "released", [OUTCOME_NONE] = "none",   [OUTCOME_FIN] = "fin",
    [OUTCOME_EXPOSED] = "exposed",   [OUTCOME_RESET] = "reset", [OUTCOME_INVALID] = "invalid",
};

static const char *const cause_words[CAUSE_COUNT] = {
    [CAUSE_NULL] = "",
    [CAUSE_UNCONNECTED] = "unconnected",
    [CAUSE_CONNECTING] = "connecting",
    [CAUSE_ALREADY_RESET] = "already-reset",
    [CAUSE_FINISHED] = "finished",
    [CAUSE_DATAGRAM] = "datagram",
    [CAUSE_PEER_OPEN] = "peer-open",
    [CAUSE_UNREAD] = "unread",
    [CAUSE_LINGER_ZERO] = "linger-zero",
    [CAUSE_BACKLOG] = "backlog",
    [CAUSE_LINGER2] = "linger2",
    [CAUSE_SHUTDOWN_BOTH] = "shutdown-both",
    [CAUSE_DISCONNECT] = "disconnect",
    [CAUSE_BAD_FD] = "bad-fd",
};

static const char *const drain_result_words[DRAIN_RESULT_COUNT] = {
    [DRAIN_UNDER_WAY] = "under-way", [DRAIN_EOF] = "eof",     [DRAIN_IDLE] = "idle",
    [DRAIN_TOTAL] = "total",         [DRAIN_BYTES] = "bytes", [DRAIN_EVICTED] = "evicted",
    [DRAIN_EXIT] = "exit",           [DRAIN_ERROR] = "error",
};

static const char *const key_words[KEY_COUNT] = {
    [KEY_HALF_CLOSE] = "close.half_close",   [KEY_DRAIN] = "close.drain",
    [KEY_DRAIN_IDLE] = "close.drain_idle",   [KEY_DRAIN_TOTAL] = "close.drain_total",
    [KEY_DRAIN_BYTES] = "close.drain_bytes", [KEY_ON_LIMIT] = "close.on_limit",
    [KEY_EXIT_WAIT] = "close.exit_wait",     [KEY_MAX_DRAINING] = "close.max_draining",
    [KEY_ON_SIGNAL] = "close.on_signal",     [KEY_LINGER_ZERO] = "linger.zero",
    [KEY_SHUTDOWN_BOTH] = "shutdown.both",   [KEY_LISTENER_BACKLOG] = "listener.backlog",
    [KEY_LOG_EVENTS] = "log.events",         [KEY_LOG_SITES] = "log.sites",
};

/* Bit N of enum action is called action_words[N]. */
static const char *const action_words[] = {
    "drain-background", "drain-block", "drain-inline", "half-close",
    "linger-off",       "denied",      "softened",     "backlog-drained",
};

static const char *word_of(const char *const *words, size_t count, size_t value)
{
    return value < count ? words[value] : "unknown";
}

static int value_of(const char *const *words, size_t count, const char *word)
{
    for (size_t i = 0; word != NULL && i < count; i++) {
        if (strcmp(words[i], word) == 0)
            return (int)i;
    }
    return -1;
}

const char *proto_name(enum proto proto)
{
    return word_of(proto_words, COUNT_OF(proto_words), proto);
}

const char *type_name(enum sock_type type)
{
    return word_of(type_words, COUNT_OF(type_words), type);
}

const char *role_name(enum role role)
{
    return word_of(role_words, COUNT_OF(role_words), role);
}

const char *state_name(enum tcp_state state)
{
    return word_of(state_words, COUNT_OF(state_words), state);
}

const char *holders_name(enum holders holders)
{
    return word_of(holders_words, COUNT_OF(holders_words), holders);
}

const char *shut_name(enum shut shut)
{
    return word_of(shut_words, COUNT_OF(shut_words), shut);
}

const char *outcome_name(enum outcome outcome)
{
    return word_of(outcome_words, COUNT_OF(outcome_words), outcome);
}

const char *cause_name(enum cause cause)
{
    return word_of(cause_words, COUNT_OF(cause_words), cause);
}

const char *drain_result_name(enum drain_result result)
{
    return word_of(drain_result_words, COUNT_OF(drain_result_words), result);
}

const char *key_name(enum policy_key key)
{
    return key < KEY_COUNT ? key_words[key] : "";
}

const char *actions_name(unsigned actions, char *buffer, size_t size)
{
    size_t used = 0;

    if (size == 0)
        return "";
    for (size_t bit = 0; bit < COUNT_OF(action_words); bit++) {
        if (!(actions & (1U << bit)))
            continue;
        if (used > 0 && used + 1 < size)
            buffer[used++] = '+';
        for (const char *from = action_words[bit]; *from != '\0' && used + 1 < size; from++)
            buffer[used++] = *from;
    }
    if (used == 0) {
        for (const char *from = "pass"; *from != '\0' && used + 1 < size; from++)
            buffer[used++] = *from;
    }
    buffer[used] = '\0';
    return buffer;
}

int proto_from(const char *word)
{
    return value_of(proto_words, COUNT_OF(proto_words), word);
}

int type_from(const char *word)
{
    return value_of(type_words, COUNT_OF(type_words), word);
}

int role_from(const char *word)
{
    return value_of(role_words, COUNT_OF(role_words), word);
}

int state_from(const char *word)
{
    return value_of(state_words, COUNT_OF(state_words), word);
}

int holders_from(const char *word)
{
    return value_of(holders_words, COUNT_OF(holders_words), word);
}

int shut_from(const char *word)
{
    return value_of(shut_words, COUNT_OF(shut_words), word);
}

int outcome_from(const char *word)
{
    return value_of(outcome_words, COUNT_OF(outcome_words), word);
}

int cause_from(const char *word)
{
    return value_of(cause_words, COUNT_OF(cause_words), word);
}

int drain_result_from(const char *word)
{
    return value_of(drain_result_words, COUNT_OF(drain_result_words), word);
}

/* The bit of the first `length` bytes of `word`, or 0. */
static int action_bit(const char *word, size_t length)
{
    for (size_t bit = 0; bit < COUNT_OF(action_words); bit++) {
        if (strlen(action_words[bit]) == length && memcmp(action_words[bit], word, length) == 0)
            return 1 << bit;
    }
    return 0;
}

int actions_from(const char *words)
{
    int actions = 0;

    if (words == NULL)
        return -1;
    if (strcmp(words, "pass") == 0)
        return ACTION_PASS;
    for (const char *word = words;; word++) {
        size_t length = strcspn(word, "+");
        int bit = action_bit(word, length);

        if (bit == 0)
            return -1;
        actions |= bit;
        word += length;
        if (*word == '\0')
            return actions;
    }
}
