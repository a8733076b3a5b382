/* SPDX-License-Identifier: MIT */
/*
 * What softclose says to the person at the terminal: messages on stderr, each one line that begins
 * with "softclose: ", and colour where it is wanted.
 */
#ifndef SOFTCLOSE_TOOLS_TALK_H
#define SOFTCLOSE_TOOLS_TALK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* One line on stderr, the newline added. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Tells of bad usage of `command` ("run", or "" for softclose itself) and where help is found.
 * Returns `status`, for `return usage_error(...)`.
 */
int usage_error(int status, const char *command, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

enum color_when { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

/* --color's value; false when it is none of auto, always, never. */
bool color_parse(const char *word, enum color_when *when);

/* auto means: on a terminal, NO_COLOR not set, TERM not dumb. */
bool color_wanted(enum color_when when, FILE *stream);

/* "0 B", "512 B", "16.0 KiB", "1.5 GiB" into `text`, which is returned. */
enum { HUMAN_BYTES_SIZE = 16 };
char *human_bytes(uint64_t bytes, char text[HUMAN_BYTES_SIZE]);

/* Writes `text` with every control character (escape sequences included) as '?'. What comes from
 * a log may hold anything. */
void print_clean(FILE *stream, const char *text);

#endif
