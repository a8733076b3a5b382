/* SPDX-License-Identifier: MIT */
/* The page that a report is written on: what its sections share. */
#ifndef SOFTCLOSE_TOOLS_REPORT_PAGE_H
#define SOFTCLOSE_TOOLS_REPORT_PAGE_H

#include <stdio.h>

#include "report_text.h"
#include "tally.h"

struct page {
    FILE *stream;
    const struct tally *tally;
    const struct report_options *options;
};

const char *plural(uint64_t number);
void heading(const struct page *page, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void paragraph(const struct page *page, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* report_repairs.c: what enforce did or would do, what is left and why, the drains. */
void print_repairs(const struct page *page);

#endif
