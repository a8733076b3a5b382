/* SPDX-License-Identifier: MIT */
#include "outcome.h"

/* tcp_need_reset(): the states that tcp_disconnect() leaves with a reset. */
static const unsigned need_reset = SET_OF(STATE_ESTABLISHED) | SET_OF(STATE_CLOSE_WAIT) |
                                   SET_OF(STATE_FIN_WAIT1) | SET_OF(STATE_FIN_WAIT2) |
                                   SET_OF(STATE_SYN_RECV);

/* Both sides have finished. */
static const unsigned both_finished =
    SET_OF(STATE_CLOSING) | SET_OF(STATE_LAST_ACK) | SET_OF(STATE_TIME_WAIT);

/* TCP and MPTCP in state CLOSE: the end came earlier, the kernel has nothing left to do. */
struct verdict outcome_closed(const struct facts *facts)
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
struct verdict outcome_listener(const struct facts *facts)
{
    if (facts->backlog > 0)
        return verdict_of(OUTCOME_RESET, CAUSE_BACKLOG);
    return verdict_of(OUTCOME_NONE, CAUSE_UNCONNECTED);
}

/* tcp_disconnect() for SO_LINGER {on, 0}, also its clause for a FIN that has not been sent yet. */
struct verdict outcome_linger_zero(const struct facts *facts)
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
struct verdict outcome_tcp(const struct facts *facts)
{
    switch (facts->state) {
    case STATE_CLOSE:
        return outcome_closed(facts);
    case STATE_LISTEN:
        return outcome_listener(facts);
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
        return outcome_linger_zero(facts);
    return close_tcp_in_order(facts);
}

/* __mptcp_close(): MPTCP_FASTCLOSE for unread data or linger 0, DATA_FIN otherwise. */
static struct verdict close_mptcp(const struct facts *facts)
{
    switch (facts->state) {
    case STATE_CLOSE:
        return outcome_closed(facts);
    case STATE_LISTEN:
        return outcome_listener(facts);
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
struct verdict outcome_unix(const struct facts *facts)
{
    if (facts->state == STATE_LISTEN)
        return outcome_listener(facts);
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
struct verdict outcome_close(const struct facts *facts)
{
    if (facts->type == TYPE_DATAGRAM)
        return verdict_of(OUTCOME_NONE, CAUSE_DATAGRAM);
    switch (facts->proto) {
    case PROTO_TCP:
        return outcome_tcp(facts);
    case PROTO_MPTCP:
        return close_mptcp(facts);
    case PROTO_UNIX:
        return outcome_unix(facts);
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
