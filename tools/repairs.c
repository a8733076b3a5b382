/* SPDX-License-Identifier: MIT */
#include "repairs.h"

#include <stdio.h>
#include <string.h>

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

bool repairs_cure(enum outcome outcome, enum cause cause, unsigned actions)
{
    if (outcome == OUTCOME_EXPOSED) /* whatever comes after an inline drain is answered with RST */
        return (actions & (TO_THE_END | ACTION_SOFTENED)) != 0;
    if (outcome != OUTCOME_RESET)
        return false;
    switch (cause) {
    case CAUSE_UNREAD:
        return (actions & DRAINS) != 0;
    case CAUSE_LINGER_ZERO:
        return (actions & ACTION_LINGER_OFF) != 0;
    case CAUSE_LINGER2:
        return (actions & TO_THE_END) != 0;
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

static const char *of_shutdown(const struct event *event, bool enforcing, char text[REPAIRS_REASON])
{
    if (equal(event->cause, "backlog"))
        return set(text, "shutdown of a listener, which is left alone");
    if (!equal(event->how, "both") || equal(event->shut, "rd") || equal(event->shut, "both"))
        return set(text, "the program shut the two halves one after the other");
    return by_policy(event, "shutdown.both", true, enforcing, text);
}

static const char *of_close(const struct event *event, unsigned actions, bool enforcing,
                            char text[REPAIRS_REASON])
{
    bool unread = equal(event->cause, "unread");
    if (equal(event->cause, "backlog"))
        return by_policy(event, "listener.backlog", false, enforcing, text);
    if (event->linger == 0 && !equal(event->proto, "unix") && (actions & ACTION_LINGER_OFF) == 0)
        return by_policy(event, "linger.zero", true, enforcing, text);
    if (!unread && (equal(event->shut, "rd") || equal(event->shut, "both")))
        return set(text, "the program had shut the reading half: late data is reset in any case");
    if ((actions & ACTION_DRAIN_INLINE) != 0)
        return set(text, "drain-inline: what comes after what had arrived is still reset");
    if ((actions & ACTION_HALF_CLOSE) != 0)
        return by_policy(event, "close.drain", true, enforcing, text);
    return by_policy(event, "close.half_close, close.drain", true, enforcing, text);
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
    if (event->kind == EVENT_SHUTDOWN)
        return of_shutdown(event, enforcing, text);
    return of_close(event, actions, enforcing, text);
}
