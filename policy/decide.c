/* SPDX-License-Identifier: MIT */
/* decide(): what Linux does, and what the policy does instead. The action functions know nothing of
 * the kernel but the outcome (outcome.h). */
#include "policy.h"

#include "outcome.h"

/* In the background a connection lives on after its close: an epoll set that cannot be made to
 * forget it would go on telling the program of it, unless the program ends. */
static bool can_outlive_close(const struct facts *facts)
{
    return !facts->no_thread && (!facts->epoll_uncertain || facts->awaited);
}

/* Reading what is here comes first in every manner; after that there may be nothing left to do. */
static unsigned drain_action(enum drain_manner manner, const struct facts *facts)
{
    if (manner == DRAIN_INLINE || facts->ended != DRAIN_UNDER_WAY)
        return ACTION_DRAIN_INLINE;
    if (manner == DRAIN_BLOCK)
        return ACTION_DRAIN_BLOCK;
    if (can_outlive_close(facts))
        return ACTION_DRAIN_BACKGROUND;
    /* Whoever waits for the thread anyway can do its work. */
    return facts->awaited && facts->no_thread ? ACTION_DRAIN_BLOCK : ACTION_DRAIN_INLINE;
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
        verdict->actions |= drain_action(settings->drain, facts);
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
    verdict = outcome_close(facts);
    /* A stream that cannot write what it holds is broken off in any case: nothing is made of it. */
    if (facts->holders == HOLDERS_LAST && !facts->unflushed)
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
            facts->how & SHUT_READ ? outcome_listener(facts) : verdict_of(OUTCOME_NONE, CAUSE_NULL);
        return true;
    case STATE_SYN_SENT:
        *verdict = verdict_of(OUTCOME_NONE, CAUSE_CONNECTING);
        return true;
    case STATE_CLOSE:
        *verdict = outcome_closed(facts);
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
            if (settings->shutdown_both == SHUTDOWN_BOTH_SOFTEN && facts->state != STATE_UNKNOWN &&
                can_outlive_close(facts))
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
        return outcome_unix(facts);
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
    struct verdict verdict = outcome_close(facts);

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
        return outcome_tcp(facts);
    default:
        break;
    }
    if (outcome_linger_zero(facts).outcome == OUTCOME_RESET || facts->proto == PROTO_MPTCP)
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

unsigned decide_wish(const struct settings *settings, const struct facts *facts)
{
    struct facts free = *facts;

    free.unflushed = free.no_thread = free.epoll_uncertain = false;
    free.ended = DRAIN_UNDER_WAY;
    return decide(settings, &free).actions;
}

enum on_limit decide_limit(enum on_limit wanted, enum drain_result result, int64_t unsent)
{
    switch (result) {
    case DRAIN_IDLE:
    case DRAIN_TOTAL:
    case DRAIN_BYTES:
    case DRAIN_EVICTED:
        return unsent == 0 ? wanted : ON_LIMIT_CLOSE;
    default:
        return ON_LIMIT_CLOSE;
    }
}

/* inet_release(): the end of a process does not wait. A UNIX socket never does. */
int32_t decide_promise(const struct facts *facts)
{
    return over_tcp(facts) && facts->linger > 0 && !facts->at_exit ? facts->linger : 0;
}
