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

static unsigned chosen(const struct settings *settings, struct facts facts)
{
    return decide(settings, &facts).actions;
}

/* A drain without a thread, or that an epoll set would go on telling of, reads what is here. */
static void test_no_background(void **state)
{
    struct settings settings = builtin_settings(ROLE_ACCEPTED);
    static const struct facts thread = FACTS(.unread = 9, .no_thread = true);
    static const struct facts epoll = FACTS(.unread = 9, .epoll_uncertain = true);
    static const struct facts off = FACTS(.linger = 0, .unread = 9, .no_thread = true);

    (void)state;
    assert_int_equal(chosen(&settings, thread), INLINE);
    assert_int_equal(chosen(&settings, epoll), INLINE);
    assert_int_equal(chosen(&settings, off), INLINE | OFF);
    assert_int_equal(decide_wish(&settings, &thread), BACKGROUND);
    assert_int_equal(decide_wish(&settings, &epoll), BACKGROUND);
    /* At the end nobody looks at the set any more, and whoever waits for the thread can do without.
     */
    static const struct facts last = FACTS(.unread = 9, .epoll_uncertain = true, .awaited = true);
    static const struct facts alone = FACTS(.unread = 9, .no_thread = true, .awaited = true);
    assert_int_equal(chosen(&settings, last), BACKGROUND);
    assert_int_equal(chosen(&settings, alone), BLOCK);
    /* Within the call neither matters. */
    settings.drain = DRAIN_BLOCK;
    assert_int_equal(chosen(&settings, thread), BLOCK);
    assert_int_equal(chosen(&settings, epoll), BLOCK);
}

static void test_no_softening(void **state)
{
    struct settings settings = builtin_settings(ROLE_ACCEPTED);
    struct facts facts = FACTS(.op = OP_SHUTDOWN, .how = SHUT_BOTH);

    (void)state;
    assert_int_equal(chosen(&settings, facts), ACTION_SOFTENED);
    facts.no_thread = true;
    assert_int_equal(chosen(&settings, facts), PASS);
    assert_int_equal(decide_wish(&settings, &facts), ACTION_SOFTENED);
    facts.no_thread = false;
    facts.epoll_uncertain = true;
    assert_int_equal(chosen(&settings, facts), PASS);
}

/* A FIN before what the stream still holds would cut it off. */
static void test_unflushed(void **state)
{
    struct settings settings = builtin_settings(ROLE_ACCEPTED);
    static const struct facts facts = FACTS(.linger = 0, .unread = 9, .unflushed = true);

    (void)state;
    assert_int_equal(chosen(&settings, facts), PASS);
    assert_int_equal(decide_wish(&settings, &facts), BACKGROUND | OFF);
    assert_int_equal(decide(&settings, &facts).cause, CAUSE_UNREAD);
}

/* Once what is here has been read and nothing is left to wait for, it was an inline drain. */
static void test_ended_at_once(void **state)
{
    static const enum drain_result ends[] = {DRAIN_EOF, DRAIN_BYTES, DRAIN_ERROR};
    struct settings settings = builtin_settings(ROLE_ACCEPTED);

    (void)state;
    for (unsigned manner = DRAIN_BACKGROUND; manner <= DRAIN_INLINE; manner++) {
        settings.drain = (enum drain_manner)manner;
        for (size_t i = 0; i < COUNT_OF(ends); i++) {
            struct facts facts = FACTS(.unread = 9, .ended = ends[i]);
            assert_int_equal(chosen(&settings, facts), INLINE);
        }
    }
    settings.drain = DRAIN_NONE;
    assert_int_equal(chosen(&settings, unread), HALF);
}

/* close.on_limit = reset is for limits, and never cuts off what the program wrote. */
static void test_limit(void **state)
{
    (void)state;
    for (unsigned i = DRAIN_UNDER_WAY; i < DRAIN_RESULT_COUNT; i++) {
        enum drain_result result = (enum drain_result)i;
        bool limit = result == DRAIN_IDLE || result == DRAIN_TOTAL || result == DRAIN_BYTES ||
                     result == DRAIN_EVICTED;
        assert_int_equal(decide_limit(ON_LIMIT_RESET, result, 0),
                         limit ? ON_LIMIT_RESET : ON_LIMIT_CLOSE);
        assert_int_equal(decide_limit(ON_LIMIT_RESET, result, 1), ON_LIMIT_CLOSE);
        assert_int_equal(decide_limit(ON_LIMIT_CLOSE, result, 0), ON_LIMIT_CLOSE);
    }
}

/* SO_LINGER {on, N}: kept where the last close is not the program's. */
static void test_promise(void **state)
{
    const struct facts kept = FACTS(.linger = 7), off = FACTS(.linger = -1),
                       zero = FACTS(.linger = 0), ends = FACTS(.linger = 7, .at_exit = true),
                       executes = FACTS(.linger = 7, .awaited = true),
                       local = FACTS(.linger = 7, .proto = PROTO_UNIX);

    (void)state;
    assert_int_equal(decide_promise(&kept), 7);
    assert_int_equal(decide_promise(&executes), 7);
    assert_int_equal(decide_promise(&off), 0);
    assert_int_equal(decide_promise(&zero), 0);
    assert_int_equal(decide_promise(&ends), 0);
    assert_int_equal(decide_promise(&local), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drain_manners),
        cmocka_unit_test(test_drain_none),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_linger_zero_allowed),
        cmocka_unit_test(test_promise),
        cmocka_unit_test(test_backlog),
        cmocka_unit_test(test_no_background),
        cmocka_unit_test(test_no_softening),
        cmocka_unit_test(test_unflushed),
        cmocka_unit_test(test_ended_at_once),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_setting_linger_zero),
        cmocka_unit_test(test_linger_without_effect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
