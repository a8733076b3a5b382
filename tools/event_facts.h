/* SPDX-License-Identifier: MIT */
/* From an event back to the facts that decide() had (softclose-events(5)). */
#ifndef SOFTCLOSE_TOOLS_EVENT_FACTS_H
#define SOFTCLOSE_TOOLS_EVENT_FACTS_H

#include "events.h"
#include "policy/policy.h"

/* Is it an event of which a decision was made: close, shutdown, linger? */
bool event_was_decided(const struct event *event);

/* False when a field holds what no event can: *field and *value name it. A field that is missing
 * has the value that it has most often. */
bool event_facts(const struct event *event, struct facts *facts, const char **field,
                 const char **value);

#endif
