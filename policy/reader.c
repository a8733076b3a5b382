/* SPDX-License-Identifier: MIT */
/*
 * The lines of a policy, one clean line at a time, because inih alone is silent about much that a
 * user should hear of: it splits an over-long line in two, cuts long section names, drops what
 * follows `]`, counts only its first error, says nothing of empty sections, and takes an indented
 * key for more of the value above it.
 */
#include <string.h>

#include "parser.h"

static bool blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* Splits off one line without its end, CRLF or LF. False at the end of the text. */
static bool next_line(struct parser *parser, struct text *line)
{
    const char *newline;
    size_t left = (size_t)(parser->end - parser->at);

    if (left == 0)
        return false;
    newline = memchr(parser->at, '\n', left);
    line->start = parser->at;
    line->length = newline != NULL ? (size_t)(newline - parser->at) : left;
    parser->at += newline != NULL ? line->length + 1 : left;
    parser->report.line = ++parser->line;
    while (line->length > 0 &&
           (line->start[line->length - 1] == '\r' || blank(line->start[line->length - 1])))
        line->length--;
    return true;
}

static void skip_blanks(struct text *line)
{
    while (line->length > 0 && blank(line->start[0])) {
        line->start++;
        line->length--;
    }
}

void parser_mark_broken(struct parser *parser)
{
    if (parser->in_rule)
        parser->rule->broken = true;
}

/* The previous line is done: has inih called back for it? */
static void settle(struct parser *parser)
{
    if (parser->awaited == A_VALUE) {
        report_error(&parser->report, "expected `key = value`, `[section]` or a comment");
        parser_mark_broken(parser);
    }
    parser->awaited = NOTHING;
}

static void close_list(struct parser *parser)
{
    if (parser->list_open)
        report_error_at(&parser->report, parser->list_line,
                        "the list ends with a comma, but the next line is not indented");
    parser->list_open = false;
}

static bool line_is_clean(struct parser *parser, struct text line)
{
    for (size_t i = 0; i < line.length; i++) {
        unsigned char byte = (unsigned char)line.start[i];

        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
            report_error(&parser->report, "control character 0x%02x; a policy is plain text", byte);
            return false;
        }
    }
    return true;
}

static bool line_fits(struct parser *parser, struct text line, size_t limit)
{
    if (line.length > limit) {
        report_error(&parser->report,
                     "the line is %zu bytes long, at most %zu are allowed up to a comma between "
                     "two values",
                     line.length, limit);
        return false;
    }
    return true;
}

/* What inih would take for a comment at the end of a line: a `;` after a blank. */
static struct text without_comment(struct text line)
{
    for (size_t i = 1; i < line.length; i++) {
        if (line.start[i] != ';' || !blank(line.start[i - 1]))
            continue;
        while (i > 0 && blank(line.start[i - 1]))
            i--;
        line.length = i;
        break;
    }
    return line;
}

/* A list too long for inih goes to it in pieces, each cut after a comma, just as it would come in
 * indented lines. */
static void split_list(struct parser *parser, struct text *line, size_t limit)
{
    size_t cut = line->length > limit ? limit : 0;

    while (cut > 0 && line->start[cut - 1] != ',')
        cut--;
    if (cut == 0)
        return;
    parser->rest = (struct text){line->start + cut, line->length - cut};
    skip_blanks(&parser->rest);
    line->length = cut;
}

/* The header of a section, "[close]", with nothing but a comment after it. */
static bool header_is_clean(struct parser *parser, struct text line)
{
    const char *bracket = memchr(line.start, ']', line.length);
    struct text after;

    if (bracket == NULL) {
        report_error(&parser->report, "a `]` is missing at the end of the section's name");
        return false;
    }
    after.start = bracket + 1;
    after.length = (size_t)(line.start + line.length - after.start);
    skip_blanks(&after);
    if (after.length > 0 && after.start[0] != ';' && after.start[0] != '#') {
        report_error(&parser->report,
                     "unexpected text after `]`; a key starts on a line of its own");
        return false;
    }
    if (memchr(line.start, ';', (size_t)(bracket - line.start)) != NULL ||
        bracket - line.start > 48) {
        report_error(&parser->report, "a section's name is at most 47 bytes and has no `;`");
        return false;
    }
    return true;
}

/* Hands inih prefix, line and newline; the caller has seen to it that they fit. */
static char *give(char *buffer, const char *prefix, struct text line)
{
    char *to = stpcpy(buffer, prefix);

    to = mempcpy(to, line.start, line.length);
    *to++ = '\n';
    *to = '\0';
    return buffer;
}

/* A line with values, or as much of it as fits; NULL after an error. */
static char *give_values(struct parser *parser, char *buffer, struct text content, size_t limit)
{
    split_list(parser, &content, limit);
    if (!line_fits(parser, content, limit)) {
        parser_mark_broken(parser);
        return NULL;
    }
    parser->awaited = A_VALUE;
    return give(buffer, parser->continued ? " " : "", content);
}

/* The rest of a list that was handed over in part, if its first piece was a list. */
static char *give_rest(struct parser *parser, char *buffer, size_t limit)
{
    char *given = NULL;

    while (given == NULL && parser->rest.length > 0 && parser->list_open) {
        struct text content = parser->rest;

        parser->rest.length = 0;
        parser->continued = true;
        given = give_values(parser, buffer, content, limit);
    }
    parser->rest.length = given != NULL ? parser->rest.length : 0;
    parser->list_open = parser->list_open && given == NULL;
    return given;
}

/* One line of the file: what inih is to be given of it, or NULL for nothing. */
static char *give_line(struct parser *parser, char *buffer, struct text line, size_t limit)
{
    struct text content = line;

    skip_blanks(&content);
    if (content.length == 0 || content.start[0] == '#' || content.start[0] == ';')
        return NULL;
    parser->continued = parser->list_open && content.start > line.start;
    if (!parser->continued)
        close_list(parser);
    parser->list_open = false;
    if (content.start[0] == '[' && !parser->continued) {
        parser->skip = !line_is_clean(parser, content) || !line_fits(parser, content, limit) ||
                       !header_is_clean(parser, content);
        if (parser->skip)
            return NULL;
        parser->awaited = SECTION_START;
        return give(buffer, "", content);
    }
    if (parser->skip)
        return NULL;
    if (!line_is_clean(parser, content)) {
        parser_mark_broken(parser);
        return NULL;
    }
    return give_values(parser, buffer, without_comment(content), limit);
}

/* Prefix, newline and terminator need three bytes of the buffer. */
char *policy_read_line(char *buffer, int size, void *stream)
{
    struct parser *parser = stream;
    size_t limit = size > 8 ? (size_t)size - 4 : 0;
    struct text line;
    char *given;

    if (parser->awaited == SECTION_START)
        return give(buffer, "", (struct text){SECTION_MARK "=", 2});
    settle(parser);
    given = give_rest(parser, buffer, limit);
    while (given == NULL && next_line(parser, &line))
        given = give_line(parser, buffer, line, limit);
    if (given == NULL)
        close_list(parser);
    return given;
}
