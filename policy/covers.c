/* SPDX-License-Identifier: MIT */
/*
 * Whether one rule, or several together, match every connection that another one matches. "Yes" is
 * certain; "no" may only mean that it could not be shown.
 */
#include <string.h>
#include <sys/socket.h>

#include "covers.h"

/* Networks and ports of several rules are cut into pieces to see whether they leave a gap. */
#define MOST_PIECES UINT64_C(20000)

static bool programs_cover(const struct program_pattern *wide, const struct program_pattern *narrow,
                           uint64_t *steps)
{
    if (wide == NULL)
        return true;
    if (narrow == NULL)
        return false;
    for (; narrow != NULL; narrow = narrow->next) {
        const struct program_pattern *one = wide;

        for (; one != NULL && !glob_covers(one->glob, narrow->glob, steps); one = one->next)
            ++*steps;
        if (one == NULL || *steps > MOST_STEPS)
            return false;
    }
    return true;
}

static bool endpoint_covers(const struct endpoint_pattern *wide,
                            const struct endpoint_pattern *narrow, uint64_t *steps)
{
    if (wide->any_family)
        return true;
    if (narrow->any_family)
        return false;
    if (wide->family == AF_UNIX || narrow->family == AF_UNIX)
        return wide->family == narrow->family && glob_covers(wide->glob, narrow->glob, steps);
    if (narrow->port_from < wide->port_from || narrow->port_to > wide->port_to)
        return false;
    if (wide->family == AF_UNSPEC)
        return true;
    return wide->family == narrow->family && wide->prefix <= narrow->prefix &&
           address_in_prefix(narrow->address, wide->address, wide->prefix);
}

static bool endpoints_cover(const struct endpoint_pattern *wide,
                            const struct endpoint_pattern *narrow, uint64_t *steps)
{
    if (wide == NULL)
        return true;
    if (narrow == NULL)
        return false;
    for (; narrow != NULL; narrow = narrow->next) {
        const struct endpoint_pattern *one = wide;

        for (; one != NULL && !endpoint_covers(one, narrow, steps); one = one->next)
            ++*steps;
        if (one == NULL || *steps > MOST_STEPS)
            return false;
    }
    return true;
}

static bool bits_cover(unsigned wide, unsigned narrow)
{
    return wide == 0 || wide == ANY_ROLE || (narrow != 0 && (narrow & ~wide) == 0);
}

unsigned rule_beyond(const struct rule *wide, const struct rule *narrow, uint64_t *steps)
{
    unsigned beyond = 0;

    ++*steps;
    if (!bits_cover(wide->roles, narrow->roles))
        beyond |= 1U << MATCH_ROLE;
    if (!bits_cover(wide->protos, narrow->protos))
        beyond |= 1U << MATCH_PROTO;
    if ((beyond & (beyond - 1)) == 0 && !endpoints_cover(wide->peer, narrow->peer, steps))
        beyond |= 1U << MATCH_PEER;
    if ((beyond & (beyond - 1)) == 0 && !endpoints_cover(wide->local, narrow->local, steps))
        beyond |= 1U << MATCH_LOCAL;
    if ((beyond & (beyond - 1)) == 0 && !programs_cover(wide->programs, narrow->programs, steps))
        beyond |= 1U << MATCH_PROGRAM;
    return beyond;
}

/* The earlier rules that set `key` and cover `narrow` but for one matcher. */
struct together {
    const struct rule *rules, *narrow;
    const uint8_t *beyond; /* rule_beyond() of each of `rules` */
    enum matcher matcher;
    uint32_t key; /* its bit */
    uint64_t steps;
};

/* The first of those rules from `rule` on, whose number is *index; NULL behind the last. */
static const struct rule *next_of(const struct together *these, const struct rule *rule,
                                  size_t *index)
{
    for (; rule != these->narrow; rule = rule->next, ++*index) {
        if (!rule->broken && (rule->set & these->key) &&
            (these->beyond[*index] & ~(1U << these->matcher)) == 0)
            return rule;
    }
    return NULL;
}

static const struct endpoint_pattern *endpoints_of(const struct rule *rule, enum matcher matcher)
{
    return matcher == MATCH_PEER ? rule->peer : rule->local;
}

static bool overlap(const struct endpoint_pattern *a, const struct endpoint_pattern *b)
{
    if (a->family == AF_UNIX || a->port_from > b->port_to || a->port_to < b->port_from)
        return false;
    if (a->family == AF_UNSPEC)
        return true;
    return a->family == b->family &&
           address_in_prefix(a->address, b->address, a->prefix < b->prefix ? a->prefix : b->prefix);
}

/* True when one of the values covers `piece`; otherwise *cut is one that overlaps it, or NULL. */
static bool one_covers(struct together *these, const struct endpoint_pattern *piece,
                       const struct endpoint_pattern **cut)
{
    size_t index = 0;

    *cut = NULL;
    for (const struct rule *rule = next_of(these, these->rules, &index); rule != NULL;
         index++, rule = next_of(these, rule->next, &index)) {
        const struct endpoint_pattern *one = endpoints_of(rule, these->matcher);

        for (; one != NULL && these->steps <= MOST_PIECES; one = one->next) {
            ++these->steps;
            if (endpoint_covers(one, piece, &these->steps))
                return true;
            if (overlap(one, piece))
                *cut = one;
        }
    }
    return false;
}

/* Cuts `piece` where the ports of `cut` begin or end, or else its network in halves. What is cut
 * off, the smaller part, goes to *off. */
static void cut_in_two(struct endpoint_pattern *piece, const struct endpoint_pattern *cut,
                       struct endpoint_pattern *off)
{
    struct endpoint_pattern low = *piece, high = *piece;

    if (cut->port_from > piece->port_from || cut->port_to < piece->port_to) {
        high.port_from =
            cut->port_from > piece->port_from ? cut->port_from : (uint16_t)(cut->port_to + 1);
        low.port_to = (uint16_t)(high.port_from - 1);
    } else {
        high.address[piece->prefix / 8] |= (uint8_t)(0x80U >> (piece->prefix % 8));
        low.prefix = high.prefix = (uint8_t)(piece->prefix + 1);
    }
    if (low.port_to - low.port_from > high.port_to - high.port_from) {
        *piece = low;
        *off = high;
    } else {
        *piece = high;
        *off = low;
    }
}

/* Is there no gap in `piece`, a range of ports of a network? Recursion is never deeper than the
 * bits of an address and of a port. */
static bool all_cover(struct together *these, struct endpoint_pattern piece)
{
    const struct endpoint_pattern *cut;

    while (!one_covers(these, &piece, &cut)) {
        struct endpoint_pattern off;

        if (cut == NULL || these->steps > MOST_PIECES)
            return false;
        cut_in_two(&piece, cut, &off);
        if (!all_cover(these, off))
            return false;
    }
    return true;
}

static bool all_cover_endpoint(struct together *these, const struct endpoint_pattern *narrow)
{
    const struct endpoint_pattern *cut;
    struct endpoint_pattern piece = *narrow;

    if (one_covers(these, narrow, &cut))
        return true;
    if (narrow->any_family || narrow->family == AF_UNIX)
        return false;
    if (narrow->family != AF_UNSPEC)
        return all_cover(these, piece);
    piece.family = AF_INET;
    if (!all_cover(these, piece))
        return false;
    piece.family = AF_INET6;
    return all_cover(these, piece);
}

static bool all_cover_program(struct together *these, const struct program_pattern *narrow)
{
    size_t index = 0;

    for (const struct rule *rule = next_of(these, these->rules, &index); rule != NULL;
         index++, rule = next_of(these, rule->next, &index)) {
        for (const struct program_pattern *one = rule->programs; one != NULL; one = one->next) {
            ++these->steps;
            if (glob_covers(one->glob, narrow->glob, &these->steps))
                return true;
            if (these->steps > MOST_PIECES)
                return false;
        }
    }
    return false;
}

static unsigned bits_of(const struct rule *rule, enum matcher matcher)
{
    return matcher == MATCH_ROLE ? rule->roles : rule->protos;
}

static bool all_cover_bits(struct together *these)
{
    unsigned bits = 0, narrow = bits_of(these->narrow, these->matcher);
    size_t index = 0;

    for (const struct rule *rule = next_of(these, these->rules, &index); rule != NULL;
         index++, rule = next_of(these, rule->next, &index))
        bits |= bits_of(rule, these->matcher);
    return bits_cover(bits, narrow) && bits != 0;
}

static bool all_cover_values(struct together *these)
{
    const struct rule *narrow = these->narrow;
    const struct program_pattern *program = narrow->programs;
    const struct endpoint_pattern *endpoint = endpoints_of(narrow, these->matcher);

    switch (these->matcher) {
    case MATCH_ROLE:
    case MATCH_PROTO:
        return all_cover_bits(these);
    case MATCH_PROGRAM:
        while (program != NULL && all_cover_program(these, program))
            program = program->next;
        return narrow->programs != NULL && program == NULL;
    default:
        if (endpoint == NULL)
            return false;
        while (endpoint != NULL && all_cover_endpoint(these, endpoint))
            endpoint = endpoint->next;
        return endpoint == NULL;
    }
}

bool rules_cover_together(const struct policy *policy, const struct rule *narrow,
                          const uint8_t *beyond, enum policy_key key)
{
    struct together these = {
        .rules = policy->rules, .narrow = narrow, .beyond = beyond, .key = 1U << key};

    for (unsigned matcher = 0; matcher < MATCH_COUNT; matcher++) {
        these.matcher = (enum matcher)matcher;
        these.steps = 0;
        if (all_cover_values(&these))
            return true;
    }
    return false;
}
