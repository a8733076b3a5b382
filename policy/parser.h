/* SPDX-License-Identifier: MIT */
/* What the reader of lines (reader.c) and the reader of meaning (parse.c) know of each other. */
#ifndef SOFTCLOSE_POLICY_PARSER_H
#define SOFTCLOSE_POLICY_PARSER_H

#include "rules.h"

/* A name that no policy text can hold, since control characters are refused: the reader sends it
 * after each section header, for which inih has no callback of its own. */
#define SECTION_MARK "\001"

enum awaited { NOTHING, A_VALUE, SECTION_START };

struct parser {
    struct report report;
    struct arena arena;
    struct policy *policy;
    const char *at, *end; /* the text not yet read */
    int line;             /* of the last line read */
    struct text rest;     /* of that line, when it was too long for inih in one piece */

    enum awaited awaited; /* what inih has yet to tell of the line it was given */
    bool list_open;       /* the last value ended with a comma: an indented line goes on with it */
    bool continued;       /* the line under way is such a line */
    int list_line;        /* where that value stands */

    char section[16];   /* the section of keys under way; "" when none or unknown */
    bool in_rule;       /* keys belong to `rule` */
    bool skip;          /* the section header was wrong: its keys are not looked at */
    struct rule *rule;  /* the last one */
    struct rule **next; /* where the next one is hung in */
    bool too_many;      /* MAX_RULES has been reported */
    struct lists lists; /* of `rule` */
};

/* A rule that could not be read as a whole says nothing about the rules after it. */
void parser_mark_broken(struct parser *parser);

/* inih's fgets(): one line of at most `size` bytes, end and terminator included; NULL at the end of
 * the text. `stream` is the struct parser. Lines that inih would misread are reported and left out.
 */
char *policy_read_line(char *buffer, int size, void *stream);

#endif
