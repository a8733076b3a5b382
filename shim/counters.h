/* SPDX-License-Identifier: MIT */
/* What the summary counts, always complete whatever log.events says. Async-signal-safe. */
#ifndef SOFTCLOSE_SHIM_COUNTERS_H
#define SOFTCLOSE_SHIM_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/policy.h"
#include "shim/line.h"

void counters_operation(const char *event, const struct facts *facts, const struct verdict *verdict,
                        unsigned wish, unsigned taken);
void counters_drained(uint64_t bytes);
void counters_unwritten(void);
void counters_unseen(void);
/* In a forked child: its own count begins; the first process goes on to speak for all. */
void counters_forked(void);
bool counters_empty(void);

/* The fields of a summary event; what has been told is not told again (an exec that fails goes on
 * counting). */
void counters_put(struct line *line);

/* One line on standard error when events of this process or its relatives were lost. Only the
 * process that softclose started with says it, once. */
void counters_tell_unwritten(const char *log_name);

#endif
