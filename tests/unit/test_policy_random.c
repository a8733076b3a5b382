/* SPDX-License-Identifier: MIT */
/* Text that nobody would write: random, binary, enormous, without memory. Never a crash, and every
 * refusal has a reason. */
#include "unit.h"

#include <netinet/in.h>

enum { ROUNDS = 5000, LONGEST = 600 };

static const struct subject anyone = {.program = "p", .path = "/p", .role = ROLE_ACCEPTED};

static void ignore_line(void *context, const char *line)
{
    *(size_t *)context += strlen(line);
}

/* Parses, and uses what comes of it. */
static bool survive(const char *text, size_t length)
{
    struct errors errors;
    void *memory;
    const struct policy *policy = parse_bytes(text, length, &memory, &errors);
    struct settings settings;
    size_t printed = 0;

    if (policy == NULL) {
        assert_true(errors.count > 0);
        assert_null(strstr(errors.text, "do not suffice"));
    } else {
        assert_int_equal(errors.count, 0);
        policy_match(policy, &anyone, &settings);
        policy_print(policy, ignore_line, &printed);
        assert_true(printed > 0);
    }
    free(memory);
    return policy != NULL;
}

static void test_random_bytes(void **state)
{
    uint64_t random = random_seed("bytes");
    char text[LONGEST];

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t length = next_random(&random) % LONGEST;

        /* Every other round without NUL, which alone would end the matter. */
        for (size_t i = 0; i < length; i++)
            text[i] = (char)((next_random(&random) >> 40) % (255 + round % 2) + 1 - round % 2);
        survive(text, length);
    }
}

static const char *const pieces[] = {
    "[close]\n",
    "[rule a]\n",
    "[rule b]\n",
    "[log]\n",
    "\n",
    "drain = block\n",
    "peer = ",
    "10.0.0.0/8",
    ":80-90",
    ",",
    "\n  ",
    "/run/*.sock",
    "[::1]",
    "role = any",
    "role = ",
    "connected",
    "log.sites=",
    "33",
    "5",
    "s\n",
    "ms",
    "KiB",
    "=",
    " ; comment\n",
    "# comment\n",
    "\xef\xbb\xbf",
    "\r\n",
    "[",
    "]",
    "\t",
    "close.",
    "drain_idle",
    "on_signal=",
    "TERM",
    "program = ",
    "*",
    "\\",
    "[a-z]",
    "unix:",
    "proto=tcp\n",
    "\xff\xfe",
    "[rule c]\nlocal=*\n",
    "log.sites=1\n",
    "log.events=all\n",
    "linger.zero=log\n",
    "\001",
};

/* Pieces of real policies in random order: these get far, and some are right. */
static void test_random_pieces(void **state)
{
    uint64_t random = random_seed("pieces");
    unsigned good = 0;

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        char text[2000];
        size_t used = 0;
        unsigned count = (unsigned)(next_random(&random) % 40);

        for (unsigned i = 0; i < count; i++)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s",
                                     pieces[(next_random(&random) >> 20) % COUNT_OF(pieces)]);
        good += survive(text, used);
    }
    assert_true(good > 0);
}

/* `before`, then `count` times `piece`; to be freed. */
static char *repeated(const char *before, const char *piece, unsigned count, size_t *length)
{
    size_t start = strlen(before), each = strlen(piece);
    char *text = calloc(1, start + count * each + 1);
    char *to = mempcpy(text, before, start);

    for (unsigned n = 0; n < count; n++)
        to = mempcpy(to, piece, each);
    *length = start + count * each;
    return text;
}

/* The densest text of each kind: policy_memory_needed() must hold for all of them. */
static void test_memory_is_enough(void **state)
{
    static const struct {
        const char *before, *piece;
        unsigned count;
    } rows[] = {
        {"", "[rule a]\n", 2000},
        {"[rule a]\nlog.sites=1\npeer=/", ",\n /,/,/,/,/,/,/,/,/,/,/,/,/,/", 70},
        {"[rule a]\nlog.sites=1\nprogram=a", ",\n a,a,a,a,a,a,a,a,a,a,a,a,a,a", 70},
        {"[rule a]\nlog.sites=1\nlocal=:1", ",\n :1,:1,:1,:1,:1,:1", 160},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t used;
        char *text = repeated(rows[i].before, rows[i].piece, rows[i].count, &used);

        assert_int_equal(survive(text, used), i > 0);
        free(text);
    }
}

static void test_long_lists_end(void **state)
{
    size_t used;
    char *text = repeated("[rule a]\nlog.sites=1\nprogram=a", ",\n a,a,a,a", 300, &used);
    struct errors errors;
    void *memory;

    (void)state;
    assert_null(parse_bytes(text, used, &memory, &errors));
    assert_non_null(strstr(errors.text, "`program` has more than 1000 values"));
    free(memory);
    free(text);
}

static void test_long_lines(void **state)
{
    size_t used;
    char *comment = repeated("[close]\n# ", "x", 60000, &used), text[1200];
    struct errors errors;
    void *memory;

    (void)state;
    /* A comment may be as long as it likes. */
    assert_true(survive(comment, used));
    free(comment);
    for (size_t length = 180; length < 1000; length++) {
        char value[1000] = "";

        memset(value, 'x', length);
        used = (size_t)snprintf(text, sizeof(text),
                                "[rule r]\nlog.sites = 1\nprogram = %s\nrole = any\n", value);
        /* "program = " and the value: 196 bytes fit. */
        assert_int_equal(parse_bytes(text, used, &memory, &errors) != NULL, length + 10 <= 196);
        free(memory);
        if (length + 10 > 196) {
            assert_int_equal(errors.count, 1);
            assert_int_equal(errors.first_line, 3);
            assert_non_null(strstr(errors.text, "at most 196 are allowed"));
        }
    }
}

/* 1,000 peers on one line mean what they mean on 1,000 lines, and errors keep their line. */
static void test_long_list_on_one_line(void **state)
{
    char *text = malloc(40000);
    size_t used = (size_t)sprintf(text, "[log]\nsites = 1\n[rule r]\nlog.sites = 2\npeer = ");
    struct errors errors;
    void *memory;
    const struct policy *policy;

    (void)state;
    for (unsigned n = 0; n < 1000; n++)
        used += (size_t)sprintf(text + used, "%s10.%u.%u.0/24:%u", n > 0 ? ", " : "", n / 256,
                                n % 256, 1 + n);
    used +=
        (size_t)sprintf(text + used, "  ; as many as there may be, and a comment\nrole = any\n");
    policy = parse_bytes(text, used, &memory, &errors);
    assert_int_equal(errors.count, 0);
    for (unsigned n = 0; n < 1000; n++) {
        struct endpoint peer = {.length = sizeof(struct sockaddr_in)};
        struct sockaddr_in *in = (struct sockaddr_in *)&peer.address.any;
        struct subject subject = {.peer = &peer};
        struct settings settings;

        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)(1 + n));
        in->sin_addr.s_addr = htonl(10U << 24 | n << 8 | 7);
        policy_match(policy, &subject, &settings);
        assert_int_equal(settings.sites, 2);
        in->sin_port = htons((uint16_t)(2 + n));
        policy_match(policy, &subject, &settings);
        assert_int_equal(settings.sites, 1);
    }
    free(memory);
    /* An error far behind, and the line after it. */
    memcpy(strstr(text, "10.3.200.0"), "10.3.2000.", 10);
    memcpy(strstr(text, "role = any"), "rule = any", 10);
    assert_null(parse_bytes(text, used, &memory, &errors));
    assert_int_equal(errors.count, 2);
    assert_non_null(strstr(errors.text, "p.ini:5: `10.3.2000./24:969` is no value of `peer`"));
    assert_non_null(strstr(errors.text, "p.ini:6: unknown key `rule`"));
    free(memory);
    /* What is no list cannot go on. */
    memset(text, ',', 1000);
    memcpy(text, "[close]\ndrain = a", 17);
    text[1000] = '\n';
    assert_null(parse_bytes(text, 1001, &memory, &errors));
    assert_int_equal(errors.count, 1);
    assert_int_equal(errors.first_line, 2);
    free(memory);
    free(text);
}

/* Two rules of 1,000 values that are compared with each other to the end, a hundred times. */
static void test_comparing_rules_ends(void **state)
{
    size_t size = 8000000, used = 0;
    char *text = malloc(size);
    struct errors errors;
    void *memory;

    (void)state;
    for (unsigned rule = 0; rule < 90; rule++) {
        used += (size_t)sprintf(text + used, "[rule r%u]\nlog.sites = 1\nprogram = ", rule);
        for (unsigned n = 0; n < 999; n++)
            used += (size_t)sprintf(text + used, "%03uaaaaaaaaaaaaaaaaaaaaa, ", n);
        used += (size_t)sprintf(text + used, "last%u\n", rule);
    }
    assert_null(parse_bytes(text, used, &memory, &errors));
    assert_int_equal(errors.count, 1);
    assert_non_null(strstr(errors.text, "too many values to compare them with each other"));
    free(memory);
    free(text);
}

static void test_values_are_limited(void **state)
{
    size_t size = 8000000, used = 0;
    char *text = malloc(size);
    struct errors errors;
    void *memory;

    (void)state;
    for (unsigned rule = 0; rule < 101; rule++) {
        used += (size_t)sprintf(text + used, "[rule r%u]\nlog.sites = 1\npeer = :%u", rule,
                                60000 + rule);
        for (unsigned n = 1; n < 1000; n++)
            used += (size_t)sprintf(text + used, ",:%u", n);
        used += (size_t)sprintf(text + used, "\n");
    }
    assert_null(parse_bytes(text, used, &memory, &errors));
    assert_int_equal(errors.count, 1);
    assert_non_null(strstr(errors.text, "the rules have more than 100000 values together"));
    free(memory);
    free(text);
}

static void test_nul_and_binary(void **state)
{
    const char text[] = "[close]\ndrain = block\n\0drain = none\n";
    struct errors errors;
    void *memory;

    (void)state;
    assert_null(parse_bytes(text, sizeof(text) - 1, &memory, &errors));
    assert_string_equal(errors.text, "p.ini:3: not a text file: it holds a NUL byte\n");
    free(memory);
    /* UTF-16 with its byte order mark. */
    assert_null(parse_bytes("\xff\xfe[\0c\0]\0", 8, &memory, &errors));
    assert_string_equal(errors.text, "p.ini:1: not a text file: it holds a NUL byte\n");
    free(memory);
}

static size_t many_rules(char *text, size_t size, unsigned count)
{
    size_t used = 0;

    for (unsigned n = 0; n < count; n++)
        used += (size_t)snprintf(text + used, size - used,
                                 "[rule r%u]\npeer = :%u\nlog.sites = 1\n", n, n % 65536);
    return used;
}

static void test_many_rules(void **state)
{
    size_t size = 5000000;
    char *text = malloc(size);
    struct errors errors;
    void *memory;

    (void)state;
    assert_true(survive(text, many_rules(text, size, 1000)));
    assert_null(parse_bytes(text, many_rules(text, size, 100000), &memory, &errors));
    assert_int_equal(errors.count, 1);
    assert_string_equal(errors.text, "p.ini:3001: too many rules: at most 1000 are allowed\n");
    free(memory);
    free(text);
}

/* Whatever the memory, the answer is a policy or a reason, and nothing outside it is written. */
static void test_too_little_memory(void **state)
{
    const char *text = "[rule a]\npeer = 1.1.1.1, /x\nprogram = y\nlog.sites=1\n[rule b]\n"
                       "program = z\nlog.sites = 2\n";
    unsigned refused = 0;

    (void)state;
    for (size_t size = 16; size < policy_memory_needed(strlen(text)); size += 16) {
        struct errors errors = {0};
        void *memory = malloc(size);
        const struct policy *policy = policy_parse(memory, size, MODE_ENFORCE, "p.ini", text,
                                                   strlen(text), collect_error, &errors);

        if (policy == NULL) {
            refused++;
            assert_non_null(strstr(errors.text, "p.ini:0: "));
            assert_non_null(strstr(errors.text, "do not suffice"));
        }
        free(memory);
    }
    assert_true(refused > 10);
    assert_int_equal(policy_memory_needed(SIZE_MAX), SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_random_pieces),
        cmocka_unit_test(test_memory_is_enough),
        cmocka_unit_test(test_long_lists_end),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_nul_and_binary),
        cmocka_unit_test(test_long_list_on_one_line),
        cmocka_unit_test(test_comparing_rules_ends),
        cmocka_unit_test(test_values_are_limited),
        cmocka_unit_test(test_many_rules),
        cmocka_unit_test(test_too_little_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
