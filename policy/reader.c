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

static bool line_is_clean(struct parser *parser, struct text line, size_t limit)
{
    for (size_t i = 0; i < line.length; i++) {
        unsigned char byte = (unsigned char)line.start[i];

        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
            report_error(&parser->report, "control character 0x%02x; a policy is plain text", byte);
            return false;
        }
    }
    if (line.length > limit) {
        report_error(&parser->report,
                     "the line is %zu bytes long, at most %zu are allowed; a list can go on in "
                     "an indented line after a comma",
                     line.length, limit);
        return false;
    }
    return true;
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

/* Prefix, newline and terminator need three bytes of the buffer. */
char *policy_read_line(char *buffer, int size, void *stream)
{
    struct parser *parser = stream;
    size_t limit = size > 8 ? (size_t)size - 4 : 0;
    struct text line, content;

    if (parser->awaited == SECTION_START)
        return give(buffer, "", (struct text){SECTION_MARK "=", 2});
    settle(parser);
    while (next_line(parser, &line)) {
        content = line;
        skip_blanks(&content);
        if (content.length == 0 || content.start[0] == '#' || content.start[0] == ';')
            continue;
        parser->continued = parser->list_open && content.start > line.start;
        if (!parser->continued)
            close_list(parser);
        parser->list_open = false;
        if (content.start[0] == '[' && !parser->continued) {
            parser->skip =
                !line_is_clean(parser, content, limit) || !header_is_clean(parser, content);
            if (parser->skip)
                continue;
            parser->awaited = SECTION_START;
            return give(buffer, "", content);
        }
        if (parser->skip)
            continue;
        if (!line_is_clean(parser, content, limit)) {
            parser_mark_broken(parser);
            continue;
        }
        parser->awaited = A_VALUE;
        return give(buffer, parser->continued ? " " : "", content);
    }
    close_list(parser);
    return NULL;
}
