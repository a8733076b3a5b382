/* SPDX-License-Identifier: MIT */
/*
 * Rules refused because they can never apply: in random policies over a small world, each such rule
 * is tried on every connection of that world. One that applies to any was refused wrongly.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>

enum { RULES = 6, TEXT_SIZE = 600, ROUNDS = 1500, MOST = 30000 };

/* Each world has connections that differ in what its rules look at. */
enum world { PROGRAMS, PEERS, PEERS_AND_ROLES, LOCALS_AND_PEERS, PATHS, WORLDS };
static const char *const world_names[] = {"programs", "peers", "peers and roles",
                                          "locals and peers", "paths"};

struct random_rule {
    char text[TEXT_SIZE];
    int line;
    unsigned keys; /* bits: which of `keys` it sets */
    bool refused, applies;
    void *memory;
    const struct policy *alone;
};

static const char *const keys[] = {"log.sites = 1", "linger.zero = log", "shutdown.both = log"};

static unsigned below(uint64_t *random, unsigned limit)
{
    return (unsigned)((next_random(random) >> 24) % limit);
}

static const char *one_of(uint64_t *random, const char *const *words, unsigned count)
{
    return words[below(random, count)];
}

static void add_glob(uint64_t *random, char *text)
{
    static const char *const pieces[] = {"a", "b", "*", "?", "[ab]", "[!a]", "[b-c]", "\\b", "c"};
    unsigned count = 1 + below(random, 4);

    while (count-- > 0)
        strcat(text, one_of(random, pieces, COUNT_OF(pieces)));
}

/* Four bits of address and eight ports, so that the parts of a whole meet by chance. */
static void add_endpoint(uint64_t *random, char *text)
{
    unsigned family = below(random, 8), bits = below(random, 4), from = 1 + below(random, 8);
    unsigned ports = below(random, 3), host = below(random, 16);
    char *end = text + strlen(text);

    if (below(random, 40) == 0)
        end += sprintf(end, "*");
    else if (family == 0)
        end += sprintf(end, ":%u-%u", from, from + below(random, 8));
    else if (family < 3)
        end += sprintf(end, "[fd00::%x]/%u", host, 125 + bits);
    else
        end += sprintf(end, "10.0.0.%u/%u", host, 28 + bits);
    if (family > 0 && ports > 0 && end[-1] != '*')
        sprintf(end, ":%u-%u", from, ports == 1 ? from + below(random, 8) : 65535);
}

static void add_list(uint64_t *random, char *text, const char *name,
                     void (*add)(uint64_t *random, char *text), const char *prefix)
{
    unsigned count = 1 + below(random, 4);

    sprintf(text + strlen(text), "%s = ", name);
    for (unsigned n = 0; n < count; n++) {
        strcat(text, n > 0 ? ", " : "");
        strcat(text, prefix);
        add(random, text);
    }
    strcat(text, "\n");
}

static void make_rule(uint64_t *random, enum world world, unsigned number, struct random_rule *rule)
{
    static const char *const roles[] = {"any", "accepted", "connected", "inherited",
                                        "accepted, connected"};

    *rule = (struct random_rule){.keys = 1U << below(random, COUNT_OF(keys))};
    rule->keys |= below(random, 3) == 0 ? 1U << below(random, COUNT_OF(keys)) : 0;
    sprintf(rule->text, "[rule r%u]\n", number);
    if (world == PROGRAMS)
        add_list(random, rule->text, "program", add_glob, "");
    if (world == PATHS)
        add_list(random, rule->text, "peer", add_glob, "unix:");
    if (world == PEERS || world == PEERS_AND_ROLES || world == LOCALS_AND_PEERS)
        add_list(random, rule->text, "peer", add_endpoint, "");
    if (world == LOCALS_AND_PEERS && below(random, 4) > 0)
        add_list(random, rule->text, "local", add_endpoint, "");
    if (world == PEERS_AND_ROLES)
        sprintf(rule->text + strlen(rule->text), "role = %s\n",
                one_of(random, roles, COUNT_OF(roles)));
    for (unsigned key = 0; key < COUNT_OF(keys); key++) {
        if (rule->keys & (1U << key))
            sprintf(rule->text + strlen(rule->text), "%s\n", keys[key]);
    }
}

static int lines_of(const char *text)
{
    int lines = 0;

    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

struct refusals {
    struct random_rule *rules;
    unsigned count, refused;
};

static void take_error(void *context, const char *file, int line, const char *message)
{
    struct refusals *refusals = context;

    (void)file;
    if (strstr(message, "can never match") != NULL)
        return; /* IPv4 here and IPv6 there */
    if (strstr(message, "can never apply") == NULL)
        fail_msg("line %d: %s", line, message);
    for (unsigned n = 0; n < refusals->count; n++) {
        if (refusals->rules[n].line == line) {
            refusals->rules[n].refused = true;
            refusals->refused++;
        }
    }
}

/* Parses all rules as one policy, and each alone, where nothing comes before it. */
static unsigned parse_rules(struct random_rule *rules, unsigned count)
{
    struct refusals refusals = {.rules = rules, .count = count};
    char text[RULES * TEXT_SIZE] = "";
    int line = 1;

    for (unsigned n = 0; n < count; n++) {
        size_t size = policy_memory_needed(strlen(rules[n].text));

        rules[n].line = line;
        line += lines_of(rules[n].text);
        strcat(text, rules[n].text);
        rules[n].memory = malloc(size);
        rules[n].alone = policy_parse(rules[n].memory, size, MODE_ENFORCE, "p", rules[n].text,
                                      strlen(rules[n].text), NULL, NULL);
    }
    size_t size = policy_memory_needed(strlen(text));
    void *memory = malloc(size);
    policy_parse(memory, size, MODE_ENFORCE, "p", text, strlen(text), take_error, &refusals);
    free(memory);
    return refusals.refused;
}

/* The world's connections; the strings and addresses live in static memory. */
struct connections {
    struct subject all[MOST];
    unsigned count;
    char names[MOST][8];
    struct endpoint endpoints[2 * 17 * 18 + 1200];
    unsigned names_used, endpoints_used;
};

static const struct endpoint *internet(struct connections *to, bool six, unsigned host,
                                       unsigned port)
{
    struct endpoint *endpoint = &to->endpoints[to->endpoints_used++];
    char text[40];

    snprintf(text, sizeof(text), six ? "[fd00::%x]:%u" : "10.0.0.%u:%u", host, port);
    assert_true(endpoint_parse(text, endpoint));
    return endpoint;
}

/* Every string of up to `most` letters of abcd. */
static void make_names(struct connections *to, unsigned most)
{
    unsigned first = 0;

    to->names[to->names_used++][0] = '\0';
    for (unsigned length = 1; length <= most; length++) {
        unsigned end = to->names_used;

        for (; first < end; first++) {
            for (char letter = 'a'; letter <= 'd'; letter++) {
                char *name = to->names[to->names_used++];
                memcpy(name, to->names[first], length - 1);
                name[length - 1] = letter; /* all that follows is zero */
            }
        }
    }
}

static void make_connections(struct connections *to, enum world world)
{
    static const struct endpoint *endpoints[2 * 17 * 18];
    static const enum role roles[] = {ROLE_ANY, ROLE_ACCEPTED, ROLE_CONNECTED, ROLE_INHERITED};
    unsigned count = 0, step = world == LOCALS_AND_PEERS ? 3 : 1;

    memset(to, 0, sizeof(*to));
    if (world == PROGRAMS || world == PATHS)
        make_names(to, 5);
    for (unsigned n = 0; n < to->names_used; n++) {
        struct endpoint *endpoint = &to->endpoints[to->endpoints_used];
        char text[16];

        snprintf(text, sizeof(text), "unix:%s", to->names[n]);
        if (world == PROGRAMS) {
            to->all[to->count++] = (struct subject){.program = to->names[n]};
        } else if (to->endpoints_used < COUNT_OF(to->endpoints) && endpoint_parse(text, endpoint)) {
            to->endpoints_used++;
            to->all[to->count++] = (struct subject){.proto = PROTO_UNIX, .peer = endpoint};
        }
    }
    if (world == PROGRAMS || world == PATHS)
        return;
    for (unsigned host = 0; host <= 16; host += step)
        for (unsigned port = 0; port <= 16; port += step)
            for (int six = 0; six < 2; six++)
                endpoints[count++] = internet(to, six != 0, host, port);
    for (unsigned n = 0; n < count; n++) {
        for (unsigned m = 0; m < (world == PEERS ? 1 : world == PEERS_AND_ROLES ? 4 : count); m++)
            to->all[to->count++] = (struct subject){
                .role = world == PEERS_AND_ROLES ? roles[m] : ROLE_ACCEPTED,
                .local = endpoints[world == LOCALS_AND_PEERS ? m : 0],
                .peer = endpoints[n],
            };
    }
}

static void try_connection(struct random_rule *rules, unsigned count, const struct subject *subject)
{
    unsigned set = 0;

    for (unsigned n = 0; n < count; n++) {
        struct settings settings;
        unsigned keys_set = rules[n].keys;

        if (rules[n].alone == NULL || (keys_set & ~set) == 0)
            continue; /* it matches nothing, or would not apply here */
        policy_match(rules[n].alone, subject, &settings);
        if (!policy_source_is_rule(settings.source[KEY_LOG_SITES]) &&
            !policy_source_is_rule(settings.source[KEY_LINGER_ZERO]) &&
            !policy_source_is_rule(settings.source[KEY_SHUTDOWN_BOTH]))
            continue;
        rules[n].applies = true;
        set |= keys_set;
    }
}

static void show(const struct random_rule *rules, unsigned count)
{
    for (unsigned n = 0; n < count; n++)
        printf("%s%s", rules[n].text, rules[n].refused ? "; refused\n" : "");
}

static void test_no_live_rule_is_refused(void **state)
{
    static struct connections connections;
    uint64_t random = random_seed("dead rules");

    (void)state;
    for (enum world world = 0; world < WORLDS; world++) {
        unsigned all = 0, refused = 0, dead = 0;
        unsigned rounds = world == LOCALS_AND_PEERS ? ROUNDS / 10 : ROUNDS / 3;

        make_connections(&connections, world);
        for (unsigned round = 0; round < rounds; round++) {
            struct random_rule rules[RULES];
            unsigned count = 2 + below(&random, RULES - 1);

            for (unsigned n = 0; n < count; n++)
                make_rule(&random, world, n, &rules[n]);
            refused += parse_rules(rules, count);
            for (unsigned n = 0; n < connections.count; n++)
                try_connection(rules, count, &connections.all[n]);
            for (unsigned n = 0; n < count; n++) {
                if (rules[n].refused && rules[n].applies) {
                    show(rules, count);
                    fail_msg("rule r%u is refused, but applies", n);
                }
                all++;
                dead += rules[n].alone != NULL && !rules[n].applies;
                free(rules[n].memory);
            }
        }
        printf("%s: %u rules, %u never apply to one of %u connections, %u of these refused\n",
               world_names[world], all, dead, connections.count, refused);
        /* Of two matchers at once, and connections between those tried here, not all is found. */
        assert_true(world == LOCALS_AND_PEERS ? refused > 0 : refused * 10 > dead * 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_live_rule_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
