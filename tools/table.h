/* SPDX-License-Identifier: MIT */
/* Text for a person at a terminal of 80 columns: aligned tables and wrapped paragraphs. */
#ifndef SOFTCLOSE_TOOLS_TABLE_H
#define SOFTCLOSE_TOOLS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { TABLE_COLUMNS = 8 };

struct text_table {
    size_t columns, cells, room;
    char **cell; /* row by row, the first row is the heading */
    bool failed; /* no memory: nothing is printed */
};

/* Columns are set flush right, but those from `first_left` on flush left. */
void table_start(struct text_table *table, size_t columns);
void table_add(struct text_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void table_print(const struct text_table *table, size_t first_left, FILE *stream);
void table_end(struct text_table *table);

/* `text` in lines of at most 78 columns, each indented by `indent`; the first line begins with
 * `label`, padded to that width. */
void print_wrapped(FILE *stream, const char *label, size_t indent, const char *text);

#endif
