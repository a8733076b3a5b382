/* SPDX-License-Identifier: MIT */
/* What every reader of policy text needs: error messages, nearest words, and the arena. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rules.h"

enum { MESSAGE_SIZE = 640, LONGEST_WORD = 40 };

static void deliver(struct report *report, int line, const char *message)
{
    report->errors++;
    if (report->error != NULL)
        report->error(report->context, report->file, line, message);
}

void report_error(struct report *report, const char *format, ...)
{
    char message[MESSAGE_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    deliver(report, report->line, message);
}

void report_error_at(struct report *report, int line, const char *format, ...)
{
    char message[MESSAGE_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    deliver(report, line, message);
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Edits (insert, delete, replace, swap of neighbours) from one word to another; both are at most
 * LONGEST_WORD long. Optimal string alignment, three rows of the usual table. */
static unsigned edit_distance(const char *from, size_t from_length, const char *to,
                              size_t to_length)
{
    unsigned rows[3][LONGEST_WORD + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];

    for (size_t j = 0; j <= to_length; j++)
        above[j] = before[j] = (unsigned)j;
    for (size_t i = 1; i <= from_length; i++) {
        unsigned *oldest = before;

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= to_length; j++) {
            unsigned replaced = above[j - 1] + (from[i - 1] != to[j - 1]);

            row[j] = least(replaced, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        before = above;
        above = row;
        row = oldest;
    }
    return above[to_length];
}

/* `drain` and `close.drain` are the same word, written for the wrong place. */
static bool same_but_for_section(const char *a, const char *b)
{
    const char *dot_a = strchr(a, '.'), *dot_b = strchr(b, '.');

    if ((dot_a == NULL) == (dot_b == NULL))
        return false;
    return strcmp(dot_a != NULL ? dot_a + 1 : a, dot_b != NULL ? dot_b + 1 : b) == 0;
}

const char *nearest_word(const char *word, const char *const *choices)
{
    size_t length = strlen(word);
    const char *best = NULL;
    unsigned best_distance = 3; /* a typo or two; more is another word */

    if (length == 0 || length > LONGEST_WORD)
        return NULL;
    if (best_distance > length)
        best_distance = (unsigned)length;
    for (; *choices != NULL; choices++) {
        size_t choice_length = strlen(*choices);
        unsigned distance;

        if (same_but_for_section(word, *choices))
            return *choices;
        if (choice_length > LONGEST_WORD || choice_length >= length + best_distance ||
            length >= choice_length + best_distance)
            continue; /* each byte more or less is an edit */
        distance = edit_distance(word, length, *choices, choice_length);
        if (distance < best_distance) {
            best_distance = distance;
            best = *choices;
        }
    }
    return best;
}

const char *did_you_mean(const char *word, const char *const *choices, char *buffer, size_t size)
{
    const char *nearest = nearest_word(word, choices);

    buffer[0] = '\0';
    if (nearest != NULL)
        snprintf(buffer, size, " did you mean `%s`?", nearest);
    return buffer;
}

const char *joined_words(const char *const *words, char *buffer, size_t size)
{
    size_t used = 0;

    buffer[0] = '\0';
    for (; *words != NULL && used < size; words++) {
        int added = snprintf(buffer + used, size - used, "%s%s", used > 0 ? ", " : "", *words);

        used += added > 0 ? (size_t)added : 0;
    }
    return buffer;
}

void *arena_take(struct arena *arena, size_t size)
{
    size_t start = (arena->used + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);

    if (start > arena->size || size > arena->size - start) {
        arena->exhausted = true;
        return NULL;
    }
    arena->used = start + size;
    memset(arena->start + start, 0, size);
    return arena->start + start;
}

const char *arena_text(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_take(arena, length + 1);

    if (copy != NULL)
        memcpy(copy, text, length);
    return copy;
}

bool next_of_list(struct text *rest, struct text *item)
{
    const char *comma, *end;

    if (rest->start == NULL)
        return false;
    end = rest->start + rest->length;
    comma = rest->length > 0 ? memchr(rest->start, ',', rest->length) : NULL;
    item->start = rest->start;
    item->length = (size_t)((comma != NULL ? comma : end) - rest->start);
    rest->length = comma != NULL ? (size_t)(end - comma - 1) : 0;
    rest->start = comma != NULL ? comma + 1 : NULL;
    while (item->length > 0 && strchr(" \t", item->start[0]) != NULL) {
        item->start++;
        item->length--;
    }
    while (item->length > 0 && strchr(" \t", item->start[item->length - 1]) != NULL)
        item->length--;
    return true;
}
