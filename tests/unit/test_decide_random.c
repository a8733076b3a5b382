/* SPDX-License-Identifier: MIT */
/* Properties of decide() over facts and settings that make no sense together, too. */
#include "random_facts.h"

enum { ROUNDS = 200000 };

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
    /* A drain that is over, or that nobody can carry on, goes to no thread. */
    if (facts->no_thread || (facts->epoll_uncertain && !facts->awaited))
        assert_false(verdict.actions & (ACTION_DRAIN_BACKGROUND | ACTION_SOFTENED));
    if (facts->ended != DRAIN_UNDER_WAY)
        assert_false(verdict.actions & (ACTION_DRAIN_BACKGROUND | ACTION_DRAIN_BLOCK));
    if (facts->unflushed && facts->op == OP_CLOSE)
        assert_int_equal(verdict.actions, ACTION_PASS);
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

/* What stands in the way changes what is done, never what the kernel would do or the policy asks.
 */
static void test_hindrances(void **state)
{
    uint64_t random = random_seed("decide hindrances");

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct facts facts = random_facts(&random), free = facts;
        struct settings settings = random_settings(&random);
        struct verdict hindered = decide(&settings, &facts), unhindered;

        free.unflushed = free.no_thread = free.epoll_uncertain = false;
        free.ended = DRAIN_UNDER_WAY;
        unhindered = decide(&settings, &free);
        assert_int_equal(hindered.outcome, unhindered.outcome);
        assert_int_equal(hindered.cause, unhindered.cause);
        assert_int_equal(decide_wish(&settings, &facts), unhindered.actions);
        if (unhindered.actions == ACTION_PASS)
            assert_int_equal(hindered.actions, ACTION_PASS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hindrances),
        cmocka_unit_test(test_properties),
        cmocka_unit_test(test_settings_do_not_change_the_outcome),
        cmocka_unit_test(test_unknown_holders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
