/* SPDX-License-Identifier: MIT */
/* What the unit tests of policy/ share: facts to start from, errors collected, random numbers. */
#ifndef SOFTCLOSE_TESTS_UNIT_H
#define SOFTCLOSE_TESTS_UNIT_H

/* cmocka.h wants these first, in this order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/names.h"
#include "policy/policy.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* A connected TCP socket of the last holder on which nothing special has been done; each line of
 * a test changes what it is about: FACTS(.unread = 3). Later initializers win on purpose. */
#define FACTS(...)                                                                                 \
    {                                                                                              \
        .state = STATE_ESTABLISHED, .holders = HOLDERS_LAST, .linger = -1, .linger2 = 60,          \
        .was_connected = true, __VA_ARGS__                                                         \
    }
#pragma GCC diagnostic ignored "-Woverride-init"
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#endif

/* The messages of policy_parse() as "file:line: message\n". */
struct errors {
    unsigned count;
    int first_line;
    char text[32768];
};

static inline void collect_error(void *context, const char *file, int line, const char *message)
{
    struct errors *errors = context;
    size_t used = strlen(errors->text);

    if (errors->count++ == 0)
        errors->first_line = line;
    snprintf(errors->text + used, sizeof(errors->text) - used, "%s:%d: %s\n", file, line, message);
}

/* Parses into exactly the memory that policy_memory_needed() promises to suffice. */
static inline const struct policy *parse_bytes(const char *text, size_t length, void **memory,
                                               struct errors *errors)
{
    size_t size = policy_memory_needed(length);

    *memory = malloc(size);
    assert_non_null(*memory);
    memset(errors, 0, sizeof(*errors));
    return policy_parse(*memory, size, MODE_ENFORCE, "p.ini", text, length, collect_error, errors);
}

static inline struct settings builtin_settings(enum role role)
{
    struct subject subject = {.role = role, .proto = PROTO_TCP};
    struct settings settings;

    policy_match(policy_builtin(MODE_ENFORCE), &subject, &settings);
    return settings;
}

/* xorshift64*: repeatable from its seed, which every random test prints. */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* SOFTCLOSE_TEST_SEED repeats a run; without it every run is another one. */
static inline uint64_t random_seed(const char *test)
{
    const char *given = getenv("SOFTCLOSE_TEST_SEED");
    struct timespec now = {0};
    uint64_t seed;

    timespec_get(&now, TIME_UTC);
    seed = given != NULL ? strtoull(given, NULL, 0)
                         : (uint64_t)now.tv_sec * 1000000007U + (uint64_t)now.tv_nsec;
    if (seed == 0)
        seed = 1;
    printf("%s: SOFTCLOSE_TEST_SEED=%llu\n", test, (unsigned long long)seed);
    return seed;
}

#endif
