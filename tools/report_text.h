/* SPDX-License-Identifier: MIT */
/* `softclose report --format text`: a tally for a person to read. */
#ifndef SOFTCLOSE_TOOLS_REPORT_TEXT_H
#define SOFTCLOSE_TOOLS_REPORT_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "tally.h"

enum report_key { BY_SITE, BY_PEER, BY_PROGRAM, BY_CAUSE, BY_ALL };

struct report_options {
    enum report_key by; /* BY_ALL: a table for each */
    size_t top;         /* rows of a table, 0 = all */
    bool color;
};

void report_text(FILE *stream, const struct tally *tally, const char *title,
                 const struct report_options *options);

#endif
