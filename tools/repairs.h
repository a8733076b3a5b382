/* SPDX-License-Identifier: MIT */
/*
 * What an event says of enforcement: does its action cure its outcome, and if not, why not. The
 * policy's key is not in an event; it follows from the facts, as in decide().
 */
#ifndef SOFTCLOSE_TOOLS_REPAIRS_H
#define SOFTCLOSE_TOOLS_REPAIRS_H

#include <stdbool.h>
#include <stddef.h>

#include "events.h"
#include "policy/policy.h"

/* The actions that a word of an event names; one that is not known counts as none. */
unsigned repairs_actions(const char *words);

/* Does a connection with this outcome end in order, as far as softclose can see to it, when these
 * actions are taken? False for outcomes that need no repair. */
bool repairs_cure(enum outcome outcome, enum cause cause, unsigned actions);

enum { REPAIRS_REASON = 160 };

/* Why `actions` (taken in mode enforce, else those that enforce would take) do not cure the event.
 * Returns `text`. */
const char *repairs_reason(const struct event *event, unsigned actions, bool enforcing,
                           char text[REPAIRS_REASON]);

#endif
