/* SPDX-License-Identifier: MIT */
/* The keys of contract section 3: how their values are written, read and printed. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "rules.h"

/* In the order of the enumerators of policy.h. */
static const char *const half_close_words[] = {"always", "when-unread", "never", NULL};
static const char *const drain_words[] = {"background", "block", "inline", "none", NULL};
static const char *const on_limit_words[] = {"close", "reset", NULL};
static const char *const linger_zero_words[] = {"forbid", "deny", "log", "allow", NULL};
static const char *const shutdown_both_words[] = {"soften", "log", "allow", NULL};
static const char *const backlog_words[] = {"log", "drain", NULL};
static const char *const events_words[] = {"all", "changes", "resets", "none", NULL};

#define MINUTE UINT64_C(60000)
#define HOUR (60 * MINUTE)
#define TEBIBYTE (UINT64_C(1) << 40)

static const struct key_form forms[KEY_COUNT] = {
    [KEY_HALF_CLOSE] = {"close", "half_close", KIND_WORD, half_close_words, 0, 0},
    [KEY_DRAIN] = {"close", "drain", KIND_WORD, drain_words, 0, 0},
    [KEY_DRAIN_IDLE] = {"close", "drain_idle", KIND_DURATION, NULL, 1, 24 * HOUR},
    [KEY_DRAIN_TOTAL] = {"close", "drain_total", KIND_DURATION, NULL, 1, 24 * HOUR},
    [KEY_DRAIN_BYTES] = {"close", "drain_bytes", KIND_SIZE, NULL, 0, TEBIBYTE},
    [KEY_ON_LIMIT] = {"close", "on_limit", KIND_WORD, on_limit_words, 0, 0},
    [KEY_EXIT_WAIT] = {"close", "exit_wait", KIND_DURATION, NULL, 0, 1 * HOUR},
    [KEY_MAX_DRAINING] = {"close", "max_draining", KIND_NUMBER, NULL, 1, 1000000},
    [KEY_ON_SIGNAL] = {"close", "on_signal", KIND_SIGNALS, NULL, 0, 0},
    [KEY_LINGER_ZERO] = {"linger", "zero", KIND_WORD, linger_zero_words, 0, 0},
    [KEY_SHUTDOWN_BOTH] = {"shutdown", "both", KIND_WORD, shutdown_both_words, 0, 0},
    [KEY_LISTENER_BACKLOG] = {"listener", "backlog", KIND_WORD, backlog_words, 0, 0},
    [KEY_LOG_EVENTS] = {"log", "events", KIND_WORD, events_words, 0, 0},
    [KEY_LOG_SITES] = {"log", "sites", KIND_NUMBER, NULL, 0, 32},
};

struct unit {
    const char *name;
    uint64_t factor;
};

/* Smallest first. */
static const struct unit time_units[] = {{"ms", 1}, {"s", 1000}, {"m", MINUTE}, {NULL, 0}};
static const struct unit size_units[] = {
    {"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0}};
static const struct unit count_units[] = {{"", 1}, {NULL, 0}};

const struct key_form *key_form(enum policy_key key)
{
    return &forms[key];
}

static const struct unit *units_of(enum key_kind kind)
{
    if (kind == KIND_DURATION)
        return time_units;
    return kind == KIND_SIZE ? size_units : count_units;
}

/* "250ms", "1MiB", "12": the largest unit that leaves a whole number. */
static const char *print_amount(const struct unit *units, uint64_t value, char *buffer, size_t size)
{
    const struct unit *best = units;

    for (const struct unit *unit = units; unit->name != NULL && value > 0; unit++) {
        if (value % unit->factor == 0)
            best = unit;
    }
    if (value == 0 && units == time_units)
        snprintf(buffer, size, "0");
    else
        snprintf(buffer, size, "%" PRIu64 "%s", value / best->factor, best->name);
    return buffer;
}

/* What may stand after the `=`, for messages. */
static const char *allowed_values(const struct key_form *form, char *buffer, size_t size)
{
    char low[32], high[32];
    const struct unit *units = units_of(form->kind);
    const char *examples = "";

    if (form->kind == KIND_WORD)
        return joined_words(form->words, buffer, size);
    if (form->kind == KIND_SIGNALS) {
        snprintf(buffer, size,
                 "names of signals that can be caught and end a program by default, "
                 "e.g. TERM, INT; or none");
        return buffer;
    }
    if (form->kind == KIND_DURATION)
        examples = ", written as 250ms, 5s or 1m";
    if (form->kind == KIND_SIZE)
        examples = ", written as 512, 64KiB or 1MiB (0 = no limit)";
    snprintf(buffer, size, "%s to %s%s", print_amount(units, form->low, low, sizeof(low)),
             print_amount(units, form->high, high, sizeof(high)), examples);
    return buffer;
}

static bool bad_value(struct report *report, enum policy_key key, const char *text,
                      const char *hint)
{
    char allowed[200];

    allowed_values(&forms[key], allowed, sizeof(allowed));
    if (text[0] == '\0')
        report_error(report, "`%s` has no value; allowed: %s", key_name(key), allowed);
    else
        report_error(report, "`%.60s` is no value of `%s`;%s allowed: %s", text, key_name(key),
                     hint, allowed);
    return false;
}

static bool parse_word(struct report *report, enum policy_key key, const char *text,
                       uint64_t *value)
{
    char hint[64];
    const char *const *words = forms[key].words;

    for (uint64_t i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0) {
            *value = i;
            return true;
        }
    }
    return bad_value(report, key, text, did_you_mean(text, words, hint, sizeof(hint)));
}

/* Digits and a unit. The number saturates, which no range allows. */
static bool parse_amount(struct report *report, enum policy_key key, const char *text,
                         uint64_t *value)
{
    const struct key_form *form = &forms[key];
    const struct unit *unit = units_of(form->kind);
    const char *end = text;
    char allowed[200];
    uint64_t number = 0;

    for (; *end >= '0' && *end <= '9'; end++) {
        if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
            __builtin_add_overflow(number, (uint64_t)(*end - '0'), &number))
            number = UINT64_MAX;
    }
    if (end == text)
        return bad_value(report, key, text, "");
    while (unit->name != NULL && strcmp(unit->name, end) != 0)
        unit++;
    /* Zero is the same in every unit. */
    if (unit->name == NULL && (*end != '\0' || number != 0))
        return bad_value(report, key, text, "");
    if (unit->name != NULL && __builtin_mul_overflow(number, unit->factor, &number))
        number = UINT64_MAX;
    if (number < form->low || number > form->high) {
        report_error(report, "`%.60s` is out of range for `%s`; allowed: %s", text, key_name(key),
                     allowed_values(form, allowed, sizeof(allowed)));
        return false;
    }
    *value = number;
    return true;
}

/* Can it be caught, and does it end a program that leaves it alone (signal(7))? */
static bool ends_softly(int number)
{
    switch (number) {
    case SIGKILL:
    case SIGSTOP: /* cannot be caught */
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU: /* stop */
    case SIGCONT:
    case SIGCHLD:
    case SIGURG:
    case SIGWINCH: /* go on, or are ignored */
        return false;
    default:
        return true;
    }
}

/* Of a signal written TERM; 0 if there is none of that name. */
static int signal_number(const char *name)
{
    for (int number = 1; number <= SIGSYS; number++) {
        const char *abbreviation = sigabbrev_np(number);

        if (abbreviation != NULL && strcmp(abbreviation, name) == 0)
            return number;
    }
    return 0;
}

/* The bit of a signal written TERM or SIGTERM; 0 if it is none or means nothing to an end. */
static uint64_t signal_bit(const char *name)
{
    int number = signal_number(strncmp(name, "SIG", 3) == 0 ? name + 3 : name);

    return number != 0 && ends_softly(number) ? UINT64_C(1) << (number - 1) : 0;
}

/* In the form that was used: TERM for TREM, SIGTERM for SIGTREM. */
static const char *nearest_signal(const char *name, const char *const *names, char *hint,
                                  size_t size)
{
    bool prefixed = strncmp(name, "SIG", 3) == 0;
    const char *nearest = nearest_word(prefixed ? name + 3 : name, names);

    /* KILL is no slip of the pen for ILL. */
    if (signal_number(prefixed ? name + 3 : name) != 0)
        nearest = NULL;

    hint[0] = '\0';
    if (nearest != NULL)
        snprintf(hint, size, " did you mean `%s%s`?", prefixed ? "SIG" : "", nearest);
    return hint;
}

/* Or's into *value, so that a list may go on over several lines. */
static bool parse_signals(struct report *report, enum policy_key key, const char *text,
                          uint64_t *value)
{
    struct text rest = {text, strlen(text)}, item;
    const char *names[SIGSYS + 1];
    size_t count = 0;

    if (strcmp(text, "none") == 0)
        return true;
    for (int number = 1; number <= SIGSYS; number++) {
        if (sigabbrev_np(number) != NULL && ends_softly(number))
            names[count++] = sigabbrev_np(number);
    }
    names[count] = NULL;
    while (next_of_list(&rest, &item)) {
        char name[64], hint[64];
        uint64_t bit;

        snprintf(name, sizeof(name), "%.*s", (int)(item.length < 60 ? item.length : 60),
                 item.start);
        bit = signal_bit(name);
        if (bit == 0)
            return bad_value(report, key, name[0] != '\0' ? name : text,
                             nearest_signal(name, names, hint, sizeof(hint)));
        *value |= bit;
    }
    return true;
}

bool key_value_parse(struct report *report, enum policy_key key, const char *text, uint64_t *value)
{
    switch (forms[key].kind) {
    case KIND_WORD:
        return parse_word(report, key, text, value);
    case KIND_SIGNALS:
        return text[0] != '\0' ? parse_signals(report, key, text, value)
                               : bad_value(report, key, text, "");
    default:
        return parse_amount(report, key, text, value);
    }
}

static const char *print_signals(uint64_t signals, char *buffer, size_t size)
{
    size_t used = 0;

    snprintf(buffer, size, "none");
    for (int number = 1; number <= SIGSYS && used < size; number++) {
        int added;

        if (!(signals & (UINT64_C(1) << (number - 1))))
            continue;
        added = snprintf(buffer + used, size - used, "%s%s", used > 0 ? ", " : "",
                         sigabbrev_np(number));
        used += added > 0 ? (size_t)added : 0;
    }
    return buffer;
}

const char *value_name(const struct settings *settings, enum policy_key key, char *buffer,
                       size_t size)
{
    uint64_t value = settings_get(settings, key);
    const struct key_form *form = &forms[key];

    if (form->kind == KIND_SIGNALS)
        return print_signals(value, buffer, size);
    if (form->kind != KIND_WORD)
        return print_amount(units_of(form->kind), value, buffer, size);
    snprintf(buffer, size, "%s", form->words[value]);
    return buffer;
}
