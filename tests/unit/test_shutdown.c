/* SPDX-License-Identifier: MIT */
/* shutdown(): what the kernel does with each half in each state, and when softening applies. */
#include "unit.h"

struct row {
    const char *what;
    struct facts facts;
    enum outcome outcome;
    enum cause cause;
    unsigned actions;
};

enum { PASS = ACTION_PASS, SOFT = ACTION_SOFTENED };

#define SHUTDOWN(...) FACTS(.op = OP_SHUTDOWN, __VA_ARGS__)

static const struct row rows[] = {
    {"SHUT_RDWR, peer open", SHUTDOWN(.how = SHUT_BOTH), OUTCOME_EXPOSED, CAUSE_PEER_OPEN, SOFT},
    {"SHUT_RDWR of a shared socket", SHUTDOWN(.how = SHUT_BOTH, .holders = HOLDERS_SHARED),
     OUTCOME_EXPOSED, CAUSE_PEER_OPEN, PASS},
    {"SHUT_RDWR, holders unknown", SHUTDOWN(.how = SHUT_BOTH, .holders = HOLDERS_UNKNOWN),
     OUTCOME_EXPOSED, CAUSE_PEER_OPEN, PASS},
    {"SHUT_RDWR after SHUT_WR",
     SHUTDOWN(.how = SHUT_BOTH, .shut = SHUT_WRITE, .state = STATE_FIN_WAIT2), OUTCOME_EXPOSED,
     CAUSE_PEER_OPEN, SOFT},
    {"SHUT_RDWR after SHUT_RD: too late to soften", SHUTDOWN(.how = SHUT_BOTH, .shut = SHUT_READ),
     OUTCOME_EXPOSED, CAUSE_PEER_OPEN, PASS},
    {"SHUT_WR after SHUT_RD", SHUTDOWN(.how = SHUT_WRITE, .shut = SHUT_READ), OUTCOME_EXPOSED,
     CAUSE_PEER_OPEN, PASS},
    {"SHUT_RD after SHUT_WR",
     SHUTDOWN(.how = SHUT_READ, .shut = SHUT_WRITE, .state = STATE_FIN_WAIT2), OUTCOME_EXPOSED,
     CAUSE_PEER_OPEN, PASS},
    {"SHUT_RDWR twice", SHUTDOWN(.how = SHUT_BOTH, .shut = SHUT_BOTH, .state = STATE_FIN_WAIT2),
     OUTCOME_NONE, CAUSE_NULL, PASS},
    {"SHUT_RDWR, peer finished",
     SHUTDOWN(.how = SHUT_BOTH, .state = STATE_CLOSE_WAIT, .peer_fin = true), OUTCOME_FIN,
     CAUSE_NULL, PASS},
    {"SHUT_RDWR in LAST_ACK",
     SHUTDOWN(.how = SHUT_BOTH, .shut = SHUT_WRITE, .state = STATE_LAST_ACK, .peer_fin = true),
     OUTCOME_NONE, CAUSE_NULL, PASS},
    {"SHUT_RDWR in CLOSE_WAIT, which alone tells that the peer has finished",
     SHUTDOWN(.how = SHUT_BOTH, .state = STATE_CLOSE_WAIT), OUTCOME_FIN, CAUSE_NULL, PASS},
    {"SHUT_RDWR, the peer's FIN just arrived", SHUTDOWN(.how = SHUT_BOTH, .peer_fin = true),
     OUTCOME_FIN, CAUSE_NULL, PASS},
    {"SHUT_WR in FIN_WAIT1", SHUTDOWN(.how = SHUT_WRITE, .state = STATE_FIN_WAIT1), OUTCOME_NONE,
     CAUSE_NULL, PASS},
    {"SHUT_WR in FIN_WAIT2", SHUTDOWN(.how = SHUT_WRITE, .state = STATE_FIN_WAIT2), OUTCOME_NONE,
     CAUSE_NULL, PASS},
    {"SHUT_RDWR in CLOSING", SHUTDOWN(.how = SHUT_BOTH, .state = STATE_CLOSING), OUTCOME_NONE,
     CAUSE_NULL, PASS},
    {"SHUT_RDWR in LAST_ACK, told by the state",
     SHUTDOWN(.how = SHUT_BOTH, .state = STATE_LAST_ACK), OUTCOME_NONE, CAUSE_NULL, PASS},
    {"SHUT_RDWR in TIME_WAIT", SHUTDOWN(.how = SHUT_BOTH, .state = STATE_TIME_WAIT), OUTCOME_NONE,
     CAUSE_NULL, PASS},
    {"SHUT_WR", SHUTDOWN(.how = SHUT_WRITE), OUTCOME_FIN, CAUSE_NULL, PASS},
    {"SHUT_WR with unread data resets nothing yet", SHUTDOWN(.how = SHUT_WRITE, .unread = 9),
     OUTCOME_FIN, CAUSE_NULL, PASS},
    {"SHUT_WR twice", SHUTDOWN(.how = SHUT_WRITE, .shut = SHUT_WRITE, .state = STATE_FIN_WAIT1),
     OUTCOME_NONE, CAUSE_NULL, PASS},
    {"SHUT_RD", SHUTDOWN(.how = SHUT_READ), OUTCOME_NONE, CAUSE_NULL, PASS},
    {"SHUT_RD, peer finished",
     SHUTDOWN(.how = SHUT_READ, .state = STATE_CLOSE_WAIT, .peer_fin = true), OUTCOME_NONE,
     CAUSE_NULL, PASS},
    {"never connected", SHUTDOWN(.how = SHUT_BOTH, .state = STATE_CLOSE, .was_connected = false),
     OUTCOME_NONE, CAUSE_UNCONNECTED, PASS},
    {"connecting", SHUTDOWN(.how = SHUT_BOTH, .state = STATE_SYN_SENT, .was_connected = false),
     OUTCOME_NONE, CAUSE_CONNECTING, PASS},
    {"after a reset", SHUTDOWN(.how = SHUT_BOTH, .state = STATE_CLOSE), OUTCOME_NONE,
     CAUSE_ALREADY_RESET, PASS},
    {"after the end", SHUTDOWN(.how = SHUT_BOTH, .shut = SHUT_WRITE, .state = STATE_CLOSE),
     OUTCOME_NONE, CAUSE_FINISHED, PASS},
    {"state unknown: observed only", SHUTDOWN(.how = SHUT_BOTH, .state = STATE_UNKNOWN),
     OUTCOME_EXPOSED, CAUSE_PEER_OPEN, PASS},
    {"listener, SHUT_RD, two waiting",
     SHUTDOWN(.how = SHUT_READ, .state = STATE_LISTEN, .backlog = 2), OUTCOME_RESET, CAUSE_BACKLOG,
     PASS},
    {"listener, SHUT_RDWR, two waiting",
     SHUTDOWN(.how = SHUT_BOTH, .state = STATE_LISTEN, .backlog = 2), OUTCOME_RESET, CAUSE_BACKLOG,
     PASS},
    {"listener, SHUT_RD, nobody waiting", SHUTDOWN(.how = SHUT_READ, .state = STATE_LISTEN),
     OUTCOME_NONE, CAUSE_UNCONNECTED, PASS},
    {"listener, SHUT_WR does nothing",
     SHUTDOWN(.how = SHUT_WRITE, .state = STATE_LISTEN, .backlog = 2), OUTCOME_NONE, CAUSE_NULL,
     PASS},
    {"MPTCP SHUT_RDWR", SHUTDOWN(.proto = PROTO_MPTCP, .how = SHUT_BOTH), OUTCOME_EXPOSED,
     CAUSE_PEER_OPEN, SOFT},
    {"UNIX SHUT_RDWR never resets", SHUTDOWN(.proto = PROTO_UNIX, .how = SHUT_BOTH, .unread = 5),
     OUTCOME_FIN, CAUSE_NULL, PASS},
    {"UNIX SHUT_WR", SHUTDOWN(.proto = PROTO_UNIX, .how = SHUT_WRITE), OUTCOME_FIN, CAUSE_NULL,
     PASS},
    {"UNIX SHUT_RD", SHUTDOWN(.proto = PROTO_UNIX, .how = SHUT_READ), OUTCOME_NONE, CAUSE_NULL,
     PASS},
    {"UNIX SHUT_WR twice", SHUTDOWN(.proto = PROTO_UNIX, .how = SHUT_WRITE, .shut = SHUT_WRITE),
     OUTCOME_NONE, CAUSE_NULL, PASS},
    {"UNIX listener",
     SHUTDOWN(.proto = PROTO_UNIX, .how = SHUT_BOTH, .state = STATE_LISTEN, .backlog = 1),
     OUTCOME_NONE, CAUSE_NULL, PASS},
    {"UNIX unconnected",
     SHUTDOWN(.proto = PROTO_UNIX, .how = SHUT_BOTH, .state = STATE_CLOSE, .was_connected = false),
     OUTCOME_NONE, CAUSE_UNCONNECTED, PASS},
    {"UNIX, peer gone",
     SHUTDOWN(.proto = PROTO_UNIX, .how = SHUT_BOTH, .state = STATE_CLOSE, .peer_gone = true),
     OUTCOME_NONE, CAUSE_FINISHED, PASS},
    {"vsock SHUT_RDWR", SHUTDOWN(.proto = PROTO_OTHER, .how = SHUT_BOTH), OUTCOME_FIN, CAUSE_NULL,
     PASS},
    {"UDP", SHUTDOWN(.proto = PROTO_OTHER, .type = TYPE_DATAGRAM, .how = SHUT_BOTH), OUTCOME_NONE,
     CAUSE_DATAGRAM, PASS},
    {"SCTP seqpacket", SHUTDOWN(.proto = PROTO_OTHER, .type = TYPE_SEQPACKET, .how = SHUT_BOTH),
     OUTCOME_NONE, CAUSE_DATAGRAM, PASS},
};

static void test_rows(void **state)
{
    struct settings settings = builtin_settings(ROLE_ACCEPTED);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct verdict verdict = decide(&settings, &rows[i].facts);

        if (verdict.outcome != rows[i].outcome || verdict.cause != rows[i].cause ||
            verdict.actions != rows[i].actions)
            fail_msg("%s: is %s/%s %x, should be %s/%s %x", rows[i].what,
                     outcome_name(verdict.outcome), cause_name(verdict.cause), verdict.actions,
                     outcome_name(rows[i].outcome), cause_name(rows[i].cause), rows[i].actions);
    }
}

static void test_shutdown_both_values(void **state)
{
    const struct facts facts = SHUTDOWN(.how = SHUT_BOTH);
    struct settings settings = builtin_settings(ROLE_ACCEPTED);

    (void)state;
    settings.shutdown_both = SHUTDOWN_BOTH_SOFTEN;
    assert_int_equal(decide(&settings, &facts).actions, ACTION_SOFTENED);
    assert_int_equal(decide(&settings, &facts).key, KEY_SHUTDOWN_BOTH);
    settings.shutdown_both = SHUTDOWN_BOTH_LOG;
    assert_int_equal(decide(&settings, &facts).actions, ACTION_PASS);
    assert_int_equal(decide(&settings, &facts).outcome, OUTCOME_EXPOSED);
    settings.shutdown_both = SHUTDOWN_BOTH_ALLOW;
    assert_int_equal(decide(&settings, &facts).actions, ACTION_PASS);
    assert_int_equal(decide(&settings, &facts).key, KEY_SHUTDOWN_BOTH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_shutdown_both_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
