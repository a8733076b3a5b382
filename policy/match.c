/* SPDX-License-Identifier: MIT */
/*
 * Which rules a connection matches. Called at every close, also in signal handlers.
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "rules.h"

static struct text text_of(const char *string, size_t limit)
{
    return (struct text){string, string != NULL ? strnlen(string, limit) : 0};
}

bool address_in_prefix(const uint8_t *address, const uint8_t *prefix, unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;

    if (memcmp(address, prefix, bytes) != 0)
        return false;
    return rest == 0 || ((address[bytes] ^ prefix[bytes]) >> (8 - rest)) == 0;
}

/* The path of a UNIX address as the policy file writes it: "/path", "@abstract", "" for none. */
static struct text unix_path(const struct endpoint *endpoint, char *buffer)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&endpoint->address.storage;
    size_t length = 0, offset = offsetof(struct sockaddr_un, sun_path);

    if (endpoint->length > offset)
        length = endpoint->length - offset;
    if (length > sizeof(un->sun_path))
        length = sizeof(un->sun_path);
    if (length > 0 && un->sun_path[0] != '\0')
        length = strnlen(un->sun_path, length);
    memcpy(buffer, un->sun_path, length);
    if (length > 0 && buffer[0] == '\0')
        buffer[0] = '@';
    return (struct text){buffer, length};
}

/* Family, address and port of an endpoint; IPv4 inside IPv6 (RFC 4291 2.5.5.2) counts as IPv4. */
static int internet_address(const struct endpoint *endpoint, const uint8_t **address,
                            uint16_t *port)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)&endpoint->address.storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&endpoint->address.storage;

    if (endpoint->address.any.sa_family == AF_INET && endpoint->length >= sizeof(*in)) {
        *address = (const uint8_t *)&in->sin_addr;
        *port = ntohs(in->sin_port);
        return AF_INET;
    }
    if (endpoint->address.any.sa_family != AF_INET6 || endpoint->length < sizeof(*in6))
        return AF_UNSPEC;
    *port = ntohs(in6->sin6_port);
    *address = in6->sin6_addr.s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        *address += 12;
        return AF_INET;
    }
    return AF_INET6;
}

static bool endpoint_matches_one(const struct endpoint_pattern *pattern,
                                 const struct endpoint *endpoint)
{
    char buffer[sizeof(((struct sockaddr_un *)0)->sun_path)];
    const uint8_t *address;
    uint16_t port;
    int family;

    if (pattern->any_family)
        return true;
    if (pattern->family == AF_UNIX)
        return endpoint->address.any.sa_family == AF_UNIX &&
               glob_match(pattern->glob, unix_path(endpoint, buffer));
    family = internet_address(endpoint, &address, &port);
    if (family == AF_UNSPEC || port < pattern->port_from || port > pattern->port_to)
        return false;
    return pattern->family == AF_UNSPEC ||
           (pattern->family == family &&
            address_in_prefix(address, pattern->address, pattern->prefix));
}

static bool endpoint_matches(const struct endpoint_pattern *list, const struct endpoint *endpoint)
{
    if (list == NULL)
        return true;
    if (endpoint == NULL || endpoint->length < sizeof(sa_family_t))
        return false;
    for (const struct endpoint_pattern *pattern = list; pattern != NULL; pattern = pattern->next) {
        if (endpoint_matches_one(pattern, endpoint))
            return true;
    }
    return false;
}

static bool program_matches(const struct program_pattern *list, const struct subject *subject)
{
    struct text name = text_of(subject->program, MAX_GLOB_TEXT);
    struct text path = text_of(subject->path, MAX_GLOB_TEXT);

    if (list == NULL)
        return true;
    for (const struct program_pattern *pattern = list; pattern != NULL; pattern = pattern->next) {
        if (name.start != NULL && glob_match(pattern->glob, name))
            return true;
        if (path.start != NULL && glob_match(pattern->glob, path))
            return true;
    }
    return false;
}

static bool rule_matches(const struct rule *rule, const struct subject *subject)
{
    if (rule->roles != 0 && !(rule->roles & (1U << subject->role)))
        return false;
    if (rule->protos != 0 && !(rule->protos & (1U << subject->proto)))
        return false;
    return endpoint_matches(rule->peer, subject->peer) &&
           endpoint_matches(rule->local, subject->local) &&
           program_matches(rule->programs, subject);
}

/* Takes the values whose bits are in `set` and not yet in `done`; returns the new `done`. */
static uint32_t take(struct settings *out, uint32_t done, uint32_t set, const uint64_t *value,
                     unsigned source)
{
    for (uint32_t left = set & ~done; left != 0; left &= left - 1) {
        unsigned key = (unsigned)__builtin_ctz(left);
        settings_set(out, (enum policy_key)key, value[key], source);
    }
    return done | set;
}

/* What holds where no rule and no override says anything. */
static void settings_below_rules(const struct policy *policy, enum role role, struct settings *out)
{
    memset(out, 0, sizeof(*out));
    for (unsigned key = 0; key < KEY_COUNT; key++) {
        if (policy->set & (1U << key))
            settings_set(out, (enum policy_key)key, policy->value[key], SOURCE_SECTION + key);
        else
            settings_set(out, (enum policy_key)key,
                         builtin_value(policy->mode, role, (enum policy_key)key), SOURCE_BUILTIN);
    }
}

void policy_prepare(struct policy *policy)
{
    for (unsigned role = 0; role < ROLE_COUNT; role++)
        settings_below_rules(policy, (enum role)role, &policy->below_rules[role]);
    policy->prepared = true;
}

void policy_match(const struct policy *policy, const struct subject *subject, struct settings *out)
{
    const uint32_t all = (1U << KEY_COUNT) - 1;
    const struct policy *file = policy;
    uint32_t done = 0;
    unsigned index = 0;

    while (file->base != NULL)
        file = file->base;
    if (file->prepared)
        memcpy(out, &file->below_rules[subject->role], sizeof(*out));
    else
        settings_below_rules(file, subject->role, out);
    for (; policy->base != NULL; policy = policy->base)
        done = take(out, done, policy->set, policy->value, SOURCE_OVERRIDE + policy->depth);
    for (const struct rule *rule = policy->rules; rule != NULL && done != all; rule = rule->next) {
        if ((rule->set & ~done) != 0 && rule_matches(rule, subject))
            done = take(out, done, rule->set, rule->value, SOURCE_RULE + index);
        index++;
    }
}

bool policy_asks_addresses(const struct policy *policy)
{
    while (policy->base != NULL)
        policy = policy->base;
    for (const struct rule *rule = policy->rules; rule != NULL; rule = rule->next)
        if (rule->local != NULL || rule->peer != NULL)
            return true;
    return false;
}

static const struct rule *rule_of_source(const struct policy *policy, uint16_t source)
{
    const struct rule *rule = policy->rules;

    for (unsigned index = SOURCE_RULE; rule != NULL && index < source; index++)
        rule = rule->next;
    return rule;
}

const char *policy_source_name(const struct policy *policy, uint16_t source)
{
    for (; policy->base != NULL; policy = policy->base) {
        if (source == SOURCE_OVERRIDE + policy->depth)
            return policy->source;
    }
    if (source >= SOURCE_SECTION && source < SOURCE_SECTION + KEY_COUNT)
        return policy->section_source[source - SOURCE_SECTION];
    if (source >= SOURCE_RULE && rule_of_source(policy, source) != NULL)
        return rule_of_source(policy, source)->name;
    return "built-in";
}

int policy_source_line(const struct policy *policy, uint16_t source, enum policy_key key)
{
    while (policy->base != NULL)
        policy = policy->base;
    if (source >= SOURCE_SECTION && source < SOURCE_SECTION + KEY_COUNT)
        return policy->line[key];
    if (source >= SOURCE_RULE && rule_of_source(policy, source) != NULL)
        return rule_of_source(policy, source)->key_line[key];
    return 0;
}

bool policy_source_is_rule(uint16_t source)
{
    return source >= SOURCE_RULE;
}
