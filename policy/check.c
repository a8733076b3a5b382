/* SPDX-License-Identifier: MIT */
/*
 * Rules that can never have an effect: their matchers exclude each other, or earlier rules that
 * match at least as much already set every key. Only what is certain is reported.
 */
#include <string.h>
#include <sys/socket.h>

#include "covers.h"
#include "names.h"

enum { INET4 = 1, INET6 = 2, UNIX = 4, EVERY = 7 };

/* The families that an endpoint list lets through. IPv4 inside IPv6 counts as IPv4 (match.c). */
static unsigned families_of(const struct endpoint_pattern *list)
{
    unsigned families = 0;

    if (list == NULL)
        return EVERY;
    for (; list != NULL; list = list->next) {
        if (list->any_family)
            families |= EVERY;
        else if (list->family == AF_UNIX)
            families |= UNIX;
        else if (list->family == AF_INET)
            families |= INET4;
        else if (list->family == AF_INET6)
            families |= INET6;
        else
            families |= INET4 | INET6;
    }
    return families;
}

static bool can_match(const struct rule *rule)
{
    unsigned families = families_of(rule->local) & families_of(rule->peer);

    if (rule->protos != 0) {
        unsigned of_protos = 0;

        if (rule->protos & (1U << PROTO_UNIX))
            of_protos |= UNIX;
        if (rule->protos & ((1U << PROTO_TCP) | (1U << PROTO_MPTCP)))
            of_protos |= INET4 | INET6;
        families &= of_protos;
    }
    return families != 0;
}

/* How a rule compares with those before it. */
struct earlier {
    uint8_t beyond[MAX_RULES]; /* rule_beyond() of each */
    const struct rule *last;   /* the one that set the last key that was left, NULL: several */
    uint64_t steps;
};

/* The keys of `keys` (bits) that earlier rules leave to this one. */
static uint32_t keys_left(const struct policy *policy, const struct rule *rule, uint32_t keys,
                          struct earlier *earlier)
{
    size_t index = 0;

    for (const struct rule *one = policy->rules; keys != 0 && one != rule; one = one->next) {
        uint8_t *beyond = &earlier->beyond[index++];

        *beyond = UINT8_MAX;
        if (one->broken || !(one->set & keys))
            continue;
        *beyond = (uint8_t)rule_beyond(one, rule, &earlier->steps);
        if (*beyond != 0)
            continue;
        keys &= ~one->set;
        earlier->last = one;
    }
    for (unsigned key = 0; key < KEY_COUNT && earlier->steps <= MOST_STEPS; key++) {
        if (!(keys & (1U << key)))
            continue;
        if (!rules_cover_together(policy, rule, earlier->beyond, (enum policy_key)key))
            break;
        keys &= ~(1U << key);
        earlier->last = NULL;
    }
    return keys;
}

bool rule_can_apply(const struct policy *policy, const struct rule *rule, uint32_t left_out)
{
    struct earlier earlier = {.steps = 0};

    return keys_left(policy, rule, rule->set & ~left_out, &earlier) != 0;
}

/* These are of the whole program, and looked up with nothing known but the program. */
static void check_program_keys(struct report *report, const struct rule *rule)
{
    static const enum policy_key keys[] = {KEY_EXIT_WAIT, KEY_ON_SIGNAL};
    enum matcher matcher = MATCH_PROGRAM;

    while (++matcher < MATCH_COUNT && (rule->matcher_line[matcher] == 0 ||
                                       (matcher == MATCH_ROLE && rule->roles == ANY_ROLE))) {
    }
    for (size_t i = 0; matcher < MATCH_COUNT && i < sizeof(keys) / sizeof(*keys); i++)
        if (rule->set & (1U << keys[i]))
            report_error_at(
                report, rule->key_line[keys[i]],
                "`%s` can never apply in rule `%s`, which matches by `%s`: it is of the "
                "whole program; put it into a rule of `program` alone or into [close]",
                key_name(keys[i]), rule->name, matcher_names[matcher]);
}

static void check_rule(struct report *report, const struct policy *policy, const struct rule *rule,
                       struct earlier *earlier)
{
    if (rule->set == 0) {
        report_error_at(report, rule->line, "rule `%s` sets no key", rule->name);
        return;
    }
    if (!can_match(rule)) {
        report_error_at(report, rule->line,
                        "rule `%s` can never match: its proto, local and peer exclude each other",
                        rule->name);
        return;
    }
    check_program_keys(report, rule);
    earlier->last = NULL;
    if (keys_left(policy, rule, rule->set, earlier) != 0)
        return;
    if (earlier->last == NULL)
        report_error_at(report, rule->line,
                        "rule `%s` can never apply: the rules before it match at least as much "
                        "together and set every key that this one sets",
                        rule->name);
    else
        report_error_at(report, rule->line,
                        "rule `%s` can never apply: rule `%s` (line %d) comes first, matches at "
                        "least as much and sets %s",
                        rule->name, earlier->last->name, earlier->last->line,
                        rule->set & ~earlier->last->set ? "the last of its keys that was left"
                                                        : "every key that this one sets");
}

void check_rules(struct report *report, const struct policy *policy)
{
    struct earlier earlier = {.steps = 0};

    for (const struct rule *rule = policy->rules; rule != NULL; rule = rule->next) {
        if (!rule->broken)
            check_rule(report, policy, rule, &earlier);
        if (earlier.steps > MOST_STEPS) {
            report_error_at(report, rule->line,
                            "the rules up to `%s` have too many values to compare them with each "
                            "other; use networks, ranges of ports and globs in place of lists",
                            rule->name);
            return;
        }
    }
}
