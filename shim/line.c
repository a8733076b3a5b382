/* SPDX-License-Identifier: MIT */
#include "shim/line.h"

#include <string.h>

static void put(struct line *line, char c)
{
    if (line->length < line->size)
        line->text[line->length++] = c;
    else
        line->cut = true;
}

void line_start(struct line *line, char *buffer, size_t size)
{
    *line = (struct line){.text = buffer, .size = size};
    line_text(line, "{\"v\":1");
}

bool line_end(struct line *line)
{
    line_text(line, "}\n");
    return !line->cut;
}

void line_terminate(struct line *line)
{
    if (line->length == line->size)
        line->length--;
    line->text[line->length] = '\0';
}

void line_text(struct line *line, const char *text)
{
    size_t length = strlen(text);

    if (length > line->size - line->length) {
        line->cut = true;
        return;
    }
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

void line_digits(struct line *line, uint64_t value, int width)
{
    char digits[20];
    int count = 0;

    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    for (int i = count; i < width; i++)
        put(line, '0');
    while (count > 0)
        put(line, digits[--count]);
}

void line_number(struct line *line, int64_t value)
{
    if (value < 0)
        put(line, '-');
    line_digits(line, value < 0 ? -(uint64_t)value : (uint64_t)value, 1);
}

static void put_hex(struct line *line, uint64_t value, int width)
{
    for (int shift = 60; shift >= 0; shift -= 4) {
        unsigned digit = (unsigned)(value >> shift) & 15;
        if (digit != 0 || shift / 4 < width) {
            put(line, "0123456789abcdef"[digit]);
            width = 16; /* every digit after the first one stands */
        }
    }
}

void line_hex(struct line *line, uint64_t value)
{
    line_text(line, "\"0x");
    put_hex(line, value, 1);
    put(line, '"');
}

/* Length of a well-formed UTF-8 sequence at `s`, or 0 (RFC 3629). */
static size_t utf8_length(const unsigned char *s)
{
    size_t length = s[0] < 0x80                   ? 1
                    : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                    : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                    : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                  : 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return length;
}

void line_quoted(struct line *line, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    put(line, '"');
    while (*s != '\0') {
        size_t length = utf8_length(s);
        if (*s == '"' || *s == '\\') {
            put(line, '\\');
            put(line, (char)*s++);
        } else if (*s < 0x20 || *s == 0x7f || length == 0) {
            line_text(line, "\\u");
            put_hex(line, *s++, 4);
        } else {
            for (; length > 0; length--)
                put(line, (char)*s++);
        }
    }
    put(line, '"');
}

void line_field_name(struct line *line, const char *name)
{
    line_text(line, ",\"");
    line_text(line, name);
    line_text(line, "\":");
}

void line_field_number(struct line *line, const char *name, int64_t value)
{
    line_field_name(line, name);
    line_number(line, value);
}

void line_field_string(struct line *line, const char *name, const char *value)
{
    line_field_name(line, name);
    if (value == NULL)
        line_text(line, "null");
    else
        line_quoted(line, value);
}

void line_field_bool(struct line *line, const char *name, bool value)
{
    line_field_name(line, name);
    line_text(line, value ? "true" : "false");
}
