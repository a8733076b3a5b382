/* SPDX-License-Identifier: MIT */
/* policy_print(): a policy as text that means the same. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "names.h"
#include "rules.h"

/* Lists are broken after a comma well before inih's limit. */
enum { LINE_SIZE = 512, WRAP_AT = 100 };

struct printer {
    policy_line_fn *print;
    void *context;
    char line[LINE_SIZE];
    size_t used;
};

static void add(struct printer *printer, const char *text, size_t length)
{
    size_t room = sizeof(printer->line) - 1 - printer->used;

    if (length > room)
        length = room;
    memcpy(printer->line + printer->used, text, length);
    printer->used += length;
    printer->line[printer->used] = '\0';
}

static void add_string(struct printer *printer, const char *text)
{
    add(printer, text, strlen(text));
}

static void end_line(struct printer *printer)
{
    printer->line[printer->used] = '\0';
    printer->print(printer->context, printer->line);
    printer->used = 0;
}

/* Before a value of a list: a comma, and a new line when this one is full. */
static void next_value(struct printer *printer, bool *first)
{
    if (!*first)
        add_string(printer, ",");
    if (!*first && printer->used > WRAP_AT) {
        end_line(printer);
        add_string(printer, "   ");
    }
    if (!*first)
        add_string(printer, " ");
    *first = false;
}

static void print_value(struct printer *printer, const char *prefix, const char *name,
                        enum policy_key key, uint64_t value, const char *comment)
{
    struct settings settings = {0};
    char text[300];

    settings_set(&settings, key, value, SOURCE_BUILTIN);
    add_string(printer, prefix);
    add_string(printer, name);
    add_string(printer, " = ");
    add_string(printer, value_name(&settings, key, text, sizeof(text)));
    if (comment[0] != '\0') {
        add_string(printer, "  ; ");
        add_string(printer, comment);
    }
}

/* In a comment: what a built-in value is elsewhere. */
static void print_other(struct printer *printer, const char *where, enum policy_key key,
                        uint64_t value)
{
    struct settings settings = {0};
    char text[300];

    settings_set(&settings, key, value, SOURCE_BUILTIN);
    add_string(printer, where);
    add_string(printer, value_name(&settings, key, text, sizeof(text)));
}

/* The value that holds where no rule says otherwise. */
static void print_default(struct printer *printer, const struct policy *policy, enum policy_key key)
{
    const char *name = key_form(key)->name;
    uint64_t value, connected;

    for (; policy->base != NULL; policy = policy->base) {
        if (policy->set & (1U << key)) {
            print_value(printer, "", name, key, policy->value[key], policy->source);
            end_line(printer);
            return;
        }
    }
    if (policy->set & (1U << key)) {
        print_value(printer, "", name, key, policy->value[key], policy->section_source[key]);
        end_line(printer);
        return;
    }
    value = builtin_value(policy->mode, ROLE_ANY, key);
    connected = builtin_value(policy->mode, ROLE_CONNECTED, key);
    print_value(printer, "; ", name, key, value, "built-in");
    if (connected != value)
        print_other(printer, ", role connected: ", key, connected);
    if (policy->mode == MODE_ENFORCE && key == KEY_LOG_EVENTS)
        print_other(printer, ", mode audit: ", key, builtin_value(MODE_AUDIT, ROLE_ANY, key));
    end_line(printer);
}

static void print_bits(struct printer *printer, const char *name, unsigned bits, unsigned count,
                       const char *(*word)(unsigned))
{
    bool first = true;

    if (bits == 0)
        return;
    add_string(printer, name);
    add_string(printer, " = ");
    for (unsigned bit = 0; bit < count; bit++) {
        if (!(bits & (1U << bit)))
            continue;
        next_value(printer, &first);
        add_string(printer, word(bit));
    }
    end_line(printer);
}

static const char *role_word(unsigned role)
{
    return role_name((enum role)role);
}

static const char *proto_word(unsigned proto)
{
    return proto_name((enum proto)proto);
}

/* A value that was written without blanks, or without "unix:", may just fit into a line. */
static bool is_tight(struct text value)
{
    return value.length > 150;
}

static void begin_list(struct printer *printer, const char *name, struct text first)
{
    add_string(printer, name);
    add_string(printer, is_tight(first) ? "=" : " = ");
}

static void print_programs(struct printer *printer, const struct program_pattern *list)
{
    bool first = true;

    if (list == NULL)
        return;
    begin_list(printer, "program", list->glob);
    for (; list != NULL; list = list->next) {
        next_value(printer, &first);
        add(printer, list->glob.start, list->glob.length);
    }
    end_line(printer);
}

static void add_internet(struct printer *printer, const struct endpoint_pattern *pattern)
{
    char address[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 8];
    bool ports = pattern->port_from != 0 || pattern->port_to != 65535;

    if (pattern->family != AF_UNSPEC) {
        bool brackets = ports && pattern->family == AF_INET6;

        inet_ntop(pattern->family, pattern->address, address, sizeof(address));
        snprintf(text, sizeof(text), "%s%s%s", brackets ? "[" : "", address, brackets ? "]" : "");
        add_string(printer, text);
        if (pattern->prefix != (pattern->family == AF_INET ? 32 : 128)) {
            snprintf(text, sizeof(text), "/%d", pattern->prefix);
            add_string(printer, text);
        }
        if (!ports)
            return;
    }
    if (pattern->port_from == pattern->port_to)
        snprintf(text, sizeof(text), ":%d", pattern->port_from);
    else
        snprintf(text, sizeof(text), ":%d-%d", pattern->port_from, pattern->port_to);
    add_string(printer, text);
}

static void add_endpoint(struct printer *printer, const struct endpoint_pattern *pattern)
{
    if (pattern->any_family) {
        add_string(printer, "*");
    } else if (pattern->family == AF_UNIX) {
        if (!is_tight(pattern->glob) || !is_unix_path(pattern->glob))
            add_string(printer, "unix:");
        add(printer, pattern->glob.start, pattern->glob.length);
    } else {
        add_internet(printer, pattern);
    }
}

static void print_endpoints(struct printer *printer, const char *name,
                            const struct endpoint_pattern *list)
{
    bool first = true;

    if (list == NULL)
        return;
    begin_list(printer, name, list->family == AF_UNIX ? list->glob : (struct text){NULL, 0});
    for (; list != NULL; list = list->next) {
        next_value(printer, &first);
        add_endpoint(printer, list);
    }
    end_line(printer);
}

static uint32_t overridden(const struct policy *policy)
{
    uint32_t set = 0;

    for (; policy->base != NULL; policy = policy->base)
        set |= policy->set;
    return set;
}

/* A rule of which an override leaves nothing that takes effect would be an error in a policy file.
 */
static void print_rule(struct printer *printer, const struct policy *policy,
                       const struct rule *rule, uint32_t left_out)
{
    char header[64 + MAX_RULE_NAME];

    if (!rule_can_apply(policy, rule, left_out))
        return;
    snprintf(header, sizeof(header), "[rule %s]  ; line %d", rule->name, rule->line);
    end_line(printer);
    add_string(printer, header);
    end_line(printer);
    print_programs(printer, rule->programs);
    if (rule->roles == ANY_ROLE)
        print_bits(printer, "role", 1U << ROLE_ANY, 1, role_word);
    else
        print_bits(printer, "role", rule->roles, 8, role_word);
    print_bits(printer, "proto", rule->protos, 8, proto_word);
    print_endpoints(printer, "local", rule->local);
    print_endpoints(printer, "peer", rule->peer);
    for (unsigned key = 0; key < KEY_COUNT; key++) {
        if (!(rule->set & ~left_out & (1U << key)))
            continue;
        print_value(printer, "", key_name((enum policy_key)key), (enum policy_key)key,
                    rule->value[key], "");
        end_line(printer);
    }
}

void policy_print(const struct policy *policy, policy_line_fn *print, void *context)
{
    struct printer printer = {.print = print, .context = context};
    const struct policy *file = policy;
    const char *section = "";

    for (unsigned key = 0; key < KEY_COUNT; key++) {
        const struct key_form *form = key_form((enum policy_key)key);

        if (strcmp(form->section, section) != 0) {
            if (key > 0)
                end_line(&printer);
            section = form->section;
            add_string(&printer, "[");
            add_string(&printer, section);
            add_string(&printer, "]");
            end_line(&printer);
        }
        print_default(&printer, policy, (enum policy_key)key);
    }
    while (file->base != NULL)
        file = file->base;
    for (const struct rule *rule = file->rules; rule != NULL; rule = rule->next)
        print_rule(&printer, file, rule, overridden(policy));
}
