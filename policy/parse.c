/* SPDX-License-Identifier: MIT */
/*
 * Reading a policy: what each section, key and rule means. inih takes the lines apart that
 * policy_read_line() hands it; as Debian builds it, it keeps its line on the stack and does not
 * allocate.
 */
#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "names.h"
#include "parser.h"

/* Every byte of text pays for what it can become: "[rule a]" a struct rule, "a," a pattern. */
#define MEMORY_PER_BYTE ((size_t)48)
#define MEMORY_AT_LEAST ((size_t)1024)
_Static_assert(sizeof(struct rule) <= 8 * (MEMORY_PER_BYTE - 16), "memory for [rule a]");
_Static_assert(sizeof(struct endpoint_pattern) + 32 <= 2 * MEMORY_PER_BYTE, "memory for a pattern");

static const char *const sections[] = {"close", "linger", "shutdown", "listener", "log", NULL};
static const char *const sections_and_rule[] = {"close", "linger", "shutdown", "listener",
                                                "log",   "rule",   NULL};

static bool duplicate_rule_name(struct parser *parser, const char *name)
{
    for (const struct rule *rule = parser->policy->rules; rule != NULL; rule = rule->next) {
        if (strcmp(rule->name, name) == 0) {
            report_error(&parser->report, "rule `%s` is already defined on line %d", name,
                         rule->line);
            return true;
        }
    }
    return false;
}

static void begin_rule(struct parser *parser, const char *name)
{
    struct policy *policy = parser->policy;
    struct rule *rule;

    parser->skip = true;
    name += strspn(name, " \t");
    if (*name == '\0') {
        report_error(&parser->report, "a rule needs a name: [rule NAME]");
        return;
    }
    if (strlen(name) > MAX_RULE_NAME) {
        report_error(&parser->report, "the name of rule `%.48s` is longer than %d bytes", name,
                     MAX_RULE_NAME);
        return;
    }
    if (policy->rule_count == MAX_RULES) {
        if (!parser->too_many)
            report_error(&parser->report, "too many rules: at most %d are allowed", MAX_RULES);
        parser->too_many = true;
        return;
    }
    rule = arena_take(&parser->arena, sizeof(*rule));
    if (rule != NULL)
        rule->name = arena_text(&parser->arena, name, strlen(name));
    if (rule == NULL || rule->name == NULL)
        return;
    rule->line = parser->line;
    rule->broken = duplicate_rule_name(parser, name);
    *parser->next = rule;
    parser->next = &rule->next;
    policy->rule_count++;
    parser->rule = rule;
    lists_begin(&parser->lists, rule);
    parser->in_rule = true;
    parser->skip = false;
}

static void begin_section(struct parser *parser, const char *name)
{
    char list[100], hint[64];

    parser->in_rule = false;
    parser->skip = false;
    parser->section[0] = '\0';
    if (strcmp(name, "rule") == 0 || strncmp(name, "rule ", 5) == 0 ||
        strncmp(name, "rule\t", 5) == 0) {
        begin_rule(parser, name + 4);
        return;
    }
    for (const char *const *section = sections; *section != NULL; section++) {
        if (strcmp(*section, name) == 0) {
            snprintf(parser->section, sizeof(parser->section), "%s", name);
            return;
        }
    }
    report_error(&parser->report, "unknown section [%s];%s allowed: %s NAME", name,
                 did_you_mean(name, sections_and_rule, hint, sizeof(hint)),
                 joined_words(sections_and_rule, list, sizeof(list)));
    parser->skip = true;
}

/* The names that may stand before the `=` here, NULL at the end. */
static void allowed_names(const struct parser *parser, const char **names)
{
    size_t count = 0;

    if (parser->in_rule) {
        for (unsigned i = 0; i < MATCH_COUNT; i++)
            names[count++] = matcher_names[i];
    }
    for (unsigned key = 0; key < KEY_COUNT; key++) {
        const struct key_form *form = key_form((enum policy_key)key);

        if (parser->in_rule)
            names[count++] = key_name((enum policy_key)key);
        else if (strcmp(form->section, parser->section) == 0)
            names[count++] = form->name;
    }
    names[count] = NULL;
}

static enum policy_key find_key(const struct parser *parser, const char *name)
{
    for (unsigned key = 0; key < KEY_COUNT; key++) {
        const struct key_form *form = key_form((enum policy_key)key);

        if (parser->in_rule
                ? strcmp(key_name((enum policy_key)key), name) == 0
                : strcmp(form->section, parser->section) == 0 && strcmp(form->name, name) == 0)
            return (enum policy_key)key;
    }
    return KEY_COUNT;
}

static bool already_set(struct parser *parser, const char *name, int line)
{
    if (line != 0 && !parser->continued)
        report_error(&parser->report, "`%s` is already set on line %d", name, line);
    return line != 0 && !parser->continued;
}

static bool take_key(struct parser *parser, enum policy_key key, const char *name,
                     const char *value)
{
    struct policy *policy = parser->policy;
    uint32_t *set = parser->in_rule ? &parser->rule->set : &policy->set;
    uint64_t *values = parser->in_rule ? parser->rule->value : policy->value;
    int *lines = parser->in_rule ? parser->rule->key_line : policy->line;

    if (already_set(parser, name, lines[key]))
        return false;
    lines[key] = parser->line;
    *set |= 1U << key;
    if (!parser->in_rule)
        snprintf(policy->section_source[key], sizeof(policy->section_source[key]), "[%s] line %d",
                 parser->section, parser->line);
    return key_value_parse(&parser->report, key, value, &values[key]);
}

static bool take_matcher(struct parser *parser, enum matcher matcher, const char *value)
{
    if (already_set(parser, matcher_names[matcher], parser->rule->matcher_line[matcher]))
        return false;
    parser->rule->matcher_line[matcher] = parser->line;
    return matcher_parse(&parser->report, &parser->arena, &parser->lists, parser->rule, matcher,
                         value);
}

static void unknown_key(struct parser *parser, const char *name)
{
    const char *names[MATCH_COUNT + KEY_COUNT + 1];
    char list[400], hint[64];

    if (!parser->in_rule && parser->section[0] == '\0') {
        report_error(&parser->report, "`%.60s` stands before any section; allowed: %s NAME", name,
                     joined_words(sections_and_rule, list, sizeof(list)));
        return;
    }
    allowed_names(parser, names);
    report_error(&parser->report, "unknown key `%.60s`;%s allowed in [%s]: %s", name,
                 did_you_mean(name, names, hint, sizeof(hint)),
                 parser->in_rule ? "rule NAME" : parser->section,
                 joined_words(names, list, sizeof(list)));
}

/* The comma at the end of a list that goes on in the next line is not part of its last value. */
static void open_list(struct parser *parser, char *value, const char *text, size_t size)
{
    size_t length = strnlen(text, size - 1);

    memcpy(value, text, length);
    if (length > 0 && value[length - 1] == ',') {
        parser->list_open = true;
        parser->list_line = parser->line;
        length--;
    }
    value[length] = '\0';
}

/* inih calls this for each `name = value`; what it returns is not used. */
static int take_line(void *context, const char *section, const char *name, const char *text)
{
    struct parser *parser = context;
    enum policy_key key;
    unsigned matcher = 0;
    char value[1024];
    bool good;

    parser->awaited = NOTHING;
    if (strcmp(name, SECTION_MARK) == 0) {
        begin_section(parser, section);
        return 1;
    }
    if (parser->skip)
        return 1;
    snprintf(value, sizeof(value), "%s", text);
    key = find_key(parser, name);
    while (parser->in_rule && matcher < MATCH_COUNT && strcmp(matcher_names[matcher], name) != 0)
        matcher++;
    if (key != KEY_COUNT) {
        if (key_form(key)->kind == KIND_SIGNALS)
            open_list(parser, value, text, sizeof(value));
        good = take_key(parser, key, name, value);
    } else if (parser->in_rule && matcher < MATCH_COUNT) {
        open_list(parser, value, text, sizeof(value));
        good = take_matcher(parser, (enum matcher)matcher, value);
    } else {
        unknown_key(parser, name);
        good = false;
    }
    if (!good)
        parser_mark_broken(parser);
    return 1;
}

size_t policy_memory_needed(size_t length)
{
    const size_t fixed = sizeof(struct policy) + MEMORY_AT_LEAST;
    /* What the limits let through at most: each object with its padding, and the texts. */
    const size_t most = (size_t)MAX_RULES * (sizeof(struct rule) + 64) +
                        (size_t)MAX_VALUES * (sizeof(struct endpoint_pattern) + 48);

    if (length < most / MEMORY_PER_BYTE)
        return fixed + length * MEMORY_PER_BYTE;
    return length > SIZE_MAX - fixed - most ? SIZE_MAX : fixed + most + length;
}

/* A NUL means that this is no policy but a binary, or UTF-16: one error says more than thousands.
 */
static bool text_is_text(struct parser *parser, const char *text, size_t length)
{
    const char *nul = length > 0 ? memchr(text, '\0', length) : NULL;
    int line = 1;

    if (nul == NULL)
        return true;
    for (const char *at = text; at < nul; at++)
        line += *at == '\n';
    report_error_at(&parser->report, line, "not a text file: it holds a NUL byte");
    return false;
}

static struct policy *begin(struct parser *parser, void *memory, size_t size)
{
    parser->arena = (struct arena){.start = memory, .size = memory != NULL ? size : 0};
    parser->policy = arena_take(&parser->arena, sizeof(*parser->policy));
    if (parser->policy != NULL)
        parser->next = &parser->policy->rules;
    return parser->policy;
}

static const struct policy *finish(struct parser *parser)
{
    if (parser->arena.exhausted)
        report_error_at(&parser->report, 0, "%zu bytes of memory do not suffice for this policy",
                        parser->arena.size);
    return parser->report.errors == 0 ? parser->policy : NULL;
}

const struct policy *policy_parse(void *memory, size_t size, enum policy_mode mode,
                                  const char *file, const char *text, size_t length,
                                  policy_error_fn *error, void *context)
{
    struct parser parser = {.report = {.error = error, .context = context, .file = file}};

    if (begin(&parser, memory, size) == NULL)
        return finish(&parser);
    parser.policy->mode = mode;
    if (!text_is_text(&parser, text, length))
        return NULL;
    parser.at = text;
    parser.end = text + length;
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        parser.at += 3;
    ini_parse_stream(policy_read_line, &parser, take_line, &parser);
    check_rules(&parser.report, parser.policy);
    policy_prepare(parser.policy);
    return finish(&parser);
}
