/* SPDX-License-Identifier: MIT */
/* What each value of each key makes of a close, of SO_LINGER {on, 0} and of a listener. */
#include "unit.h"

enum {
    PASS = ACTION_PASS,
    BACKGROUND = ACTION_DRAIN_BACKGROUND,
    BLOCK = ACTION_DRAIN_BLOCK,
    INLINE = ACTION_DRAIN_INLINE,
    HALF = ACTION_HALF_CLOSE,
    OFF = ACTION_LINGER_OFF,
};

static const struct facts peer_open = FACTS(.unsent = 0);
static const struct facts unread = FACTS(.unread = 9);
static const struct facts urgent = FACTS(.urgent = true);
static const struct facts unread_finished =
    FACTS(.unread = 9, .state = STATE_CLOSE_WAIT, .peer_fin = true);
static const struct facts fin_wait = FACTS(.state = STATE_FIN_WAIT2, .shut = SHUT_WRITE);
static const struct facts fin_wait_unread =
    FACTS(.state = STATE_FIN_WAIT2, .shut = SHUT_WRITE, .unread = 9);
static const struct facts linger2 = FACTS(.linger2 = -1);
static const struct facts linger_zero = FACTS(.linger = 0);
static const struct facts linger_zero_unread = FACTS(.linger = 0, .unread = 9);
static const struct facts linger_zero_finished =
    FACTS(.linger = 0, .state = STATE_CLOSE_WAIT, .peer_fin = true);
static const struct facts over_unix = FACTS(.proto = PROTO_UNIX, .unread = 9);
static const struct facts finished = FACTS(.state = STATE_CLOSE_WAIT, .peer_fin = true);
static const struct facts listener = FACTS(.state = STATE_LISTEN, .backlog = 2);
static const struct facts unix_listener =
    FACTS(.proto = PROTO_UNIX, .state = STATE_LISTEN, .backlog = 1);

static void expect(const struct settings *settings, const struct facts *facts, unsigned actions,
                   enum policy_key key)
{
    struct verdict verdict = decide(settings, facts);

    assert_int_equal(verdict.actions, actions);
    assert_int_equal(verdict.key, key);
}

static void test_drain_manners(void **state)
{
    static const unsigned actions[] = {BACKGROUND, BLOCK, INLINE};
    static const struct facts *const drained[] = {&peer_open,       &unread,   &urgent,
                                                  &unread_finished, &fin_wait, &fin_wait_unread,
                                                  &linger2,         &over_unix};
    struct settings settings = builtin_settings(ROLE_ACCEPTED);

    (void)state;
    for (unsigned manner = DRAIN_BACKGROUND; manner <= DRAIN_INLINE; manner++) {
        settings.drain = (enum drain_manner)manner;
        for (size_t i = 0; i < COUNT_OF(drained); i++)
            expect(&settings, drained[i], actions[manner], KEY_DRAIN);
        expect(&settings, &linger_zero, actions[manner] | OFF, KEY_LINGER_ZERO);
        expect(&settings, &linger_zero_unread, actions[manner] | OFF, KEY_LINGER_ZERO);
        expect(&settings, &linger_zero_finished, OFF, KEY_LINGER_ZERO);
        expect(&settings, &finished, PASS, KEY_COUNT);
    }
}

static void test_drain_none(void **state)
{
    struct settings settings = builtin_settings(ROLE_ACCEPTED);

    (void)state;
    settings.drain = DRAIN_NONE;
    expect(&settings, &peer_open, HALF, KEY_HALF_CLOSE);
    expect(&settings, &unread, HALF, KEY_HALF_CLOSE);
    expect(&settings, &over_unix, HALF, KEY_HALF_CLOSE);
    expect(&settings, &linger_zero, HALF | OFF, KEY_LINGER_ZERO);
    /* The FIN has been sent: without a drain there is nothing left to do. */
    expect(&settings, &fin_wait, PASS, KEY_DRAIN);
    expect(&settings, &fin_wait_unread, PASS, KEY_DRAIN);
}

static void test_half_close(void **state)
{
    struct settings settings = builtin_settings(ROLE_ACCEPTED);

    (void)state;
    settings.half_close = HALF_CLOSE_WHEN_UNREAD;
    expect(&settings, &peer_open, PASS, KEY_HALF_CLOSE);
    expect(&settings, &fin_wait, PASS, KEY_HALF_CLOSE);
    expect(&settings, &linger2, PASS, KEY_HALF_CLOSE);
    expect(&settings, &unread, BACKGROUND, KEY_DRAIN);
    expect(&settings, &urgent, BACKGROUND, KEY_DRAIN);
    expect(&settings, &over_unix, BACKGROUND, KEY_DRAIN);
    expect(&settings, &linger_zero, OFF, KEY_LINGER_ZERO);
    expect(&settings, &linger_zero_unread, BACKGROUND | OFF, KEY_LINGER_ZERO);
    settings.half_close = HALF_CLOSE_NEVER;
    expect(&settings, &peer_open, PASS, KEY_HALF_CLOSE);
    expect(&settings, &unread, PASS, KEY_HALF_CLOSE);
    expect(&settings, &over_unix, PASS, KEY_HALF_CLOSE);
    expect(&settings, &linger_zero_unread, OFF, KEY_LINGER_ZERO);
    settings.drain = DRAIN_NONE;
    expect(&settings, &unread, PASS, KEY_HALF_CLOSE);
}

/* The program asked for an abort, and the policy lets it have one: unread data changes nothing. */
static void test_linger_zero_allowed(void **state)
{
    struct settings settings = builtin_settings(ROLE_ACCEPTED);

    (void)state;
    for (unsigned value = LINGER_ZERO_DENY; value <= LINGER_ZERO_ALLOW; value++) {
        settings.linger_zero = (enum linger_zero)value;
        expect(&settings, &linger_zero, PASS, KEY_LINGER_ZERO);
        expect(&settings, &linger_zero_unread, PASS, KEY_LINGER_ZERO);
        expect(&settings, &linger_zero_finished, PASS, KEY_LINGER_ZERO);
        expect(&settings, &unread, BACKGROUND, KEY_DRAIN);
    }
}

static void test_backlog(void **state)
{
    struct settings settings = builtin_settings(ROLE_ACCEPTED);
    struct facts shared = listener;

    (void)state;
    expect(&settings, &listener, PASS, KEY_LISTENER_BACKLOG);
    settings.backlog = BACKLOG_DRAIN;
    expect(&settings, &listener, ACTION_BACKLOG_DRAINED, KEY_LISTENER_BACKLOG);
    expect(&settings, &unix_listener, ACTION_BACKLOG_DRAINED, KEY_LISTENER_BACKLOG);
    shared.holders = HOLDERS_UNKNOWN;
    expect(&settings, &shared, PASS, KEY_COUNT);
    shared = listener;
    shared.backlog = 0;
    expect(&settings, &shared, PASS, KEY_COUNT);
}

/* setsockopt(SO_LINGER): the outcome is that of a close right now, whoever else holds it. */
static void test_setting_linger_zero(void **state)
{
    static const unsigned actions[] = {OFF, ACTION_DENIED, PASS, PASS};
    struct settings settings = builtin_settings(ROLE_ACCEPTED);
    struct facts facts = FACTS(.op = OP_LINGER, .linger = 0, .holders = HOLDERS_SHARED);
    struct verdict verdict;

    (void)state;
    for (unsigned value = LINGER_ZERO_FORBID; value <= LINGER_ZERO_ALLOW; value++) {
        settings.linger_zero = (enum linger_zero)value;
        verdict = decide(&settings, &facts);
        assert_int_equal(verdict.outcome, OUTCOME_RESET);
        assert_int_equal(verdict.cause, CAUSE_LINGER_ZERO);
        expect(&settings, &facts, actions[value], KEY_LINGER_ZERO);
    }
    settings.linger_zero = LINGER_ZERO_FORBID;
    facts.unread = 1;
    assert_int_equal(decide(&settings, &facts).cause, CAUSE_UNREAD);
    /* Before connect(), and on a listener, whose linger accept() hands down. */
    facts = (struct facts)FACTS(.op = OP_LINGER, .linger = 0, .state = STATE_CLOSE,
                                .was_connected = false);
    assert_int_equal(decide(&settings, &facts).cause, CAUSE_UNCONNECTED);
    expect(&settings, &facts, OFF, KEY_LINGER_ZERO);
    facts.state = STATE_LISTEN;
    expect(&settings, &facts, OFF, KEY_LINGER_ZERO);
}

static void test_linger_without_effect(void **state)
{
    struct settings settings = builtin_settings(ROLE_ACCEPTED);
    struct facts facts = FACTS(.op = OP_LINGER, .linger = 0, .proto = PROTO_UNIX);

    (void)state;
    assert_int_equal(decide(&settings, &facts).outcome, OUTCOME_FIN);
    expect(&settings, &facts, PASS, KEY_COUNT);
    facts = (struct facts)FACTS(.op = OP_LINGER, .linger = 0, .proto = PROTO_OTHER,
                                .type = TYPE_DATAGRAM);
    expect(&settings, &facts, PASS, KEY_COUNT);
    facts = (struct facts)FACTS(.op = OP_LINGER, .linger = 5);
    assert_int_equal(decide(&settings, &facts).outcome, OUTCOME_EXPOSED);
    expect(&settings, &facts, PASS, KEY_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drain_manners),
        cmocka_unit_test(test_drain_none),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_linger_zero_allowed),
        cmocka_unit_test(test_backlog),
        cmocka_unit_test(test_setting_linger_zero),
        cmocka_unit_test(test_linger_without_effect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
