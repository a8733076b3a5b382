/* SPDX-License-Identifier: MIT */
/*
 * The inside of struct policy, for the files of policy/ only.
 *
 * A policy is a stack: overrides (SOFTCLOSE_SET) over a parsed file over the built-in values. Every
 * value is kept as one uint64_t, whatever its kind: an enumerator, milliseconds, bytes, a count, or
 * a set of signals (bit N-1 = signal N).
 */
#ifndef SOFTCLOSE_POLICY_RULES_H
#define SOFTCLOSE_POLICY_RULES_H

#include "policy.h"

enum {
    MAX_RULES = 1000,    /* every close walks them, and the check for dead rules is quadratic */
    MAX_OVERRIDES = 16,  /* policies stacked by policy_override() */
    MAX_RULE_NAME = 40,  /* bytes; inih cuts section names at 49 */
    MAX_LIST = 1000,     /* values of one matcher */
    MAX_VALUES = 100000, /* of all matchers together: what a policy costs has an upper bound */
    MAX_GLOB_TEXT = 4096 /* bytes of a program's path that a glob looks at (PATH_MAX) */
};

/* settings.source[]: 0, one for each key set in a section, one for each override, then the rules.
 */
enum { SOURCE_BUILTIN = 0, SOURCE_SECTION = 1, SOURCE_OVERRIDE = 32, SOURCE_RULE = 64 };

/* A glob, or any other piece of the policy text; not terminated. */
struct text {
    const char *start;
    size_t length;
};

struct program_pattern {
    struct program_pattern *next;
    struct text glob;
};

/* One of a list of addresses; a family of AF_UNSPEC is any address, see any_family. */
struct endpoint_pattern {
    struct endpoint_pattern *next;
    uint16_t family;             /* AF_INET, AF_INET6, AF_UNIX or AF_UNSPEC */
    uint16_t port_from, port_to; /* host order, inclusive; 0 to 65535 = any */
    uint8_t prefix;              /* bits of `address` that count */
    bool any_family; /* `*`: UNIX sockets too; otherwise AF_UNSPEC means IPv4 and IPv6 */
    union {
        uint8_t address[16]; /* network order, bits beyond the prefix are 0 */
        struct text glob;    /* AF_UNIX: of the path, or of "@name" */
    };
};

enum matcher { MATCH_PROGRAM, MATCH_ROLE, MATCH_PROTO, MATCH_LOCAL, MATCH_PEER, MATCH_COUNT };

enum { ROLE_COUNT = ROLE_INHERITED + 1 };

enum { ANY_ROLE = 0xff }; /* rule.roles of `role = any` */

struct rule {
    struct rule *next;
    const char *name;
    int line;
    bool broken;    /* it has errors of its own: not checked against other rules */
    uint8_t roles;  /* bit per enum role, 0 = any */
    uint8_t protos; /* bit per enum proto, 0 = any */
    struct program_pattern *programs;      /* NULL = any */
    struct endpoint_pattern *local, *peer; /* NULL = any */
    uint32_t set;                          /* bit per policy_key */
    int key_line[KEY_COUNT];
    int matcher_line[MATCH_COUNT]; /* 0 = not given */
    uint64_t value[KEY_COUNT];
};

struct policy {
    const struct policy *base; /* what this one overrides; NULL: a file or the built-in policy */
    enum policy_mode mode;
    unsigned depth;     /* overrides below this one */
    const char *source; /* an override's name; unused otherwise */
    uint32_t set;       /* bit per policy_key: the sections of a file, or an override */
    uint64_t value[KEY_COUNT];
    int line[KEY_COUNT];
    char section_source[KEY_COUNT][32]; /* "[close] line 3" */
    struct rule *rules;                 /* in file order */
    size_t rule_count;
    bool prepared; /* policy_prepare() has filled this in */
    struct settings below_rules[ROLE_COUNT];
};

/* After a policy file has been read: what most of a match is made of is worked out once. */
void policy_prepare(struct policy *policy);

/* How the text of a key is read, and what it may be. */
enum key_kind { KIND_WORD, KIND_DURATION, KIND_SIZE, KIND_NUMBER, KIND_SIGNALS };

struct key_form {
    const char *section, *name; /* "close", "drain" */
    enum key_kind kind;
    const char *const *words; /* KIND_WORD: in the order of the enumerators, NULL at the end */
    uint64_t low, high;       /* the range of the others */
};

const struct key_form *key_form(enum policy_key key);

/* Errors of one text. Every function that finds one says so here and goes on. */
struct report {
    policy_error_fn *error;
    void *context;
    const char *file;
    int line;        /* where the reader is */
    unsigned errors; /* so far */
};

void report_error(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void report_error_at(struct report *report, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The one of `choices` (NULL at the end) that `word` was probably meant to be, or NULL. */
const char *nearest_word(const char *word, const char *const *choices);

/* " did you mean `drain`?" or "", for an error message. */
const char *did_you_mean(const char *word, const char *const *choices, char *buffer, size_t size);

/* "a, b, c" of `words` (NULL at the end). */
const char *joined_words(const char *const *words, char *buffer, size_t size);

/* Memory that only grows, inside the block given to policy_parse(). */
struct arena {
    char *start;
    size_t size, used;
    bool exhausted;
};

/* Zeroed and aligned for any object; NULL and `exhausted` when there is no room. */
void *arena_take(struct arena *arena, size_t size);
const char *arena_text(struct arena *arena, const char *text, size_t length);

/* The value of `text` for `key`. False after an error was reported. */
bool key_value_parse(struct report *report, enum policy_key key, const char *text, uint64_t *value);

/* The lists of a rule under way: where their next values go. */
struct lists {
    struct program_pattern **programs;
    struct endpoint_pattern **local, **peer;
    unsigned count[MATCH_COUNT];
    unsigned total; /* in all rules so far */
};

void lists_begin(struct lists *lists, struct rule *rule);

/* Adds the comma-separated values of `text` to the rule's matcher. False after an error. */
bool matcher_parse(struct report *report, struct arena *arena, struct lists *lists,
                   struct rule *rule, enum matcher matcher, const char *text);

extern const char *const matcher_names[MATCH_COUNT + 1];

/* Whether `local` and `peer` take the value for a path without "unix:" before it. */
bool is_unix_path(struct text item);

/* Cuts the next of a comma-separated list off `*rest`, blanks stripped. False at the end. */
bool next_of_list(struct text *rest, struct text *item);

/* Reports the rules that can never match, and those that an earlier rule makes void. */
void check_rules(struct report *report, const struct policy *policy);

/* Does the rule still set a key when those of `left_out` (bits) are overridden? */
bool rule_can_apply(const struct policy *policy, const struct rule *rule, uint32_t left_out);

/* One value in or out of the struct that the rest of the program reads. */
void settings_set(struct settings *settings, enum policy_key key, uint64_t value, unsigned source);
uint64_t settings_get(const struct settings *settings, enum policy_key key);

/* The built-in value of contract section 3. */
uint64_t builtin_value(enum policy_mode mode, enum role role, enum policy_key key);

/* `*`, `?`, `[a-z]`, `[!a-z]` and backslash, on bytes; `/` is nothing special. No recursion. */
bool glob_match(struct text glob, struct text text);

/* Whether `wide` matches every text that `narrow` matches. False also where that takes more than a
 * look at one element after the other (`?*` and `*?`). Adds to *steps what it cost. */
bool glob_covers(struct text wide, struct text narrow, uint64_t *steps);

bool address_in_prefix(const uint8_t *address, const uint8_t *prefix, unsigned bits);

#endif
