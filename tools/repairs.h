/* SPDX-License-Identifier: MIT */
/*
 * What an event says of enforcement: does its action cure its outcome, and if not, why not. The
 * policy's key is not in an event; decide() names it from the facts.
 */
#ifndef SOFTCLOSE_TOOLS_REPAIRS_H
#define SOFTCLOSE_TOOLS_REPAIRS_H

#include <stdbool.h>
#include <stddef.h>

#include "events.h"
#include "policy/policy.h"

/* The actions that a word of an event names; one that is not known counts as none. */
unsigned repairs_actions(const char *words);

/* Does the connection end in order, as far as softclose can see to it, when these actions are
 * taken? False for outcomes that need no repair. */
bool repairs_cure(const struct event *event, enum outcome outcome, enum cause cause,
                  unsigned actions);

enum { REPAIRS_REASON = 160 };

/* What keeps enforce from doing what the policy asks for, or NULL. It is known only while doing it:
 * in audit nothing is in the way. */
const char *repairs_hindrance(const struct facts *facts);

/* What was done, and if the policy asks for something else, what that is and what stood in its way:
 * "drain-inline, not drain-background: no thread could take it". Returns `text`. */
const char *repairs_done(const struct event *event, char text[REPAIRS_REASON]);

/* Why `actions` (taken in mode enforce, else those that enforce would take) do not cure the event.
 * Returns `text`. */
const char *repairs_reason(const struct event *event, unsigned actions, bool enforcing,
                           char text[REPAIRS_REASON]);

#endif
