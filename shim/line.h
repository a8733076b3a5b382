/* SPDX-License-Identifier: MIT */
/*
 * Writes one JSON object into a buffer, without allocation, stdio or locale: events are composed
 * within close(), which has to stay async-signal-safe.
 */
#ifndef SOFTCLOSE_SHIM_LINE_H
#define SOFTCLOSE_SHIM_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line {
    char *text;
    size_t size, length;
    bool cut; /* something did not fit; the object is not to be written */
};

void line_start(struct line *line, char *buffer, size_t size); /* {"v":1 */
bool line_end(struct line *line);                              /* } and newline; false when cut */

/* For a plain text instead of an object: a terminating NUL, overwriting the last character of one
 * that was cut. */
void line_terminate(struct line *line);

void line_text(struct line *line, const char *text); /* as it is */
void line_number(struct line *line, int64_t value);
void line_hex(struct line *line, uint64_t value);               /* "0x7f12" with its quotes */
void line_quoted(struct line *line, const char *text);          /* escaped, with its quotes */
void line_digits(struct line *line, uint64_t value, int width); /* zero-padded decimal */

/* ,"name": value */
void line_field_number(struct line *line, const char *name, int64_t value);
void line_field_string(struct line *line, const char *name, const char *value); /* NULL = null */
void line_field_bool(struct line *line, const char *name, bool value);
void line_field_name(struct line *line, const char *name);

#endif
