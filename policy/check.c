/* SPDX-License-Identifier: MIT */
/*
 * Rules that can never have an effect: their matchers exclude each other, or earlier rules that
 * match at least as much already set every key. Only what is certain is reported.
 */
#include <string.h>
#include <sys/socket.h>

#include "names.h"
#include "rules.h"

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

static bool same_text(struct text a, struct text b)
{
    return a.length == b.length && memcmp(a.start, b.start, a.length) == 0;
}

static bool glob_covers(struct text wide, struct text narrow)
{
    if (same_text(wide, narrow) || (wide.length == 1 && wide.start[0] == '*'))
        return true;
    return glob_is_literal(narrow) && glob_match(wide, narrow);
}

static bool programs_cover(const struct program_pattern *wide, const struct program_pattern *narrow)
{
    if (wide == NULL)
        return true;
    if (narrow == NULL)
        return false;
    for (; narrow != NULL; narrow = narrow->next) {
        const struct program_pattern *one = wide;

        while (one != NULL && !glob_covers(one->glob, narrow->glob))
            one = one->next;
        if (one == NULL)
            return false;
    }
    return true;
}

static bool endpoint_covers(const struct endpoint_pattern *wide,
                            const struct endpoint_pattern *narrow)
{
    if (wide->any_family)
        return true;
    if (narrow->any_family)
        return false;
    if (wide->family == AF_UNIX || narrow->family == AF_UNIX)
        return wide->family == narrow->family && glob_covers(wide->glob, narrow->glob);
    if (narrow->port_from < wide->port_from || narrow->port_to > wide->port_to)
        return false;
    if (wide->family == AF_UNSPEC)
        return true;
    return wide->family == narrow->family && wide->prefix <= narrow->prefix &&
           address_in_prefix(narrow->address, wide->address, wide->prefix);
}

static bool endpoints_cover(const struct endpoint_pattern *wide,
                            const struct endpoint_pattern *narrow)
{
    if (wide == NULL)
        return true;
    if (narrow == NULL)
        return false;
    for (; narrow != NULL; narrow = narrow->next) {
        const struct endpoint_pattern *one = wide;

        while (one != NULL && !endpoint_covers(one, narrow))
            one = one->next;
        if (one == NULL)
            return false;
    }
    return true;
}

static bool bits_cover(unsigned wide, unsigned narrow)
{
    return wide == 0 || wide == ANY_ROLE || (narrow != 0 && (narrow & ~wide) == 0);
}

/* Whether `wide` matches every connection that `narrow` matches. */
static bool rule_covers(const struct rule *wide, const struct rule *narrow)
{
    return bits_cover(wide->roles, narrow->roles) && bits_cover(wide->protos, narrow->protos) &&
           endpoints_cover(wide->peer, narrow->peer) &&
           endpoints_cover(wide->local, narrow->local) &&
           programs_cover(wide->programs, narrow->programs);
}

static void check_rule(struct report *report, const struct policy *policy, const struct rule *rule)
{
    uint32_t left = rule->set;

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
    for (const struct rule *earlier = policy->rules; earlier != rule; earlier = earlier->next) {
        if (earlier->broken || !(earlier->set & left) || !rule_covers(earlier, rule))
            continue;
        left &= ~earlier->set;
        if (left != 0)
            continue;
        report_error_at(report, rule->line,
                        "rule `%s` can never apply: rule `%s` (line %d) comes first, matches at "
                        "least as much and sets %s",
                        rule->name, earlier->name, earlier->line,
                        rule->set & ~earlier->set ? "the last of its keys that was left"
                                                  : "every key that this one sets");
        return;
    }
}

void check_rules(struct report *report, const struct policy *policy)
{
    for (const struct rule *rule = policy->rules; rule != NULL; rule = rule->next) {
        if (!rule->broken)
            check_rule(report, policy, rule);
    }
}
