/* SPDX-License-Identifier: MIT */
/*
 * What Linux does at the last close of a socket: one half of decide(), which other operations
 * share.
 *
 * The functions follow the kernel line by line (6.12, net/ipv4/tcp.c, net/mptcp/protocol.c,
 * net/unix/af_unix.c); each names its source in outcome.c. Their verdicts hold no action.
 */
#ifndef SOFTCLOSE_POLICY_OUTCOME_H
#define SOFTCLOSE_POLICY_OUTCOME_H

#include "policy.h"

#define SET_OF(state) (1U << (state))

/* Our FIN is out or queued, in the order of RFC 9293 figure 5. */
static const unsigned fin_sent = SET_OF(STATE_FIN_WAIT1) | SET_OF(STATE_FIN_WAIT2) |
                                 SET_OF(STATE_CLOSING) | SET_OF(STATE_LAST_ACK) |
                                 SET_OF(STATE_TIME_WAIT);

/* The peer's FIN has been received. */
static const unsigned peer_finished_in = SET_OF(STATE_CLOSE_WAIT) | SET_OF(STATE_CLOSING) |
                                         SET_OF(STATE_LAST_ACK) | SET_OF(STATE_TIME_WAIT);

static inline bool state_in(const struct facts *facts, unsigned states)
{
    return (SET_OF(facts->state) & states) != 0;
}

static inline bool peer_finished(const struct facts *facts)
{
    return facts->peer_fin || state_in(facts, peer_finished_in);
}

static inline bool write_shut(const struct facts *facts)
{
    return (facts->shut & SHUT_WRITE) != 0 || state_in(facts, fin_sent);
}

static inline bool something_unread(const struct facts *facts)
{
    return facts->unread > 0 || facts->urgent || facts->record;
}

static inline bool over_tcp(const struct facts *facts)
{
    return facts->proto == PROTO_TCP || facts->proto == PROTO_MPTCP;
}

static inline struct verdict verdict_of(enum outcome outcome, enum cause cause)
{
    return (struct verdict){.outcome = outcome, .cause = cause, .key = KEY_COUNT};
}

/* Of any socket. */
struct verdict outcome_close(const struct facts *facts);

/* Of one over TCP, and of its states that other calls meet, too: CLOSE, LISTEN, and any with
 * SO_LINGER {on, 0}. */
struct verdict outcome_tcp(const struct facts *facts);
struct verdict outcome_closed(const struct facts *facts);
struct verdict outcome_listener(const struct facts *facts);
struct verdict outcome_linger_zero(const struct facts *facts);

struct verdict outcome_unix(const struct facts *facts);

#endif
