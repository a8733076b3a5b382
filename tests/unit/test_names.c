/* SPDX-License-Identifier: MIT */
/* The words of the contract, and that each reads back as what it was. */
#include "unit.h"

#define ROUND_TRIP(what, count)                                                                    \
    for (int value = 0; value < (count); value++)                                                  \
    assert_int_equal(what##_from(what##_name(value)), value)

static void test_round_trip(void **state)
{
    (void)state;
    ROUND_TRIP(proto, 4);
    ROUND_TRIP(type, 3);
    ROUND_TRIP(role, 4);
    ROUND_TRIP(state, 12);
    ROUND_TRIP(holders, 3);
    ROUND_TRIP(shut, 4);
    ROUND_TRIP(outcome, OUTCOME_COUNT);
    ROUND_TRIP(cause, CAUSE_COUNT);
    ROUND_TRIP(drain_result, DRAIN_RESULT_COUNT);
}

static void test_unknown(void **state)
{
    (void)state;
    assert_int_equal(proto_from("udp"), -1);
    assert_int_equal(state_from("established"), -1);
    assert_int_equal(cause_from("unrea"), -1);
    assert_int_equal(outcome_from(NULL), -1);
    assert_string_equal(state_name((enum tcp_state)99), "unknown");
    assert_string_equal(key_name(KEY_COUNT), "");
}

static void test_words_of_the_contract(void **state)
{
    (void)state;
    assert_string_equal(cause_name(CAUSE_NULL), "");
    assert_string_equal(cause_name(CAUSE_LINGER_ZERO), "linger-zero");
    assert_string_equal(cause_name(CAUSE_ALREADY_RESET), "already-reset");
    assert_string_equal(cause_name(CAUSE_SHUTDOWN_BOTH), "shutdown-both");
    assert_string_equal(cause_name(CAUSE_BAD_FD), "bad-fd");
    assert_string_equal(state_name(STATE_CLOSE_WAIT), "CLOSE_WAIT");
    assert_string_equal(shut_name(SHUT_WRITE), "wr");
    assert_string_equal(drain_result_name(DRAIN_EOF), "eof");
    assert_string_equal(drain_result_name(DRAIN_BYTES), "bytes");
    assert_string_equal(drain_result_name(DRAIN_ERROR), "error");
    assert_int_equal(drain_result_from("reset"), -1);
    assert_string_equal(key_name(KEY_DRAIN_IDLE), "close.drain_idle");
    assert_string_equal(key_name(KEY_LINGER_ZERO), "linger.zero");
}

static void test_actions(void **state)
{
    char buffer[128];

    (void)state;
    assert_string_equal(actions_name(ACTION_PASS, buffer, sizeof(buffer)), "pass");
    assert_string_equal(
        actions_name(ACTION_DRAIN_BACKGROUND | ACTION_LINGER_OFF, buffer, sizeof(buffer)),
        "drain-background+linger-off");
    assert_string_equal(actions_name(ACTION_HALF_CLOSE, buffer, sizeof(buffer)), "half-close");
    for (int actions = 0; actions < 256; actions++)
        assert_int_equal(actions_from(actions_name((unsigned)actions, buffer, sizeof(buffer))),
                         actions);
    assert_int_equal(actions_from("pass+denied"), -1);
    assert_int_equal(actions_from("denied+"), -1);
    assert_int_equal(actions_from(""), -1);
    assert_int_equal(actions_from(NULL), -1);
}

static void test_actions_are_cut(void **state)
{
    char buffer[8] = "-------";

    (void)state;
    assert_string_equal(actions_name(255, buffer, 6), "drain");
    assert_int_equal(buffer[6], '-');
    assert_string_equal(actions_name(ACTION_PASS, buffer, 1), "");
    assert_string_equal(actions_name(ACTION_PASS, buffer, 0), "");
}

static void test_values(void **state)
{
    struct settings settings = builtin_settings(ROLE_CONNECTED);
    char buffer[256];

    (void)state;
    settings.on_signal = (UINT64_C(1) << 14) | (UINT64_C(1) << 1);
    settings.drain_idle_ms = 250;
    settings.exit_wait_ms = 0;
    settings.drain_total_ms = 90000;
    assert_string_equal(value_name(&settings, KEY_DRAIN, buffer, sizeof(buffer)), "background");
    assert_string_equal(value_name(&settings, KEY_DRAIN_IDLE, buffer, sizeof(buffer)), "250ms");
    assert_string_equal(value_name(&settings, KEY_DRAIN_TOTAL, buffer, sizeof(buffer)), "90s");
    assert_string_equal(value_name(&settings, KEY_EXIT_WAIT, buffer, sizeof(buffer)), "0");
    assert_string_equal(value_name(&settings, KEY_DRAIN_BYTES, buffer, sizeof(buffer)), "1MiB");
    assert_string_equal(value_name(&settings, KEY_MAX_DRAINING, buffer, sizeof(buffer)), "4096");
    assert_string_equal(value_name(&settings, KEY_ON_SIGNAL, buffer, sizeof(buffer)), "INT, TERM");
    settings.on_signal = 0;
    assert_string_equal(value_name(&settings, KEY_ON_SIGNAL, buffer, sizeof(buffer)), "none");
    assert_string_equal(value_name(&settings, KEY_DRAIN, buffer, 4), "bac");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_words_of_the_contract),
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_actions_are_cut),
        cmocka_unit_test(test_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
