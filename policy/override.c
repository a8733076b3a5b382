/* SPDX-License-Identifier: MIT */
/* SOFTCLOSE_SET and --set: single keys over a whole policy. */
#include <stdio.h>
#include <string.h>

#include "names.h"
#include "rules.h"

enum { LONGEST_ASSIGNMENT = 256 };

static char *trim(char *text)
{
    size_t length;

    text += strspn(text, " \t");
    length = strlen(text);
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        text[--length] = '\0';
    return text;
}

static enum policy_key find_key(const char *name)
{
    unsigned key = 0;

    while (key < KEY_COUNT && strcmp(key_name((enum policy_key)key), name) != 0)
        key++;
    return (enum policy_key)key;
}

static void unknown_key(struct report *report, const char *name)
{
    const char *names[KEY_COUNT + 1];
    char list[400], hint[64];

    for (unsigned key = 0; key < KEY_COUNT; key++)
        names[key] = key_name((enum policy_key)key);
    names[KEY_COUNT] = NULL;
    report_error(report, "unknown key `%.60s`;%s allowed: %s", name,
                 did_you_mean(name, names, hint, sizeof(hint)),
                 joined_words(names, list, sizeof(list)));
}

/* One `key=value`; nothing between two semicolons is fine, as in PATH-like variables. */
static void take_assignment(struct report *report, struct policy *policy, const char *start,
                            size_t length)
{
    char assignment[LONGEST_ASSIGNMENT];
    char *name, *equals;
    enum policy_key key;

    if (length >= sizeof(assignment)) {
        report_error(report, "`%.40s...` is %zu bytes long, at most %d are allowed", start, length,
                     LONGEST_ASSIGNMENT - 1);
        return;
    }
    memcpy(assignment, start, length);
    assignment[length] = '\0';
    for (const char *at = assignment; *at != '\0'; at++) {
        if (((unsigned char)*at < 0x20 && *at != '\t') || *at == 0x7f) {
            report_error(report, "control character 0x%02x", (unsigned)*at);
            return;
        }
    }
    name = trim(assignment);
    if (*name == '\0')
        return;
    equals = strchr(name, '=');
    if (equals == NULL) {
        report_error(report, "expected `key=value`, found `%.60s`", name);
        return;
    }
    *equals = '\0';
    name = trim(name);
    key = find_key(name);
    if (key == KEY_COUNT) {
        unknown_key(report, name);
    } else if (policy->set & (1U << key)) {
        report_error(report, "`%s` is set twice", name);
    } else {
        policy->set |= 1U << key;
        key_value_parse(report, key, trim(equals + 1), &policy->value[key]);
    }
}

const struct policy *policy_override(void *memory, size_t size, const struct policy *base,
                                     const char *source, const char *assignments,
                                     policy_error_fn *error, void *context)
{
    struct report report = {.error = error, .context = context, .file = source};
    struct arena arena = {.start = memory, .size = memory != NULL ? size : 0};
    struct policy *policy = arena_take(&arena, sizeof(*policy));

    if (policy != NULL)
        policy->source = arena_text(&arena, source, strlen(source));
    if (policy == NULL || policy->source == NULL) {
        report_error(&report, "%zu bytes of memory do not suffice", size);
        return NULL;
    }
    policy->base = base;
    policy->mode = base->mode;
    policy->depth = base->base != NULL ? base->depth + 1 : 0;
    if (policy->depth >= MAX_OVERRIDES)
        report_error(&report, "more than %d overrides over each other", MAX_OVERRIDES);
    for (const char *at = assignments;; at++) {
        size_t length = strcspn(at, ";");

        take_assignment(&report, policy, at, length);
        at += length;
        if (*at == '\0')
            break;
    }
    return report.errors == 0 ? policy : NULL;
}
