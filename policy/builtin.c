/* SPDX-License-Identifier: MIT */
/* The built-in policy (contract section 3), and the way between struct settings and plain values.
 */
#include "rules.h"

#define SECOND UINT64_C(1000)
#define MEBIBYTE (UINT64_C(1) << 20)

/* A zeroed policy has no rules and sets nothing: what is left is builtin_value(). */
static const struct policy builtin[] = {
    [MODE_OFF] = {.mode = MODE_OFF},
    [MODE_AUDIT] = {.mode = MODE_AUDIT},
    [MODE_ENFORCE] = {.mode = MODE_ENFORCE},
};

static const uint64_t builtin_values[KEY_COUNT] = {
    [KEY_HALF_CLOSE] = HALF_CLOSE_ALWAYS,
    [KEY_DRAIN] = DRAIN_BACKGROUND,
    [KEY_DRAIN_IDLE] = 5 * SECOND,
    [KEY_DRAIN_TOTAL] = 30 * SECOND,
    [KEY_DRAIN_BYTES] = 0,
    [KEY_ON_LIMIT] = ON_LIMIT_CLOSE,
    [KEY_EXIT_WAIT] = 2 * SECOND,
    [KEY_MAX_DRAINING] = 4096,
    [KEY_ON_SIGNAL] = 0,
    [KEY_LINGER_ZERO] = LINGER_ZERO_FORBID,
    [KEY_SHUTDOWN_BOTH] = SHUTDOWN_BOTH_SOFTEN,
    [KEY_LISTENER_BACKLOG] = BACKLOG_LOG,
    [KEY_LOG_EVENTS] = LOG_CHANGES,
    [KEY_LOG_SITES] = 8,
};

const struct policy *policy_builtin(enum policy_mode mode)
{
    return &builtin[mode <= MODE_ENFORCE ? mode : MODE_OFF];
}

uint64_t builtin_value(enum policy_mode mode, enum role role, enum policy_key key)
{
    /* A client that walks away owes the server less patience than a server owes its clients. */
    if (role == ROLE_CONNECTED) {
        if (key == KEY_DRAIN_IDLE)
            return 1 * SECOND;
        if (key == KEY_DRAIN_TOTAL)
            return 5 * SECOND;
        if (key == KEY_DRAIN_BYTES)
            return 1 * MEBIBYTE;
    }
    if (key == KEY_LOG_EVENTS && mode == MODE_AUDIT)
        return LOG_ALL;
    return builtin_values[key];
}

void settings_set(struct settings *settings, enum policy_key key, uint64_t value, unsigned source)
{
    switch (key) {
    case KEY_HALF_CLOSE:
        settings->half_close = (enum half_close)value;
        break;
    case KEY_DRAIN:
        settings->drain = (enum drain_manner)value;
        break;
    case KEY_DRAIN_IDLE:
        settings->drain_idle_ms = (uint32_t)value;
        break;
    case KEY_DRAIN_TOTAL:
        settings->drain_total_ms = (uint32_t)value;
        break;
    case KEY_DRAIN_BYTES:
        settings->drain_bytes = value;
        break;
    case KEY_ON_LIMIT:
        settings->on_limit = (enum on_limit)value;
        break;
    case KEY_EXIT_WAIT:
        settings->exit_wait_ms = (uint32_t)value;
        break;
    case KEY_MAX_DRAINING:
        settings->max_draining = (uint32_t)value;
        break;
    case KEY_ON_SIGNAL:
        settings->on_signal = value;
        break;
    case KEY_LINGER_ZERO:
        settings->linger_zero = (enum linger_zero)value;
        break;
    case KEY_SHUTDOWN_BOTH:
        settings->shutdown_both = (enum shutdown_both)value;
        break;
    case KEY_LISTENER_BACKLOG:
        settings->backlog = (enum listener_backlog)value;
        break;
    case KEY_LOG_EVENTS:
        settings->events = (enum log_events)value;
        break;
    case KEY_LOG_SITES:
        settings->sites = (uint8_t)value;
        break;
    default:
        return;
    }
    settings->source[key] = (uint16_t)source;
}

uint64_t settings_get(const struct settings *settings, enum policy_key key)
{
    switch (key) {
    case KEY_HALF_CLOSE:
        return settings->half_close;
    case KEY_DRAIN:
        return settings->drain;
    case KEY_DRAIN_IDLE:
        return settings->drain_idle_ms;
    case KEY_DRAIN_TOTAL:
        return settings->drain_total_ms;
    case KEY_DRAIN_BYTES:
        return settings->drain_bytes;
    case KEY_ON_LIMIT:
        return settings->on_limit;
    case KEY_EXIT_WAIT:
        return settings->exit_wait_ms;
    case KEY_MAX_DRAINING:
        return settings->max_draining;
    case KEY_ON_SIGNAL:
        return settings->on_signal;
    case KEY_LINGER_ZERO:
        return settings->linger_zero;
    case KEY_SHUTDOWN_BOTH:
        return settings->shutdown_both;
    case KEY_LISTENER_BACKLOG:
        return settings->backlog;
    case KEY_LOG_EVENTS:
        return settings->events;
    case KEY_LOG_SITES:
        return settings->sites;
    default:
        return 0;
    }
}
