/* SPDX-License-Identifier: MIT */
/* The matchers of a rule: program, role, proto, local, peer, each a comma-separated list. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "rules.h"

const char *const matcher_names[MATCH_COUNT + 1] = {"program", "role", "proto",
                                                    "local",   "peer", NULL};

static const char *const roles_allowed[] = {"accepted", "connected", "inherited", "any", NULL};
static const char *const protos_allowed[] = {"tcp", "mptcp", "unix", NULL};

static const char address_forms[] =
    "an address, a network (10.0.0.0/8, fd00::/8), [v6], each with :port or :from-to, :port alone,"
    " or the path of a UNIX socket (glob)";

/* A piece of the line with a terminator, cut to the buffer: for messages and for inet_pton(). */
static const char *terminated(struct text text, char *buffer, size_t size)
{
    size_t length = text.length < size - 1 ? text.length : size - 1;

    memcpy(buffer, text.start, length);
    buffer[length] = '\0';
    return buffer;
}

static bool parse_one_of(struct report *report, const char *matcher, struct text item,
                         const char *const *allowed, int (*from)(const char *), uint8_t *bits)
{
    char word[48], hint[64], list[100];
    int value;

    terminated(item, word, sizeof(word));
    for (const char *const *choice = allowed; *choice != NULL; choice++) {
        value = from(word);
        if (strcmp(*choice, word) == 0 && value >= 0) {
            *bits |= (uint8_t)(1U << value);
            return true;
        }
    }
    report_error(report, "unknown %s `%s`;%s allowed: %s", matcher, word,
                 did_you_mean(word, allowed, hint, sizeof(hint)),
                 joined_words(allowed, list, sizeof(list)));
    return false;
}

static bool parse_role(struct report *report, struct rule *rule, struct text item)
{
    const uint8_t any = 1U << ROLE_ANY;
    uint8_t bits = rule->roles;

    if (!parse_one_of(report, "role", item, roles_allowed, role_from, &bits))
        return false;
    rule->roles = bits & any ? ANY_ROLE : bits;
    return true;
}

void lists_begin(struct lists *lists, struct rule *rule)
{
    *lists = (struct lists){
        .programs = &rule->programs,
        .local = &rule->local,
        .peer = &rule->peer,
        .total = lists->total,
    };
}

/* One value more. Each limit is reported once. */
static bool count_value(struct report *report, struct lists *lists, enum matcher matcher)
{
    if (lists->count[matcher] >= MAX_LIST) {
        if (lists->count[matcher]++ == MAX_LIST)
            report_error(report, "`%s` has more than %d values", matcher_names[matcher], MAX_LIST);
        return false;
    }
    if (lists->total >= MAX_VALUES) {
        if (lists->total++ == MAX_VALUES)
            report_error(report, "the rules have more than %d values together", MAX_VALUES);
        return false;
    }
    lists->count[matcher]++;
    lists->total++;
    return true;
}

static bool parse_program(struct arena *arena, struct lists *lists, struct text item)
{
    struct program_pattern *pattern = arena_take(arena, sizeof(*pattern));
    const char *copy = arena_text(arena, item.start, item.length);

    if (pattern == NULL || copy == NULL)
        return false;
    pattern->glob = (struct text){copy, item.length};
    *lists->programs = pattern;
    lists->programs = &pattern->next;
    return true;
}

/* A decimal number of at most `high` that ends at one of `ends`; -1 otherwise. */
static long parse_number(const char **at, long high, const char *ends)
{
    long number = 0;
    const char *start = *at;

    for (; **at >= '0' && **at <= '9'; ++*at) {
        number = number * 10 + (**at - '0');
        if (number > high)
            return -1;
    }
    return *at > start && strchr(ends, **at) != NULL ? number : -1;
}

/* ":80" or ":1024-65535", up to the end of the string. */
static const char *parse_ports(const char *at, struct endpoint_pattern *pattern)
{
    long from, to;

    at++;
    from = to = parse_number(&at, 65535, "-");
    if (from >= 0 && *at == '-') {
        at++;
        to = parse_number(&at, 65535, "");
    }
    if (from < 0 || to < 0)
        return "a port is 0 to 65535, a range is from-to";
    if (from > to)
        return "the range of ports ends before it begins";
    pattern->port_from = (uint16_t)from;
    pattern->port_to = (uint16_t)to;
    return NULL;
}

static void clear_host_bits(struct endpoint_pattern *pattern)
{
    for (unsigned bit = pattern->prefix; bit < 8 * sizeof(pattern->address); bit++)
        pattern->address[bit / 8] &= (uint8_t) ~(0x80U >> (bit % 8));
}

/* Why it is none: what people write who mean something else. */
static const char *no_address(const char *text)
{
    if (*text != '\0' && text[strspn(text, "0123456789")] == '\0')
        return "a port alone is written with a colon before it, :80";
    if (strchr(text, '%') != NULL)
        return "an address is matched without its zone (%eth0)";
    return "this is neither an IPv4 nor an IPv6 address, and names are not looked up";
}

/* The address and the length of its prefix; NULL or what is wrong with it. */
static const char *parse_network(char *network, struct endpoint_pattern *pattern)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char *slash = strchr(network, '/');
    long width, bits;

    if (slash != NULL)
        *slash = '\0';
    if (inet_pton(AF_INET, network, pattern->address) == 1)
        pattern->family = AF_INET;
    else if (inet_pton(AF_INET6, network, pattern->address) == 1)
        pattern->family = AF_INET6;
    else
        return no_address(network);
    width = bits = pattern->family == AF_INET ? 32 : 128;
    if (slash != NULL) {
        const char *at = slash + 1;

        bits = parse_number(&at, width, "");
    }
    if (bits < 0)
        return width == 32 ? "an IPv4 prefix is 0 to 32" : "an IPv6 prefix is 0 to 128";
    pattern->prefix = (uint8_t)bits;
    /* The kernel shows IPv4 peers of an IPv6 socket as ::ffff:a.b.c.d; matching sees IPv4. */
    if (pattern->family == AF_INET6 && bits >= 96 && memcmp(pattern->address, mapped, 12) == 0) {
        pattern->family = AF_INET;
        pattern->prefix = (uint8_t)(bits - 96);
        memmove(pattern->address, pattern->address + 12, 4);
    }
    clear_host_bits(pattern);
    return NULL;
}

/* Everything that is not a UNIX path: addr, addr/prefix, [addr], [addr]/prefix, each with ports. */
static const char *parse_internet(char *text, struct endpoint_pattern *pattern)
{
    char *ports = strchr(text, ':');

    pattern->port_to = 65535;
    if (text[0] == '[') {
        char *bracket = strchr(text, ']');

        if (bracket == NULL)
            return "a `]` is missing";
        memmove(text, text + 1, (size_t)(bracket - text) - 1);
        memmove(bracket - 1, bracket + 1, strlen(bracket + 1) + 1);
        bracket--;
        if (*bracket != '\0' && *bracket != ':' && *bracket != '/')
            return "after `]` only :port or /prefix can follow";
        ports = strchr(bracket, ':');
    } else if (ports != NULL && strchr(ports + 1, ':') != NULL) {
        ports = NULL; /* a bare IPv6 address */
    }
    if (ports != NULL) {
        const char *problem = parse_ports(ports, pattern);

        if (problem != NULL)
            return problem;
        *ports = '\0';
    }
    if (text[0] == '\0' && ports != NULL)
        return NULL;
    if (strcmp(text, "*") == 0) {
        pattern->any_family = ports == NULL;
        return NULL;
    }
    return parse_network(text, pattern);
}

bool is_unix_path(struct text item)
{
    if (item.length > 5 && memcmp(item.start, "unix:", 5) == 0)
        return false;
    if (item.start[0] == '/' || item.start[0] == '@')
        return true;
    /* `*` and `*:80` are about addresses; every other glob is about a path. */
    if (item.start[0] == '*' && (item.length == 1 || item.start[1] == ':'))
        return false;
    return memchr(item.start, '*', item.length) != NULL ||
           memchr(item.start, '?', item.length) != NULL;
}

/* "10.*.0.1" would be taken for a path, and never match: a path has something else in it. */
static bool is_address_glob(struct text item)
{
    bool digits = false;

    for (size_t i = 0; i < item.length; i++) {
        if (strchr("0123456789.:*?/", item.start[i]) == NULL || item.start[0] == '/')
            return false;
        digits = digits || (item.start[i] >= '0' && item.start[i] <= '9');
    }
    return digits;
}

static bool parse_endpoint(struct report *report, struct arena *arena, const char *matcher,
                           struct endpoint_pattern ***end, struct text item)
{
    struct endpoint_pattern *pattern = arena_take(arena, sizeof(*pattern));
    struct text path = item;
    const char *problem;
    char text[80], shown[64];

    if (pattern == NULL)
        return false;
    if (item.length >= 5 && memcmp(item.start, "unix:", 5) == 0)
        path = (struct text){item.start + 5, item.length - 5};
    if (path.length == 0) {
        problem = "the path is missing";
    } else if (path.start == item.start && is_unix_path(item) && is_address_glob(item)) {
        problem = "addresses have no globs, but networks: 10.0.0.0/8";
    } else if (path.start != item.start || is_unix_path(item)) {
        pattern->family = AF_UNIX;
        pattern->glob.start = arena_text(arena, path.start, path.length);
        pattern->glob.length = path.length;
        problem = NULL;
    } else if (item.length >= sizeof(text)) {
        problem = "it is too long for an address";
    } else {
        terminated(item, text, sizeof(text));
        problem = parse_internet(text, pattern);
    }
    if (problem != NULL) {
        report_error(report, "`%s` is no value of `%s`: %s; allowed: %s",
                     terminated(item, shown, sizeof(shown)), matcher, problem, address_forms);
        return false;
    }
    **end = pattern;
    *end = &pattern->next;
    return true;
}

bool matcher_parse(struct report *report, struct arena *arena, struct lists *lists,
                   struct rule *rule, enum matcher matcher, const char *text)
{
    struct text rest = {text, strlen(text)}, item;
    bool good = true;

    while (next_of_list(&rest, &item)) {
        bool one = false;

        if (item.length == 0) {
            report_error(report, "`%s` has an empty value in its list", matcher_names[matcher]);
            return false;
        }
        if (item.start[0] == ';' || item.start[0] == '#') {
            report_error(report, "a value of `%s` begins with `%c`, as comments do; write \\%c",
                         matcher_names[matcher], item.start[0], item.start[0]);
            good = false;
            continue;
        }
        if (!count_value(report, lists, matcher))
            return false;
        switch (matcher) {
        case MATCH_PROGRAM:
            one = parse_program(arena, lists, item);
            break;
        case MATCH_ROLE:
            one = parse_role(report, rule, item);
            break;
        case MATCH_PROTO:
            one = parse_one_of(report, "proto", item, protos_allowed, proto_from, &rule->protos);
            break;
        case MATCH_LOCAL:
            one = parse_endpoint(report, arena, "local", &lists->local, item);
            break;
        default:
            one = parse_endpoint(report, arena, "peer", &lists->peer, item);
            break;
        }
        good = good && one;
    }
    return good;
}
