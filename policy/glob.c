/* SPDX-License-Identifier: MIT */
/*
 * Globs. Called at every close, also in signal handlers: no fnmatch(3), which may allocate and
 * depends on the locale, and no recursion.
 */
#include <string.h>

#include "rules.h"

/* The length of the bracket expression at the start of `glob`, 0 when it is not closed and so
 * stands for itself. A `]` right at the beginning is a member. */
static size_t bracket_length(struct text glob)
{
    size_t i = 1;

    if (i < glob.length && (glob.start[i] == '!' || glob.start[i] == '^'))
        i++;
    for (size_t first = i; i < glob.length; i++) {
        if (glob.start[i] == ']' && i > first)
            return i + 1;
    }
    return 0;
}

/* Whether `byte` is one of the bracket expression of `length` bytes. */
static bool bracket_has(const char *bracket, size_t length, unsigned char byte)
{
    bool negated = bracket[1] == '!' || bracket[1] == '^';
    bool found = false;

    for (size_t i = negated ? 2 : 1; i < length - 1; i++) {
        unsigned char low = (unsigned char)bracket[i], high = low;

        if (i + 2 < length - 1 && bracket[i + 1] == '-') {
            high = (unsigned char)bracket[i + 2];
            i += 2;
        }
        found = found || (low <= byte && byte <= high);
    }
    return found != negated;
}

/* Whether the first element of `glob`, which is not a `*`, takes `byte`; *taken = its length. */
static bool element_takes(struct text glob, char byte, size_t *taken)
{
    size_t length;

    *taken = 1;
    switch (glob.start[0]) {
    case '?':
        return true;
    case '[':
        length = bracket_length(glob);
        if (length == 0)
            return byte == '[';
        *taken = length;
        return bracket_has(glob.start, length, (unsigned char)byte);
    case '\\':
        if (glob.length > 1) {
            *taken = 2;
            return byte == glob.start[1];
        }
        return byte == '\\';
    default:
        return byte == glob.start[0];
    }
}

bool glob_match(struct text glob, struct text text)
{
    size_t at = 0, position = 0;           /* in the glob, in the text */
    size_t star = SIZE_MAX, star_text = 0; /* the last star, and where its rest was tried */

    while (position < text.length) {
        struct text rest = {glob.start + at, glob.length - at};
        size_t taken;

        if (rest.length > 0 && rest.start[0] == '*') {
            star = at++;
            star_text = position;
        } else if (rest.length > 0 && element_takes(rest, text.start[position], &taken)) {
            at += taken;
            position++;
        } else if (star != SIZE_MAX) {
            /* Only the last star ever needs to give way: the earlier ones are settled. */
            at = star + 1;
            position = ++star_text;
        } else {
            return false;
        }
    }
    while (at < glob.length && glob.start[at] == '*')
        at++;
    return at == glob.length;
}

/* The bytes of `glob` that its first element takes up. */
static size_t element_length(struct text glob)
{
    size_t length = glob.start[0] == '[' ? bracket_length(glob) : 0;

    if (glob.start[0] == '\\' && glob.length > 1)
        return 2;
    return length > 0 ? length : 1;
}

/* Whether the first element of `wide` takes each byte that the first of `narrow` takes. Neither is
 * a `*`: what that stands for has no length. */
static bool element_covers(struct text wide, struct text narrow, uint64_t *steps)
{
    size_t taken;

    if (strchr("*?[\\", narrow.start[0]) == NULL)
        return element_takes(wide, narrow.start[0], &taken);
    for (int byte = 1; byte <= UINT8_MAX; byte++) {
        ++*steps;
        if (element_takes(narrow, (char)byte, &taken) && !element_takes(wide, (char)byte, &taken))
            return false;
    }
    return true;
}

/* As glob_match(), with the elements of `narrow` in place of the bytes of a text: one that is a `*`
 * is taken by a `*` only. */
bool glob_covers(struct text wide, struct text narrow, uint64_t *steps)
{
    size_t at = 0, position = 0;             /* in wide, in narrow */
    size_t star = SIZE_MAX, star_narrow = 0; /* the last star, and where its rest was tried */

    while (position < narrow.length) {
        struct text rest = {wide.start + at, wide.length - at};
        struct text piece = {narrow.start + position, narrow.length - position};

        ++*steps;
        if (rest.length > 0 && rest.start[0] == '*') {
            star = at++;
            star_narrow = position;
        } else if (rest.length > 0 && piece.start[0] != '*' && element_covers(rest, piece, steps)) {
            at += element_length(rest);
            position += element_length(piece);
        } else if (star != SIZE_MAX) {
            piece = (struct text){narrow.start + star_narrow, narrow.length - star_narrow};
            at = star + 1;
            star_narrow += element_length(piece);
            position = star_narrow;
        } else {
            return false;
        }
    }
    while (at < wide.length && wide.start[at] == '*')
        at++;
    return at == wide.length;
}
