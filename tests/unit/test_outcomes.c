/* SPDX-License-Identifier: MIT */
/*
 * What the kernel does: one row for each line of the measured table in docs (close, linger,
 * connect) and each state; the rows of shutdown() are in test_shutdown.c. Built-in settings.
 */
#include "unit.h"

struct row {
    const char *what;
    struct facts facts;
    enum outcome outcome;
    enum cause cause;
    unsigned actions;
};

enum {
    PASS = ACTION_PASS,
    DRAIN = ACTION_DRAIN_BACKGROUND,
    OFF = ACTION_LINGER_OFF,
};

static void check_rows(const struct row *rows, size_t count)
{
    struct settings settings = builtin_settings(ROLE_ACCEPTED);

    for (size_t i = 0; i < count; i++) {
        struct verdict verdict = decide(&settings, &rows[i].facts);
        char is[128], should[128];

        if (verdict.outcome != rows[i].outcome || verdict.cause != rows[i].cause ||
            verdict.actions != rows[i].actions)
            fail_msg("%s: is %s/%s %s, should be %s/%s %s", rows[i].what,
                     outcome_name(verdict.outcome), cause_name(verdict.cause),
                     actions_name(verdict.actions, is, sizeof(is)), outcome_name(rows[i].outcome),
                     cause_name(rows[i].cause),
                     actions_name(rows[i].actions, should, sizeof(should)));
        if (verdict.actions != PASS)
            assert_int_not_equal(verdict.key, KEY_COUNT);
    }
}

static const struct row unread_rows[] = {
    {"unread data", FACTS(.unread = 1), OUTCOME_RESET, CAUSE_UNREAD, DRAIN},
    {"unread data after SHUT_WR", FACTS(.unread = 9, .state = STATE_FIN_WAIT2, .shut = SHUT_WRITE),
     OUTCOME_RESET, CAUSE_UNREAD, DRAIN},
    {"unread data, our FIN not acknowledged", FACTS(.unread = 9, .state = STATE_FIN_WAIT1),
     OUTCOME_RESET, CAUSE_UNREAD, DRAIN},
    {"unread data in CLOSE_WAIT", FACTS(.unread = 9, .state = STATE_CLOSE_WAIT, .peer_fin = true),
     OUTCOME_RESET, CAUSE_UNREAD, DRAIN},
    {"unread data, both FINs sent: CLOSING",
     FACTS(.unread = 9, .state = STATE_CLOSING, .peer_fin = true), OUTCOME_RESET, CAUSE_UNREAD,
     DRAIN},
    {"unread data in LAST_ACK", FACTS(.unread = 9, .state = STATE_LAST_ACK, .peer_fin = true),
     OUTCOME_RESET, CAUSE_UNREAD, DRAIN},
    {"unread data in SYN_RECV", FACTS(.unread = 9, .state = STATE_SYN_RECV), OUTCOME_RESET,
     CAUSE_UNREAD, DRAIN},
    {"unread comes before linger 0", FACTS(.unread = 1, .linger = 0), OUTCOME_RESET, CAUSE_UNREAD,
     DRAIN | OFF},
    {"unread comes before linger2", FACTS(.unread = 1, .linger2 = -1), OUTCOME_RESET, CAUSE_UNREAD,
     DRAIN},
    {"an urgent byte alone", FACTS(.urgent = true), OUTCOME_RESET, CAUSE_UNREAD, DRAIN},
    {"only the peer's FIN unread", FACTS(.state = STATE_CLOSE_WAIT, .peer_fin = true), OUTCOME_FIN,
     CAUSE_NULL, PASS},
    {"unread data when the state is CLOSE", FACTS(.unread = 9, .state = STATE_CLOSE), OUTCOME_NONE,
     CAUSE_ALREADY_RESET, PASS},
    {"unread data and TIME_WAIT", FACTS(.unread = 9, .state = STATE_TIME_WAIT), OUTCOME_NONE,
     CAUSE_FINISHED, PASS},
};

static const struct row linger_rows[] = {
    {"linger 0 in ESTABLISHED", FACTS(.linger = 0), OUTCOME_RESET, CAUSE_LINGER_ZERO, DRAIN | OFF},
    {"linger 0 in SYN_RECV", FACTS(.linger = 0, .state = STATE_SYN_RECV), OUTCOME_RESET,
     CAUSE_LINGER_ZERO, DRAIN | OFF},
    {"linger 0 in CLOSE_WAIT", FACTS(.linger = 0, .state = STATE_CLOSE_WAIT, .peer_fin = true),
     OUTCOME_RESET, CAUSE_LINGER_ZERO, OFF},
    {"linger 0 in CLOSE_WAIT, which alone tells that the peer has finished",
     FACTS(.linger = 0, .state = STATE_CLOSE_WAIT), OUTCOME_RESET, CAUSE_LINGER_ZERO, OFF},
    {"linger 0 in CLOSING with unsent data, told by the state",
     FACTS(.linger = 0, .state = STATE_CLOSING, .notsent = 7), OUTCOME_RESET, CAUSE_LINGER_ZERO,
     OFF},
    {"linger 0 in LAST_ACK with unsent data, told by the state",
     FACTS(.linger = 0, .state = STATE_LAST_ACK, .notsent = 7), OUTCOME_RESET, CAUSE_LINGER_ZERO,
     OFF},
    {"linger 0 in FIN_WAIT1", FACTS(.linger = 0, .state = STATE_FIN_WAIT1), OUTCOME_RESET,
     CAUSE_LINGER_ZERO, DRAIN | OFF},
    {"linger 0 in FIN_WAIT2", FACTS(.linger = 0, .state = STATE_FIN_WAIT2), OUTCOME_RESET,
     CAUSE_LINGER_ZERO, DRAIN | OFF},
    {"linger 0 after both FINs", FACTS(.linger = 0, .state = STATE_LAST_ACK, .peer_fin = true),
     OUTCOME_NONE, CAUSE_FINISHED, PASS},
    {"linger 0 in CLOSING", FACTS(.linger = 0, .state = STATE_CLOSING, .peer_fin = true),
     OUTCOME_NONE, CAUSE_FINISHED, PASS},
    {"linger 0, the FIN still behind unsent data",
     FACTS(.linger = 0, .state = STATE_LAST_ACK, .peer_fin = true, .notsent = 7), OUTCOME_RESET,
     CAUSE_LINGER_ZERO, OFF},
    {"linger 0 in CLOSING with unsent data",
     FACTS(.linger = 0, .state = STATE_CLOSING, .peer_fin = true, .notsent = 7), OUTCOME_RESET,
     CAUSE_LINGER_ZERO, OFF},
    {"linger 0 in SYN_SENT", FACTS(.linger = 0, .state = STATE_SYN_SENT, .was_connected = false),
     OUTCOME_NONE, CAUSE_CONNECTING, PASS},
    {"linger 5 keeps its promise, the drain still applies", FACTS(.linger = 5), OUTCOME_EXPOSED,
     CAUSE_PEER_OPEN, DRAIN},
    {"linger 5 at exit", FACTS(.linger = 5, .at_exit = true), OUTCOME_EXPOSED, CAUSE_PEER_OPEN,
     DRAIN},
    {"linger2 < 0 in FIN_WAIT2", FACTS(.linger2 = -1, .state = STATE_FIN_WAIT2), OUTCOME_RESET,
     CAUSE_LINGER2, DRAIN},
    {"linger2 < 0 in ESTABLISHED", FACTS(.linger2 = -1), OUTCOME_RESET, CAUSE_LINGER2, DRAIN},
    {"linger2 < 0 in FIN_WAIT1", FACTS(.linger2 = -1, .state = STATE_FIN_WAIT1), OUTCOME_RESET,
     CAUSE_LINGER2, DRAIN},
    {"linger2 < 0 in SYN_RECV", FACTS(.linger2 = -1, .state = STATE_SYN_RECV), OUTCOME_RESET,
     CAUSE_LINGER2, DRAIN},
    {"linger2 < 0 in CLOSE_WAIT", FACTS(.linger2 = -1, .state = STATE_CLOSE_WAIT, .peer_fin = true),
     OUTCOME_FIN, CAUSE_NULL, PASS},
    {"linger2 < 0 in LAST_ACK", FACTS(.linger2 = -1, .state = STATE_LAST_ACK, .peer_fin = true),
     OUTCOME_NONE, CAUSE_FINISHED, PASS},
    {"linger 0 comes before linger2", FACTS(.linger = 0, .linger2 = -1), OUTCOME_RESET,
     CAUSE_LINGER_ZERO, DRAIN | OFF},
    {"linger2 of 0 is the default time", FACTS(.linger2 = 0), OUTCOME_EXPOSED, CAUSE_PEER_OPEN,
     DRAIN},
};

static const struct row state_rows[] = {
    {"our data not yet acknowledged", FACTS(.unsent = 5), OUTCOME_EXPOSED, CAUSE_PEER_OPEN, DRAIN},
    {"FIN not acknowledged", FACTS(.state = STATE_FIN_WAIT1, .shut = SHUT_WRITE), OUTCOME_EXPOSED,
     CAUSE_PEER_OPEN, DRAIN},
    {"FIN acknowledged", FACTS(.state = STATE_FIN_WAIT2, .shut = SHUT_WRITE), OUTCOME_EXPOSED,
     CAUSE_PEER_OPEN, DRAIN},
    {"SYN_RECV", FACTS(.state = STATE_SYN_RECV), OUTCOME_EXPOSED, CAUSE_PEER_OPEN, DRAIN},
    {"SHUT_RDWR, then close", FACTS(.state = STATE_FIN_WAIT2, .shut = SHUT_BOTH), OUTCOME_EXPOSED,
     CAUSE_PEER_OPEN, PASS},
    {"SHUT_RDWR, then close with unread data",
     FACTS(.state = STATE_FIN_WAIT2, .shut = SHUT_BOTH, .unread = 1), OUTCOME_RESET, CAUSE_UNREAD,
     DRAIN},
    {"SHUT_RD, then close: late data is reset whatever is done", FACTS(.shut = SHUT_READ),
     OUTCOME_EXPOSED, CAUSE_PEER_OPEN, PASS},
    {"data after SHUT_RDWR",
     FACTS(.state = STATE_CLOSE, .shut = SHUT_BOTH, .late_data = true, .pending_error = true),
     OUTCOME_RESET, CAUSE_SHUTDOWN_BOTH, PASS},
    {"late_data of a socket that never was connected",
     FACTS(.state = STATE_CLOSE, .was_connected = false, .late_data = true), OUTCOME_NONE,
     CAUSE_UNCONNECTED, PASS},
    {"the peer's reset", FACTS(.state = STATE_CLOSE, .pending_error = true), OUTCOME_NONE,
     CAUSE_ALREADY_RESET, PASS},
    {"the peer's reset after our FIN",
     FACTS(.state = STATE_CLOSE, .pending_error = true, .shut = SHUT_WRITE), OUTCOME_NONE,
     CAUSE_ALREADY_RESET, PASS},
    {"both finished, TIME_WAIT over", FACTS(.state = STATE_CLOSE, .shut = SHUT_WRITE), OUTCOME_NONE,
     CAUSE_FINISHED, PASS},
    {"the peer's reset, its error already read", FACTS(.state = STATE_CLOSE), OUTCOME_NONE,
     CAUSE_ALREADY_RESET, PASS},
    {"never connected", FACTS(.state = STATE_CLOSE, .was_connected = false), OUTCOME_NONE,
     CAUSE_UNCONNECTED, PASS},
    {"SYN_SENT", FACTS(.state = STATE_SYN_SENT, .was_connected = false), OUTCOME_NONE,
     CAUSE_CONNECTING, PASS},
    {"LAST_ACK", FACTS(.state = STATE_LAST_ACK, .peer_fin = true), OUTCOME_NONE, CAUSE_FINISHED,
     PASS},
    {"CLOSING", FACTS(.state = STATE_CLOSING, .peer_fin = true), OUTCOME_NONE, CAUSE_FINISHED,
     PASS},
    {"listener, nobody waiting", FACTS(.state = STATE_LISTEN), OUTCOME_NONE, CAUSE_UNCONNECTED,
     PASS},
    {"listener, three waiting", FACTS(.state = STATE_LISTEN, .backlog = 3), OUTCOME_RESET,
     CAUSE_BACKLOG, PASS},
    {"listener with linger 0, nobody waiting", FACTS(.state = STATE_LISTEN, .linger = 0),
     OUTCOME_NONE, CAUSE_UNCONNECTED, PASS},
    {"the state could not be asked", FACTS(.state = STATE_UNKNOWN), OUTCOME_EXPOSED,
     CAUSE_PEER_OPEN, PASS},
    {"the state could not be asked, unread data", FACTS(.state = STATE_UNKNOWN, .unread = 1),
     OUTCOME_RESET, CAUSE_UNREAD, PASS},
    {"the state could not be asked, the peer has finished",
     FACTS(.state = STATE_UNKNOWN, .peer_fin = true), OUTCOME_FIN, CAUSE_NULL, PASS},
};

static const struct row holder_rows[] = {
    {"not the last holder", FACTS(.holders = HOLDERS_SHARED, .unread = 1, .linger = 0),
     OUTCOME_RELEASED, CAUSE_NULL, PASS},
    {"a shared listener", FACTS(.holders = HOLDERS_SHARED, .state = STATE_LISTEN, .backlog = 1),
     OUTCOME_RELEASED, CAUSE_NULL, PASS},
    {"holders unknown, unread", FACTS(.holders = HOLDERS_UNKNOWN, .unread = 1), OUTCOME_RESET,
     CAUSE_UNREAD, PASS},
    {"holders unknown, linger 0", FACTS(.holders = HOLDERS_UNKNOWN, .linger = 0), OUTCOME_RESET,
     CAUSE_LINGER_ZERO, PASS},
    {"holders unknown, peer open", FACTS(.holders = HOLDERS_UNKNOWN), OUTCOME_EXPOSED,
     CAUSE_PEER_OPEN, PASS},
    {"double close", FACTS(.bad_fd = true, .holders = HOLDERS_SHARED), OUTCOME_INVALID,
     CAUSE_BAD_FD, PASS},
    {"UDP", FACTS(.type = TYPE_DATAGRAM, .proto = PROTO_OTHER, .unread = 1), OUTCOME_NONE,
     CAUSE_DATAGRAM, PASS},
    {"UNIX datagram", FACTS(.type = TYPE_DATAGRAM, .proto = PROTO_UNIX, .unread = 1), OUTCOME_NONE,
     CAUSE_DATAGRAM, PASS},
    {"SCTP seqpacket", FACTS(.type = TYPE_SEQPACKET, .proto = PROTO_OTHER, .unread = 1),
     OUTCOME_NONE, CAUSE_DATAGRAM, PASS},
    {"vsock", FACTS(.proto = PROTO_OTHER, .unread = 1), OUTCOME_FIN, CAUSE_NULL, PASS},
    {"vsock, unconnected", FACTS(.proto = PROTO_OTHER, .state = STATE_CLOSE), OUTCOME_NONE,
     CAUSE_UNCONNECTED, PASS},
};

static const struct row mptcp_rows[] = {
    {"MPTCP unread", FACTS(.proto = PROTO_MPTCP, .unread = 1), OUTCOME_RESET, CAUSE_UNREAD, DRAIN},
    {"MPTCP unread, peer finished",
     FACTS(.proto = PROTO_MPTCP, .unread = 1, .state = STATE_CLOSE_WAIT, .peer_fin = true),
     OUTCOME_RESET, CAUSE_UNREAD, DRAIN},
    {"MPTCP linger 0", FACTS(.proto = PROTO_MPTCP, .linger = 0), OUTCOME_RESET, CAUSE_LINGER_ZERO,
     DRAIN | OFF},
    {"MPTCP linger 0 in LAST_ACK: fastclose in any state",
     FACTS(.proto = PROTO_MPTCP, .linger = 0, .state = STATE_LAST_ACK, .peer_fin = true),
     OUTCOME_RESET, CAUSE_LINGER_ZERO, OFF},
    {"MPTCP linger2 does not apply", FACTS(.proto = PROTO_MPTCP, .linger2 = -1), OUTCOME_EXPOSED,
     CAUSE_PEER_OPEN, DRAIN},
    {"MPTCP peer finished", FACTS(.proto = PROTO_MPTCP, .peer_fin = true), OUTCOME_FIN, CAUSE_NULL,
     PASS},
    {"MPTCP peer open", FACTS(.proto = PROTO_MPTCP), OUTCOME_EXPOSED, CAUSE_PEER_OPEN, DRAIN},
    {"MPTCP both finished", FACTS(.proto = PROTO_MPTCP, .state = STATE_LAST_ACK, .peer_fin = true),
     OUTCOME_NONE, CAUSE_FINISHED, PASS},
    {"MPTCP CLOSING", FACTS(.proto = PROTO_MPTCP, .state = STATE_CLOSING), OUTCOME_NONE,
     CAUSE_FINISHED, PASS},
    {"MPTCP TIME_WAIT", FACTS(.proto = PROTO_MPTCP, .state = STATE_TIME_WAIT), OUTCOME_NONE,
     CAUSE_FINISHED, PASS},
    {"MPTCP CLOSE_WAIT", FACTS(.proto = PROTO_MPTCP, .state = STATE_CLOSE_WAIT), OUTCOME_FIN,
     CAUSE_NULL, PASS},
    {"MPTCP listener", FACTS(.proto = PROTO_MPTCP, .state = STATE_LISTEN, .backlog = 1),
     OUTCOME_RESET, CAUSE_BACKLOG, PASS},
    {"MPTCP connecting",
     FACTS(.proto = PROTO_MPTCP, .state = STATE_SYN_SENT, .was_connected = false), OUTCOME_NONE,
     CAUSE_CONNECTING, PASS},
    {"MPTCP after a reset", FACTS(.proto = PROTO_MPTCP, .state = STATE_CLOSE, .linger = 0),
     OUTCOME_NONE, CAUSE_ALREADY_RESET, PASS},
};

static const struct row unix_rows[] = {
    {"UNIX stream unread", FACTS(.proto = PROTO_UNIX, .unread = 1), OUTCOME_RESET, CAUSE_UNREAD,
     DRAIN},
    {"UNIX stream unread after SHUT_WR",
     FACTS(.proto = PROTO_UNIX, .unread = 1, .shut = SHUT_WRITE), OUTCOME_RESET, CAUSE_UNREAD,
     DRAIN},
    {"UNIX seqpacket unread", FACTS(.proto = PROTO_UNIX, .type = TYPE_SEQPACKET, .unread = 1),
     OUTCOME_RESET, CAUSE_UNREAD, DRAIN},
    {"UNIX seqpacket, an empty record",
     FACTS(.proto = PROTO_UNIX, .type = TYPE_SEQPACKET, .record = true), OUTCOME_RESET,
     CAUSE_UNREAD, DRAIN},
    {"UNIX urgent byte", FACTS(.proto = PROTO_UNIX, .urgent = true), OUTCOME_RESET, CAUSE_UNREAD,
     DRAIN},
    {"UNIX linger 0", FACTS(.proto = PROTO_UNIX, .linger = 0), OUTCOME_FIN, CAUSE_NULL, PASS},
    {"UNIX linger 0 and unread", FACTS(.proto = PROTO_UNIX, .linger = 0, .unread = 1),
     OUTCOME_RESET, CAUSE_UNREAD, DRAIN},
    {"UNIX in order", FACTS(.proto = PROTO_UNIX), OUTCOME_FIN, CAUSE_NULL, PASS},
    {"UNIX, peer shut its writing half",
     FACTS(.proto = PROTO_UNIX, .state = STATE_CLOSE_WAIT, .peer_fin = true), OUTCOME_FIN,
     CAUSE_NULL, PASS},
    {"UNIX, peer gone with data unread",
     FACTS(.proto = PROTO_UNIX, .state = STATE_CLOSE, .peer_gone = true, .unread = 5), OUTCOME_NONE,
     CAUSE_FINISHED, PASS},
    {"UNIX unconnected", FACTS(.proto = PROTO_UNIX, .state = STATE_CLOSE, .was_connected = false),
     OUTCOME_NONE, CAUSE_UNCONNECTED, PASS},
    {"UNIX listener with one waiting",
     FACTS(.proto = PROTO_UNIX, .state = STATE_LISTEN, .backlog = 1, .was_connected = false),
     OUTCOME_RESET, CAUSE_BACKLOG, PASS},
    {"UNIX listener", FACTS(.proto = PROTO_UNIX, .state = STATE_LISTEN, .was_connected = false),
     OUTCOME_NONE, CAUSE_UNCONNECTED, PASS},
    {"UNIX shared", FACTS(.proto = PROTO_UNIX, .unread = 1, .holders = HOLDERS_SHARED),
     OUTCOME_RELEASED, CAUSE_NULL, PASS},
};

#define DISCONNECT(...) FACTS(.op = OP_DISCONNECT, __VA_ARGS__)

static const struct row disconnect_rows[] = {
    {"connect(AF_UNSPEC)", DISCONNECT(.unread = 1), OUTCOME_RESET, CAUSE_DISCONNECT, PASS},
    {"... in CLOSE_WAIT", DISCONNECT(.state = STATE_CLOSE_WAIT), OUTCOME_RESET, CAUSE_DISCONNECT,
     PASS},
    {"... in FIN_WAIT2", DISCONNECT(.state = STATE_FIN_WAIT2), OUTCOME_RESET, CAUSE_DISCONNECT,
     PASS},
    {"... of a shared socket reaches every holder", DISCONNECT(.holders = HOLDERS_SHARED),
     OUTCOME_RESET, CAUSE_DISCONNECT, PASS},
    {"... in LAST_ACK", DISCONNECT(.state = STATE_LAST_ACK), OUTCOME_NONE, CAUSE_FINISHED, PASS},
    {"... in LAST_ACK with unsent data", DISCONNECT(.state = STATE_LAST_ACK, .notsent = 1),
     OUTCOME_RESET, CAUSE_DISCONNECT, PASS},
    {"... while connecting", DISCONNECT(.state = STATE_SYN_SENT, .was_connected = false),
     OUTCOME_NONE, CAUSE_CONNECTING, PASS},
    {"... unconnected", DISCONNECT(.state = STATE_CLOSE, .was_connected = false), OUTCOME_NONE,
     CAUSE_UNCONNECTED, PASS},
    {"... of a listener", DISCONNECT(.state = STATE_LISTEN, .backlog = 2), OUTCOME_RESET,
     CAUSE_BACKLOG, PASS},
    {"... MPTCP", DISCONNECT(.proto = PROTO_MPTCP), OUTCOME_RESET, CAUSE_DISCONNECT, PASS},
    {"... MPTCP in LAST_ACK", DISCONNECT(.proto = PROTO_MPTCP, .state = STATE_LAST_ACK),
     OUTCOME_RESET, CAUSE_DISCONNECT, PASS},
    {"... UNIX refuses it", DISCONNECT(.proto = PROTO_UNIX, .unread = 1), OUTCOME_NONE, CAUSE_NULL,
     PASS},
    {"... UDP", DISCONNECT(.proto = PROTO_OTHER, .type = TYPE_DATAGRAM), OUTCOME_NONE,
     CAUSE_DATAGRAM, PASS},
    {"... state unknown", DISCONNECT(.state = STATE_UNKNOWN), OUTCOME_NONE, CAUSE_NULL, PASS},
};

#define TABLE_TEST(name)                                                                           \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        check_rows(name##_rows, COUNT_OF(name##_rows));                                            \
    }

TABLE_TEST(unread)
TABLE_TEST(linger)
TABLE_TEST(state)
TABLE_TEST(holder)
TABLE_TEST(mptcp)
TABLE_TEST(unix)
TABLE_TEST(disconnect)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unread),     cmocka_unit_test(test_linger),
        cmocka_unit_test(test_state),      cmocka_unit_test(test_holder),
        cmocka_unit_test(test_mptcp),      cmocka_unit_test(test_unix),
        cmocka_unit_test(test_disconnect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
