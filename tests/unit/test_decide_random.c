/* SPDX-License-Identifier: MIT */
/* Properties of decide() over facts and settings that make no sense together, too. */
#include "unit.h"

enum { ROUNDS = 200000 };

static bool coin(uint64_t *random)
{
    return next_random(random) >> 63;
}

static unsigned below(uint64_t *random, unsigned limit)
{
    return (unsigned)(next_random(random) >> 33) % limit;
}

static int64_t amount(uint64_t *random)
{
    return coin(random) ? 0 : (int64_t)below(random, 100000);
}

static struct facts random_facts(uint64_t *random)
{
    return (struct facts){
        .op = (enum operation)below(random, 4),
        .proto = (enum proto)below(random, 4),
        .type = (enum sock_type)below(random, 3),
        .role = (enum role)below(random, 4),
        .state = (enum tcp_state)below(random, 12),
        .holders = (enum holders)below(random, 3),
        .shut = (enum shut)below(random, 4),
        .how = (enum shut)below(random, 4),
        .unread = amount(random),
        .unsent = amount(random),
        .notsent = amount(random),
        .linger = (int32_t)below(random, 4) - 1,
        .linger2 = (int32_t)below(random, 3) - 1,
        .backlog = below(random, 3),
        .urgent = coin(random),
        .record = coin(random),
        .peer_fin = coin(random),
        .peer_gone = coin(random),
        .was_connected = coin(random),
        .pending_error = coin(random),
        .late_data = coin(random),
        .at_exit = coin(random),
        .bad_fd = below(random, 16) == 0,
    };
}

static struct settings random_settings(uint64_t *random)
{
    struct settings settings = builtin_settings(ROLE_ANY);

    settings.half_close = (enum half_close)below(random, 3);
    settings.drain = (enum drain_manner)below(random, 4);
    settings.linger_zero = (enum linger_zero)below(random, 4);
    settings.shutdown_both = (enum shutdown_both)below(random, 3);
    settings.backlog = (enum listener_backlog)below(random, 2);
    return settings;
}

/* Which causes contract section 4 allows for each outcome. */
static bool cause_fits(enum outcome outcome, enum cause cause)
{
    switch (outcome) {
    case OUTCOME_RELEASED:
    case OUTCOME_FIN:
        return cause == CAUSE_NULL;
    case OUTCOME_NONE:
        return cause <= CAUSE_DATAGRAM;
    case OUTCOME_EXPOSED:
        return cause == CAUSE_PEER_OPEN;
    case OUTCOME_RESET:
        return cause >= CAUSE_UNREAD && cause <= CAUSE_DISCONNECT;
    case OUTCOME_INVALID:
        return cause == CAUSE_BAD_FD;
    default:
        return false;
    }
}

static void check_actions(const struct facts *facts, struct verdict verdict)
{
    const unsigned drains = ACTION_DRAIN_BACKGROUND | ACTION_DRAIN_BLOCK | ACTION_DRAIN_INLINE;
    unsigned manners = verdict.actions & drains;

    assert_true(verdict.actions == ACTION_PASS || verdict.key != KEY_COUNT);
    if (facts->op != OP_LINGER && facts->holders != HOLDERS_LAST)
        assert_int_equal(verdict.actions, ACTION_PASS);
    if (facts->op == OP_DISCONNECT)
        assert_int_equal(verdict.actions, ACTION_PASS);
    /* One manner at a time, and a drain contains the half-close. */
    assert_int_equal(manners & (manners - 1), 0);
    assert_false(manners != 0 && (verdict.actions & ACTION_HALF_CLOSE));
    if (verdict.actions & (drains | ACTION_HALF_CLOSE)) {
        assert_int_equal(facts->op, OP_CLOSE);
        assert_true(verdict.outcome == OUTCOME_RESET || verdict.outcome == OUTCOME_EXPOSED);
        /* Where shutdown() would do harm. */
        assert_int_not_equal(facts->state, STATE_LISTEN);
        assert_int_not_equal(facts->state, STATE_SYN_SENT);
        assert_int_not_equal(facts->state, STATE_UNKNOWN);
    }
    if (verdict.actions & ACTION_SOFTENED) {
        assert_int_equal(facts->op, OP_SHUTDOWN);
        assert_int_equal(facts->how, SHUT_BOTH);
    }
    if (verdict.actions & ACTION_DENIED)
        assert_int_equal(facts->op, OP_LINGER);
    if (verdict.actions & ACTION_BACKLOG_DRAINED)
        assert_int_equal(verdict.cause, CAUSE_BACKLOG);
}

static void test_properties(void **state)
{
    uint64_t random = random_seed("decide");

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct facts facts = random_facts(&random);
        struct settings settings = random_settings(&random);
        struct verdict verdict = decide(&settings, &facts);

        assert_true(cause_fits(verdict.outcome, verdict.cause));
        assert_true(verdict.key <= KEY_COUNT);
        check_actions(&facts, verdict);
    }
}

/* The outcome is the kernel's: no key of the policy may change it. */
static void test_settings_do_not_change_the_outcome(void **state)
{
    uint64_t random = random_seed("decide outcome");

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct facts facts = random_facts(&random);
        struct settings one = random_settings(&random), other = random_settings(&random);
        struct verdict first = decide(&one, &facts), second = decide(&other, &facts);

        assert_int_equal(first.outcome, second.outcome);
        assert_int_equal(first.cause, second.cause);
    }
}

/* Not knowing the holders changes what is done, never what is said. */
static void test_unknown_holders(void **state)
{
    uint64_t random = random_seed("decide holders");

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct facts facts = random_facts(&random);
        struct settings settings = random_settings(&random);
        struct verdict last, unknown;

        facts.holders = HOLDERS_LAST;
        last = decide(&settings, &facts);
        facts.holders = HOLDERS_UNKNOWN;
        unknown = decide(&settings, &facts);
        assert_int_equal(last.outcome, unknown.outcome);
        assert_int_equal(last.cause, unknown.cause);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_properties),
        cmocka_unit_test(test_settings_do_not_change_the_outcome),
        cmocka_unit_test(test_unknown_holders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
