/* SPDX-License-Identifier: MIT */
#include "repairs.h"

#include <stdio.h>
#include <string.h>

#include "event_facts.h"
#include "policy/names.h"

enum {
    TO_THE_END = ACTION_DRAIN_BACKGROUND | ACTION_DRAIN_BLOCK,
    DRAINS = TO_THE_END | ACTION_DRAIN_INLINE,
};

static bool equal(const char *text, const char *word)
{
    return text && strcmp(text, word) == 0;
}

unsigned repairs_actions(const char *words)
{
    int actions = actions_from(words);
    return actions < 0 ? ACTION_PASS : (unsigned)actions;
}

/* What comes after an inline drain is answered with a reset, unless that was the peer's end. */
static unsigned to_the_end(const struct event *event)
{
    return equal(event->ended, drain_result_name(DRAIN_EOF)) ? DRAINS : TO_THE_END;
}

bool repairs_cure(const struct event *event, enum outcome outcome, enum cause cause,
                  unsigned actions)
{
    if (outcome == OUTCOME_EXPOSED)
        return (actions & (to_the_end(event) | ACTION_SOFTENED)) != 0;
    if (outcome != OUTCOME_RESET)
        return false;
    switch (cause) {
    case CAUSE_UNREAD:
        return (actions & DRAINS) != 0;
    case CAUSE_LINGER_ZERO:
        return (actions & ACTION_LINGER_OFF) != 0;
    case CAUSE_LINGER2:
        return (actions & to_the_end(event)) != 0;
    case CAUSE_BACKLOG:
        return (actions & ACTION_BACKLOG_DRAINED) != 0;
    default:
        return false;
    }
}

static const char *set(char text[REPAIRS_REASON], const char *reason)
{
    snprintf(text, REPAIRS_REASON, "%s", reason);
    return text;
}

const char *repairs_hindrance(const struct facts *facts)
{
    if (facts->unflushed)
        return "the stream could not be flushed";
    if (facts->no_thread)
        return "no thread could take it";
    if (facts->epoll_uncertain)
        return "an epoll set may still know it";
    if (facts->ended == DRAIN_EOF)
        return "the peer had finished";
    if (facts->ended == DRAIN_BYTES)
        return "close.drain_bytes was reached at once";
    return facts->ended != DRAIN_UNDER_WAY ? "the connection was gone" : NULL;
}

static const char *hindrance(const struct event *event)
{
    const char *field, *value;
    struct facts facts;
    return event_facts(event, &facts, &field, &value) ? repairs_hindrance(&facts) : NULL;
}

const char *repairs_done(const struct event *event, char text[REPAIRS_REASON])
{
    const char *why = hindrance(event);

    if (!why || !event->would || equal(event->would, event->action))
        return set(text, event->action);
    snprintf(text, REPAIRS_REASON, "%.48s, not %.48s: %s", event->action, event->would, why);
    return text;
}

/* The built-in policy acts wherever it can, except on a backlog: if nothing was done, it failed. */
static const char *by_policy(const struct event *event, const char *key, bool acts, bool enforcing,
                             char text[REPAIRS_REASON])
{
    const char *rule = event->rule ? event->rule : "built-in";
    if (acts && enforcing && equal(rule, "built-in"))
        return set(text, "it could not be done: no thread, memory or descriptor for it");
    snprintf(text, REPAIRS_REASON, "the policy: %s (%.80s)", key, rule);
    return text;
}

/* The key that decides on such an event under the built-in policy, which has a wish wherever any
 * has one. KEY_COUNT: none does. */
static enum policy_key deciding_key(const struct event *event, struct facts *facts)
{
    struct settings settings;
    const char *field, *value;
    if (!event_facts(event, facts, &field, &value))
        return KEY_COUNT;
    if (!event->state) /* not told: what it is most often */
        facts->state = STATE_ESTABLISHED;
    policy_match(policy_builtin(MODE_ENFORCE), &(struct subject){.role = facts->role}, &settings);
    facts->unflushed = facts->no_thread = facts->epoll_uncertain = false;
    facts->ended = DRAIN_UNDER_WAY;
    return decide(&settings, facts).key;
}

static const char *of_drain(const struct event *event, unsigned actions, bool enforcing,
                            char text[REPAIRS_REASON])
{
    if ((actions & ACTION_DRAIN_INLINE) != 0)
        return set(text, "drain-inline: what comes after what had arrived is still reset");
    if ((actions & ACTION_HALF_CLOSE) != 0)
        return by_policy(event, "close.drain", true, enforcing, text);
    return by_policy(event, "close.half_close, close.drain", true, enforcing, text);
}

static const char *of_no_key(const struct facts *facts, char text[REPAIRS_REASON])
{
    if (facts->op == OP_CLOSE)
        return set(text, "the program had shut the reading half: late data is reset in any case");
    if (facts->state == STATE_LISTEN)
        return set(text, "shutdown of a listener, which is left alone");
    return set(text, "the program shut the two halves one after the other");
}

static const char *of_key(const struct event *event, unsigned actions, bool enforcing,
                          char text[REPAIRS_REASON])
{
    struct facts facts = {0};
    switch (deciding_key(event, &facts)) {
    case KEY_COUNT:
        return of_no_key(&facts, text);
    case KEY_LISTENER_BACKLOG:
        return by_policy(event, "listener.backlog", false, enforcing, text);
    case KEY_SHUTDOWN_BOTH:
        return by_policy(event, "shutdown.both", true, enforcing, text);
    case KEY_LINGER_ZERO:
        if ((actions & ACTION_LINGER_OFF) == 0)
            return by_policy(event, "linger.zero", true, enforcing, text);
        return of_drain(event, actions, enforcing, text);
    default:
        return of_drain(event, actions, enforcing, text);
    }
}

const char *repairs_reason(const struct event *event, unsigned actions, bool enforcing,
                           char text[REPAIRS_REASON])
{
    if (equal(event->cause, "disconnect"))
        return set(text, "connect(AF_UNSPEC), which is left alone");
    if (equal(event->cause, "shutdown-both"))
        return set(text, "the program had shut both halves, and data came after that");
    if (equal(event->holders, "shared"))
        return set(text, "somebody else has the socket open (holders: shared)");
    if (equal(event->holders, "unknown"))
        return set(text, "somebody else may have the socket open (holders: unknown)");
    if (equal(event->state, "UNKNOWN"))
        return set(text, "the kernel did not tell the state of the socket");
    if (enforcing && event->would && hindrance(event))
        return repairs_done(event, text);
    return of_key(event, actions, enforcing, text);
}
