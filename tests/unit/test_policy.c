/* SPDX-License-Identifier: MIT */
/* Policies that are right: what each key may be, which value wins, where it came from. */
#include "unit.h"

static const struct subject anyone = {.program = "p", .role = ROLE_ACCEPTED, .proto = PROTO_TCP};

static const struct policy *parse_good(const char *text, void **memory)
{
    struct errors errors;
    const struct policy *policy = parse_bytes(text, strlen(text), memory, &errors);

    if (policy == NULL)
        fail_msg("%s", errors.text);
    return policy;
}

static struct settings settings_of(const char *text, const struct subject *subject)
{
    void *memory;
    struct settings settings;

    policy_match(parse_good(text, &memory), subject, &settings);
    free(memory);
    return settings;
}

/* Contract section 3, the bold values. */
static void test_builtin(void **state)
{
    struct settings accepted = builtin_settings(ROLE_ACCEPTED);
    struct settings connected = builtin_settings(ROLE_CONNECTED);
    struct settings audit;

    (void)state;
    policy_match(policy_builtin(MODE_AUDIT), &anyone, &audit);
    assert_int_equal(accepted.half_close, HALF_CLOSE_ALWAYS);
    assert_int_equal(accepted.drain, DRAIN_BACKGROUND);
    assert_int_equal(accepted.drain_idle_ms, 5000);
    assert_int_equal(accepted.drain_total_ms, 30000);
    assert_int_equal(accepted.drain_bytes, 0);
    assert_int_equal(accepted.on_limit, ON_LIMIT_CLOSE);
    assert_int_equal(accepted.exit_wait_ms, 2000);
    assert_int_equal(accepted.max_draining, 4096);
    assert_int_equal(accepted.on_signal, 0);
    assert_int_equal(accepted.linger_zero, LINGER_ZERO_FORBID);
    assert_int_equal(accepted.shutdown_both, SHUTDOWN_BOTH_SOFTEN);
    assert_int_equal(accepted.backlog, BACKLOG_LOG);
    assert_int_equal(accepted.events, LOG_CHANGES);
    assert_int_equal(accepted.sites, 8);
    assert_int_equal(connected.drain_idle_ms, 1000);
    assert_int_equal(connected.drain_total_ms, 5000);
    assert_int_equal(connected.drain_bytes, 1048576);
    assert_int_equal(audit.events, LOG_ALL);
    assert_int_equal(audit.drain, DRAIN_BACKGROUND);
}

static void test_every_key(void **state)
{
    struct settings s = settings_of("[close]\nhalf_close = when-unread\ndrain = block\n"
                                    "drain_idle = 250ms\ndrain_total = 1m\ndrain_bytes = 64KiB\n"
                                    "on_limit = reset\nexit_wait = 0\nmax_draining = 7\n"
                                    "on_signal = TERM, SIGINT\n[linger]\nzero = deny\n"
                                    "[shutdown]\nboth = log\n[listener]\nbacklog = drain\n"
                                    "[log]\nevents = resets\nsites = 32\n",
                                    &anyone);

    (void)state;
    assert_int_equal(s.half_close, HALF_CLOSE_WHEN_UNREAD);
    assert_int_equal(s.drain, DRAIN_BLOCK);
    assert_int_equal(s.drain_idle_ms, 250);
    assert_int_equal(s.drain_total_ms, 60000);
    assert_int_equal(s.drain_bytes, 65536);
    assert_int_equal(s.on_limit, ON_LIMIT_RESET);
    assert_int_equal(s.exit_wait_ms, 0);
    assert_int_equal(s.max_draining, 7);
    assert_int_equal(s.on_signal, (UINT64_C(1) << 14) | (UINT64_C(1) << 1));
    assert_int_equal(s.linger_zero, LINGER_ZERO_DENY);
    assert_int_equal(s.shutdown_both, SHUTDOWN_BOTH_LOG);
    assert_int_equal(s.backlog, BACKLOG_DRAIN);
    assert_int_equal(s.events, LOG_RESETS);
    assert_int_equal(s.sites, 32);
}

/* Each word of each key, by the table of the contract. */
static void test_every_word(void **state)
{
    static const struct {
        const char *section, *name, *words[4];
        size_t offset;
    } rows[] = {
        {"close",
         "half_close",
         {"always", "when-unread", "never"},
         offsetof(struct settings, half_close)},
        {"close",
         "drain",
         {"background", "block", "inline", "none"},
         offsetof(struct settings, drain)},
        {"close", "on_limit", {"close", "reset"}, offsetof(struct settings, on_limit)},
        {"linger",
         "zero",
         {"forbid", "deny", "log", "allow"},
         offsetof(struct settings, linger_zero)},
        {"shutdown", "both", {"soften", "log", "allow"}, offsetof(struct settings, shutdown_both)},
        {"listener", "backlog", {"log", "drain"}, offsetof(struct settings, backlog)},
        {"log", "events", {"all", "changes", "resets", "none"}, offsetof(struct settings, events)},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (unsigned word = 0; word < 4 && rows[i].words[word] != NULL; word++) {
            char text[100];
            struct settings settings;
            unsigned value;

            snprintf(text, sizeof(text), "[%s]\n%s=%s", rows[i].section, rows[i].name,
                     rows[i].words[word]);
            settings = settings_of(text, &anyone);
            memcpy(&value, (char *)&settings + rows[i].offset, sizeof(value));
            assert_int_equal(value, word);
        }
    }
}

static const char layered[] = "[close]\n"
                              "drain_idle = 9s\n"
                              "[rule first]\n"
                              "program = p\n"
                              "close.drain = block\n"
                              "[rule other]\n"
                              "program = q\n"
                              "close.on_limit = reset\n"
                              "[rule second]\n"
                              "close.drain = none\n"
                              "linger.zero = allow\n";

static void test_first_rule_wins_per_key(void **state)
{
    struct settings settings = settings_of(layered, &anyone);
    struct subject other = {.program = "q", .role = ROLE_CONNECTED};

    (void)state;
    assert_int_equal(settings.drain, DRAIN_BLOCK);
    assert_int_equal(settings.linger_zero, LINGER_ZERO_ALLOW);
    assert_int_equal(settings.on_limit, ON_LIMIT_CLOSE);
    assert_int_equal(settings.drain_idle_ms, 9000);
    settings = settings_of(layered, &other);
    assert_int_equal(settings.drain, DRAIN_NONE);
    assert_int_equal(settings.on_limit, ON_LIMIT_RESET);
    /* A default of the file is above the built-in value of a role. */
    assert_int_equal(settings.drain_idle_ms, 9000);
    assert_int_equal(settings.drain_total_ms, 5000);
}

static void test_sources(void **state)
{
    void *memory, *override_memory = malloc(policy_memory_needed(100));
    const struct policy *policy = parse_good(layered, &memory), *over;
    struct errors errors = {0};
    struct settings settings;

    (void)state;
    over = policy_override(override_memory, policy_memory_needed(100), policy, "SOFTCLOSE_SET",
                           "linger.zero=log; log.sites = 3;", collect_error, &errors);
    assert_non_null(over);
    policy_match(over, &anyone, &settings);
    assert_int_equal(settings.linger_zero, LINGER_ZERO_LOG);
    assert_int_equal(settings.sites, 3);
    assert_int_equal(settings.drain, DRAIN_BLOCK);
    assert_string_equal(policy_source_name(over, settings.source[KEY_LINGER_ZERO]),
                        "SOFTCLOSE_SET");
    assert_string_equal(policy_source_name(over, settings.source[KEY_DRAIN]), "first");
    assert_string_equal(policy_source_name(over, settings.source[KEY_DRAIN_IDLE]),
                        "[close] line 2");
    assert_string_equal(policy_source_name(over, settings.source[KEY_ON_LIMIT]), "built-in");
    policy_match(policy, &anyone, &settings);
    assert_string_equal(policy_source_name(policy, settings.source[KEY_LINGER_ZERO]), "second");
    assert_string_equal(policy_source_name(policy, 65535), "built-in");
    free(memory);
    free(override_memory);
}

static void test_overrides_stack(void **state)
{
    size_t size = policy_memory_needed(40);
    void *memory[20];
    const struct policy *policy = policy_builtin(MODE_ENFORCE);
    struct errors errors = {0};
    struct settings settings;
    unsigned depth = 0;

    (void)state;
    while (depth < COUNT_OF(memory)) {
        char source[20], text[40];
        const struct policy *next;

        memory[depth] = malloc(size);
        snprintf(source, sizeof(source), "set %u", depth);
        snprintf(text, sizeof(text), "log.sites=%u;%s", depth, depth == 0 ? "linger.zero=log" : "");
        next = policy_override(memory[depth++], size, policy, source, text, collect_error, &errors);
        if (next == NULL)
            break;
        policy = next;
    }
    assert_int_equal(depth, 17);
    assert_non_null(strstr(errors.text, "more than 16 overrides"));
    policy_match(policy, &anyone, &settings);
    assert_int_equal(settings.sites, 15);
    assert_string_equal(policy_source_name(policy, settings.source[KEY_LOG_SITES]), "set 15");
    assert_string_equal(policy_source_name(policy, settings.source[KEY_LINGER_ZERO]), "set 0");
    while (depth > 0)
        free(memory[--depth]);
}

static void test_layout_of_the_file(void **state)
{
    static const char *const texts[] = {
        "[close]\ndrain = block",
        "[close]\r\ndrain = block\r\n",
        "\xef\xbb\xbf[close]\ndrain=block\n",
        "\xef\xbb\xbf\n\n  [close]  ; comment\n\tdrain\t=\tblock  ; comment\n",
        "# comment\n; comment [x]\n[close]\ndrain: block\n   # an indented comment\n",
        "[log]\nsites=1\n[close]\n[log]\n[close] # again\n    drain = block\n",
        "[log]\n    sites = 1\n    events = all\n[close]\n  drain = block\n  on_limit = reset\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(settings_of(texts[i], &anyone).drain, DRAIN_BLOCK);
    assert_int_equal(settings_of("", &anyone).drain, DRAIN_BACKGROUND);
    assert_int_equal(settings_of("\n\r\n; only a comment", &anyone).drain, DRAIN_BACKGROUND);
}

static void test_lists_go_on_after_a_comma(void **state)
{
    const char *text = "[close]\non_signal = TERM,\n   INT,\n\n # comment\n\tHUP\n"
                       "[rule r]\nprogram = a, ; comment\n  p\nlog.sites = 2\n";
    struct settings settings = settings_of(text, &anyone);

    (void)state;
    assert_int_equal(settings.on_signal, (1U << 14) | (1U << 1) | 1U);
    assert_int_equal(settings.sites, 2);
}

struct printed {
    size_t used;
    char text[16384];
};

static void collect_line(void *context, const char *line)
{
    struct printed *printed = context;

    printed->used += (size_t)snprintf(printed->text + printed->used,
                                      sizeof(printed->text) - printed->used, "%s\n", line);
    assert_true(printed->used < sizeof(printed->text));
}

static void cut_comments(char *text)
{
    char *to = text;

    for (char *from = text; *from != '\0'; *to++ = *from++) {
        if (strncmp(from, "  ; ", 4) == 0)
            from += strcspn(from, "\n");
    }
    *to = '\0';
}

/* What `check` prints is a policy that means the same. */
static void test_print_reads_back(void **state)
{
    static const char *const texts[] = {
        "", layered,
        "[close]\non_signal = TERM, INT, HUP, USR1, USR2, ALRM, PIPE, QUIT, ABRT, TRAP, PROF, "
        "VTALRM, XFSZ, SYS, XCPU\n[rule a b]\nrole = any\nproto = tcp,unix\nprogram = /x/*, y\n"
        "peer = 10.0.0.0/8:80-90, [fd00::]/8:1, ::1, :443, *, /run/*, @a\n"
        "close.drain_bytes = 3MiB\nclose.drain_idle = 1500ms\n[rule b]\nrole=accepted,connected\n"
        "local = 1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4, 1.1.1.5, 1.1.1.6, 1.1.1.7, 1.1.1.8, 1.1.1.9,\n"
        " 2.1.1.1, 2.1.1.2, 2.1.1.3, 2.1.1.4, 2.1.1.5, 2.1.1.6, 2.1.1.7, 2.1.1.8, 2.1.1.9\n"
        "log.sites = 0\n"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        static struct printed first, second;
        void *memory, *again;

        first.used = second.used = 0;
        first.text[0] = second.text[0] = '\0';
        policy_print(parse_good(texts[i], &memory), collect_line, &first);
        policy_print(parse_good(first.text, &again), collect_line, &second);
        /* Lines have moved, so the comments that name them differ; nothing else may. */
        cut_comments(first.text);
        cut_comments(second.text);
        assert_string_equal(first.text, second.text);
        free(memory);
        free(again);
    }
}

static void test_print_names_sources(void **state)
{
    static struct printed printed;
    void *memory, *override_memory = malloc(policy_memory_needed(40));
    const struct policy *policy = parse_good(layered, &memory);

    (void)state;
    policy = policy_override(override_memory, policy_memory_needed(40), policy, "--set",
                             "close.drain=inline", NULL, NULL);
    policy_print(policy, collect_line, &printed);
    assert_non_null(strstr(printed.text, "\ndrain = inline  ; --set\n"));
    assert_non_null(strstr(printed.text, "\ndrain_idle = 9s  ; [close] line 2\n"));
    assert_non_null(strstr(printed.text, "\n; drain_total = 30s  ; built-in, role connected: "
                                         "5s\n"));
    assert_non_null(strstr(printed.text, "\n; events = changes  ; built-in, mode audit: all\n"));
    assert_non_null(strstr(printed.text, "\n[rule second]  ; line 9\nlinger.zero = allow\n"));
    /* Everything it set is overridden. */
    assert_null(strstr(printed.text, "[rule first]"));
    free(memory);
    free(override_memory);
}

static void append_text(void *context, const char *line)
{
    strcat(strcat(context, line), "\n");
}

/* What policy_print() makes of values that just fit into their line still fits. */
static void test_long_values_are_printed_to_fit(void **state)
{
    static const char *const begins[] = {"program=*",     "local=*",           "peer=/",
                                         "peer=unix:*",   "peer=unix:unix:/*", "peer=1.1.1.1,\n /",
                                         "program=a,\n *"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(begins); i++) {
        unsigned good = 0;

        for (size_t length = 1; length < 200; length++) {
            char text[500], again[4000] = "", value[200] = "";
            struct errors errors;
            void *memory, *copy;
            const struct policy *policy;

            memset(value, 'x', length);
            snprintf(text, sizeof(text), "[rule r]\nlog.sites = 1\n%s%s\n", begins[i], value);
            policy = parse_bytes(text, strlen(text), &memory, &errors);
            if (policy != NULL) {
                policy_print(policy, append_text, again);
                assert_non_null(parse_bytes(again, strlen(again), &copy, &errors));
                assert_non_null(strstr(again, value));
                free(copy);
                good++;
            }
            free(memory);
        }
        assert_in_range(good, 170, 199);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builtin),
        cmocka_unit_test(test_every_key),
        cmocka_unit_test(test_every_word),
        cmocka_unit_test(test_first_rule_wins_per_key),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_overrides_stack),
        cmocka_unit_test(test_layout_of_the_file),
        cmocka_unit_test(test_lists_go_on_after_a_comma),
        cmocka_unit_test(test_print_reads_back),
        cmocka_unit_test(test_print_names_sources),
        cmocka_unit_test(test_long_values_are_printed_to_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
