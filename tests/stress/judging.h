/* SPDX-License-Identifier: MIT */
/* What judge_audit.c and judge_enforce.c (lab.h) share. */
#ifndef SOFTCLOSE_TESTS_JUDGING_H
#define SOFTCLOSE_TESTS_JUDGING_H

#include "lab.h"

/* Writes to `why`, of WHY_ROOM bytes, and returns `failure`. */
enum failure failed(enum failure failure, char *why, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The next line of a trace, without its line feed; NULL when there is none. */
const char *line_of(const char **text, char *line, size_t size);

const char *connection_text(const struct connection *c, char *text, size_t size);

bool has(const struct program *program, enum operation operation);

#endif
