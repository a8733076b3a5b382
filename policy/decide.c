/* SPDX-License-Identifier: MIT */
/*
 * decide(): what Linux does, and what the policy does instead.
 *
 * The outcome functions follow the kernel line by line (6.12, net/ipv4/tcp.c, net/mptcp/protocol.c,
 * net/unix/af_unix.c); each names its source. The action functions know nothing of the kernel but
 * the outcome.
 */
#include "policy.h"

#define SET_OF(state) (1U << (state))

/* tcp_need_reset(): the states that tcp_disconnect() leaves with a reset. */
static const unsigned need_reset = SET_OF(STATE_ESTABLISHED) | SET_OF(STATE_CLOSE_WAIT) |
                                   SET_OF(STATE_FIN_WAIT1) | SET_OF(STATE_FIN_WAIT2) |
                                   SET_OF(STATE_SYN_RECV);

/* Our FIN is out or queued, in the order of RFC 9293 figure 5. */
static const unsigned fin_sent = SET_OF(STATE_FIN_WAIT1) | SET_OF(STATE_FIN_WAIT2) |
                                 SET_OF(STATE_CLOSING) | SET_OF(STATE_LAST_ACK) |
                                 SET_OF(STATE_TIME_WAIT);

/* Both sides have finished. */
static const unsigned both_finished =
    SET_OF(STATE_CLOSING) | SET_OF(STATE_LAST_ACK) | SET_OF(STATE_TIME_WAIT);

/* The peer's FIN has been received. */
static const unsigned peer_finished_in = SET_OF(STATE_CLOSE_WAIT) | SET_OF(STATE_CLOSING) |
                                         SET_OF(STATE_LAST_ACK) | SET_OF(STATE_TIME_WAIT);

static bool state_in(const struct facts *facts, unsigned states)
{
    return (SET_OF(facts->state) & states) != 0;
}

static bool peer_finished(const struct facts *facts)
{
    return facts->peer_fin || state_in(facts, peer_finished_in);
}

static bool write_shut(const struct facts *facts)
{
    return (facts->shut & SHUT_WRITE) != 0 || state_in(facts, fin_sent);
}

static bool something_unread(const struct facts *facts)
{
    return facts->unread > 0 || facts->urgent || facts->record;
}

static bool over_tcp(const struct facts *facts)
{
    return facts->proto == PROTO_TCP || facts->proto == PROTO_MPTCP;
}

static struct verdict verdict_of(enum outcome outcome, enum cause cause)
{
    return (struct verdict){.outcome = outcome, .cause = cause, .key = KEY_COUNT};
}

/* TCP and MPTCP in state CLOSE: the end came earlier, the kernel has nothing left to do. */
static struct verdict close_when_closed(const struct facts *facts)
{
    if (!facts->was_connected)
        return verdict_of(OUTCOME_NONE, CAUSE_UNCONNECTED);
    if (facts->late_data)
        return verdict_of(OUTCOME_RESET, CAUSE_SHUTDOWN_BOTH);
    if (!facts->pending_error && (facts->shut & SHUT_WRITE))
        return verdict_of(OUTCOME_NONE, CAUSE_FINISHED);
    return verdict_of(OUTCOME_NONE, CAUSE_ALREADY_RESET);
}

/* inet_csk_listen_stop(): every connection still in the accept queue is aborted. */
static struct verdict close_listener(const struct facts *facts)
{
    if (facts->backlog > 0)
        return verdict_of(OUTCOME_RESET, CAUSE_BACKLOG);
    return verdict_of(OUTCOME_NONE, CAUSE_UNCONNECTED);
}

/* tcp_disconnect() for SO_LINGER {on, 0}, also its clause for a FIN that has not been sent yet. */
static struct verdict close_tcp_linger_zero(const struct facts *facts)
{
    bool half_sent =
        state_in(facts, SET_OF(STATE_CLOSING) | SET_OF(STATE_LAST_ACK)) && facts->notsent > 0;

    if (state_in(facts, need_reset) || half_sent)
        return verdict_of(OUTCOME_RESET, CAUSE_LINGER_ZERO);
    return verdict_of(OUTCOME_NONE, CAUSE_FINISHED);
}

/* __tcp_close() from tcp_close_state() on: no unread data, no linger 0. */
static struct verdict close_tcp_in_order(const struct facts *facts)
{
    if (state_in(facts, both_finished))
        return verdict_of(OUTCOME_NONE, CAUSE_FINISHED);
    if (facts->state == STATE_CLOSE_WAIT)
        return verdict_of(OUTCOME_FIN, CAUSE_NULL);
    /* STATE_UNKNOWN is the only other state in which the peer can have finished. */
    if (facts->state == STATE_UNKNOWN && facts->peer_fin)
        return verdict_of(OUTCOME_FIN, CAUSE_NULL);
    if (facts->linger2 < 0 && !facts->peer_fin)
        return verdict_of(OUTCOME_RESET, CAUSE_LINGER2);
    return verdict_of(OUTCOME_EXPOSED, CAUSE_PEER_OPEN);
}

/* __tcp_close() */
static struct verdict close_tcp(const struct facts *facts)
{
    switch (facts->state) {
    case STATE_CLOSE:
        return close_when_closed(facts);
    case STATE_LISTEN:
        return close_listener(facts);
    case STATE_SYN_SENT:
        return verdict_of(OUTCOME_NONE, CAUSE_CONNECTING);
    case STATE_TIME_WAIT:
        return verdict_of(OUTCOME_NONE, CAUSE_FINISHED);
    default:
        break;
    }
    if (facts->unread > 0 || facts->urgent)
        return verdict_of(OUTCOME_RESET, CAUSE_UNREAD);
    if (facts->linger == 0)
        return close_tcp_linger_zero(facts);
    return close_tcp_in_order(facts);
}

/* __mptcp_close(): MPTCP_FASTCLOSE for unread data or linger 0, DATA_FIN otherwise. */
static struct verdict close_mptcp(const struct facts *facts)
{
    switch (facts->state) {
    case STATE_CLOSE:
        return close_when_closed(facts);
    case STATE_LISTEN:
        return close_listener(facts);
    case STATE_SYN_SENT:
        return verdict_of(OUTCOME_NONE, CAUSE_CONNECTING);
    default:
        break;
    }
    if (facts->unread > 0 || facts->urgent)
        return verdict_of(OUTCOME_RESET, CAUSE_UNREAD);
    if (facts->linger == 0)
        return verdict_of(OUTCOME_RESET, CAUSE_LINGER_ZERO);
    if (state_in(facts, both_finished))
        return verdict_of(OUTCOME_NONE, CAUSE_FINISHED);
    if (peer_finished(facts))
        return verdict_of(OUTCOME_FIN, CAUSE_NULL);
    return verdict_of(OUTCOME_EXPOSED, CAUSE_PEER_OPEN);
}

/* unix_release_sock(): ECONNRESET for the peer when the receive queue was not empty. */
static struct verdict close_unix(const struct facts *facts)
{
    if (facts->state == STATE_LISTEN)
        return close_listener(facts);
    if (facts->peer_gone)
        return verdict_of(OUTCOME_NONE, CAUSE_FINISHED);
    if (facts->state == STATE_CLOSE)
        return verdict_of(OUTCOME_NONE, facts->was_connected ? CAUSE_FINISHED : CAUSE_UNCONNECTED);
    if (facts->state == STATE_SYN_SENT)
        return verdict_of(OUTCOME_NONE, CAUSE_CONNECTING);
    if (something_unread(facts))
        return verdict_of(OUTCOME_RESET, CAUSE_UNREAD);
    return verdict_of(OUTCOME_FIN, CAUSE_NULL);
}

/* What the last close does. */
static struct verdict close_outcome(const struct facts *facts)
{
    if (facts->type == TYPE_DATAGRAM)
        return verdict_of(OUTCOME_NONE, CAUSE_DATAGRAM);
    switch (facts->proto) {
    case PROTO_TCP:
        return close_tcp(facts);
    case PROTO_MPTCP:
        return close_mptcp(facts);
    case PROTO_UNIX:
        return close_unix(facts);
    default:
        break;
    }
    if (facts->type != TYPE_STREAM)
        return verdict_of(OUTCOME_NONE, CAUSE_DATAGRAM);
    /* A stream of another family (vsock, bluetooth): nothing is known that would be a reset. */
    if (facts->state == STATE_CLOSE || facts->state == STATE_LISTEN)
        return verdict_of(OUTCOME_NONE, CAUSE_UNCONNECTED);
    return verdict_of(OUTCOME_FIN, CAUSE_NULL);
}

static unsigned drain_action(enum drain_manner manner)
{
    switch (manner) {
    case DRAIN_BACKGROUND:
        return ACTION_DRAIN_BACKGROUND;
    case DRAIN_BLOCK:
        return ACTION_DRAIN_BLOCK;
    case DRAIN_INLINE:
        return ACTION_DRAIN_INLINE;
    default:
        return ACTION_PASS;
    }
}

/* close.half_close and close.drain for a connection that would not end in order by itself. */
static void add_drain(struct verdict *verdict, const struct settings *settings,
                      const struct facts *facts)
{
    bool unread = something_unread(facts);

    /* Once the program has shut the reading half, what comes later is answered with a reset (or,
     * before our FIN, acknowledged and lost) whatever is done here: only unread data is curable. */
    if (!unread && (facts->shut & SHUT_READ))
        return;
    verdict->key = KEY_HALF_CLOSE;
    if (settings->half_close == HALF_CLOSE_NEVER)
        return;
    if (settings->half_close == HALF_CLOSE_WHEN_UNREAD && !unread)
        return;
    if (settings->drain != DRAIN_NONE) {
        verdict->key = KEY_DRAIN;
        verdict->actions |= drain_action(settings->drain);
    } else if (!write_shut(facts)) {
        verdict->actions |= ACTION_HALF_CLOSE;
    } else {
        verdict->key = KEY_DRAIN;
    }
}

/* With linger 0 in the kernel no drain helps before it is off: linger.zero decides on both. */
static void add_linger_off(struct verdict *verdict, const struct settings *settings,
                           const struct facts *facts)
{
    if (settings->linger_zero == LINGER_ZERO_FORBID) {
        verdict->actions |= ACTION_LINGER_OFF;
        if (!peer_finished(facts) || something_unread(facts))
            add_drain(verdict, settings, facts);
    }
    verdict->key = KEY_LINGER_ZERO;
}

static void add_close_actions(struct verdict *verdict, const struct settings *settings,
                              const struct facts *facts)
{
    if (verdict->cause == CAUSE_BACKLOG) {
        verdict->key = KEY_LISTENER_BACKLOG;
        if (settings->backlog == BACKLOG_DRAIN)
            verdict->actions = ACTION_BACKLOG_DRAINED;
        return;
    }
    if (verdict->cause != CAUSE_UNREAD && verdict->cause != CAUSE_PEER_OPEN &&
        verdict->cause != CAUSE_LINGER_ZERO && verdict->cause != CAUSE_LINGER2)
        return;
    /* An unknown state may be a listener, on which shutdown() must never be called. */
    if (facts->state == STATE_UNKNOWN)
        return;
    if (over_tcp(facts) && facts->linger == 0)
        add_linger_off(verdict, settings, facts);
    else
        add_drain(verdict, settings, facts);
}

static struct verdict decide_close(const struct settings *settings, const struct facts *facts)
{
    struct verdict verdict;

    if (facts->bad_fd)
        return verdict_of(OUTCOME_INVALID, CAUSE_BAD_FD);
    if (facts->holders == HOLDERS_SHARED)
        return verdict_of(OUTCOME_RELEASED, CAUSE_NULL);
    verdict = close_outcome(facts);
    if (facts->holders == HOLDERS_LAST)
        add_close_actions(&verdict, settings, facts);
    return verdict;
}

/* inet_shutdown() on a socket that is not connected; tells whether it was one. */
static bool shutdown_unconnected(const struct facts *facts, struct verdict *verdict)
{
    switch (facts->state) {
    case STATE_LISTEN:
        /* inet_shutdown() ignores SHUT_WR here and disconnects for anything else. */
        *verdict =
            facts->how & SHUT_READ ? close_listener(facts) : verdict_of(OUTCOME_NONE, CAUSE_NULL);
        return true;
    case STATE_SYN_SENT:
        *verdict = verdict_of(OUTCOME_NONE, CAUSE_CONNECTING);
        return true;
    case STATE_CLOSE:
        *verdict = close_when_closed(facts);
        return true;
    default:
        return false;
    }
}

/* inet_shutdown(), tcp_shutdown(): with both halves shut, tcp_rcv_state_process() answers data with
 * a reset. Softening holds back the reading half, which other holders would miss: only the last. */
static struct verdict shutdown_tcp(const struct settings *settings, const struct facts *facts)
{
    struct verdict verdict;
    bool newly = (facts->how & ~facts->shut) != 0;

    if (shutdown_unconnected(facts, &verdict))
        return verdict;
    if (newly && (facts->how | facts->shut) == SHUT_BOTH && !peer_finished(facts)) {
        verdict = verdict_of(OUTCOME_EXPOSED, CAUSE_PEER_OPEN);
        if (facts->how == SHUT_BOTH && !(facts->shut & SHUT_READ) &&
            facts->holders == HOLDERS_LAST) {
            verdict.key = KEY_SHUTDOWN_BOTH;
            if (settings->shutdown_both == SHUTDOWN_BOTH_SOFTEN && facts->state != STATE_UNKNOWN)
                verdict.actions = ACTION_SOFTENED;
        }
        return verdict;
    }
    if ((facts->how & SHUT_WRITE) && !write_shut(facts))
        return verdict_of(OUTCOME_FIN, CAUSE_NULL);
    return verdict_of(OUTCOME_NONE, CAUSE_NULL);
}

/* unix_shutdown(): wakes the peer, resets nobody, leaves a listener's queue alone. */
static struct verdict shutdown_unix(const struct facts *facts)
{
    if (facts->state == STATE_LISTEN)
        return verdict_of(OUTCOME_NONE, CAUSE_NULL);
    if (facts->peer_gone || facts->state == STATE_CLOSE || facts->state == STATE_SYN_SENT)
        return close_unix(facts);
    if ((facts->how & SHUT_WRITE) && !(facts->shut & SHUT_WRITE))
        return verdict_of(OUTCOME_FIN, CAUSE_NULL);
    return verdict_of(OUTCOME_NONE, CAUSE_NULL);
}

static struct verdict decide_shutdown(const struct settings *settings, const struct facts *facts)
{
    if (facts->type == TYPE_DATAGRAM)
        return verdict_of(OUTCOME_NONE, CAUSE_DATAGRAM);
    if (over_tcp(facts))
        return shutdown_tcp(settings, facts);
    if (facts->proto == PROTO_OTHER && facts->type != TYPE_STREAM)
        return verdict_of(OUTCOME_NONE, CAUSE_DATAGRAM);
    return shutdown_unix(facts);
}

/* The outcome is that of a close right now. The action does not depend on it, nor on the state:
 * accept() hands a listener's linger down, and it can be set before connect(). */
static struct verdict decide_linger(const struct settings *settings, const struct facts *facts)
{
    struct verdict verdict = close_outcome(facts);

    if (!over_tcp(facts) || facts->type == TYPE_DATAGRAM || facts->linger != 0)
        return verdict;
    verdict.key = KEY_LINGER_ZERO;
    if (settings->linger_zero == LINGER_ZERO_FORBID)
        verdict.actions = ACTION_LINGER_OFF;
    else if (settings->linger_zero == LINGER_ZERO_DENY)
        verdict.actions = ACTION_DENIED;
    return verdict;
}

/* tcp_disconnect(), mptcp_disconnect(); unix_stream_connect() refuses AF_UNSPEC. */
static struct verdict decide_disconnect(const struct facts *facts)
{
    if (facts->type == TYPE_DATAGRAM)
        return verdict_of(OUTCOME_NONE, CAUSE_DATAGRAM);
    if (!over_tcp(facts))
        return verdict_of(OUTCOME_NONE, CAUSE_NULL);
    switch (facts->state) {
    case STATE_UNKNOWN:
        return verdict_of(OUTCOME_NONE, CAUSE_NULL);
    case STATE_CLOSE:
    case STATE_LISTEN:
    case STATE_SYN_SENT:
        return close_tcp(facts);
    default:
        break;
    }
    if (close_tcp_linger_zero(facts).outcome == OUTCOME_RESET || facts->proto == PROTO_MPTCP)
        return verdict_of(OUTCOME_RESET, CAUSE_DISCONNECT);
    return verdict_of(OUTCOME_NONE, CAUSE_FINISHED);
}

struct verdict decide(const struct settings *settings, const struct facts *facts)
{
    switch (facts->op) {
    case OP_SHUTDOWN:
        return decide_shutdown(settings, facts);
    case OP_LINGER:
        return decide_linger(settings, facts);
    case OP_DISCONNECT:
        return decide_disconnect(facts);
    default:
        return decide_close(settings, facts);
    }
}
