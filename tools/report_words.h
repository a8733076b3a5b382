/* SPDX-License-Identifier: MIT */
/* The sentences of a report: what each outcome means, and what to do next. */
#ifndef SOFTCLOSE_TOOLS_REPORT_WORDS_H
#define SOFTCLOSE_TOOLS_REPORT_WORDS_H

#include <stdio.h>

#include "tally.h"

/* What "OUTCOME CAUSE" (a key of tally.causes) means, in one sentence; NULL for unknown ones. */
const char *outcome_meaning(const char *key);

/* Where an "OUTCOME CAUSE" stands in a report, the worst first. */
int outcome_order(const char *key);

/* The last paragraph; `worst` is the first row of the call sites, or NULL. */
void print_next(FILE *stream, const struct tally *tally, const struct row *worst);

#endif
