/* SPDX-License-Identifier: MIT */
#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool lines_start(struct lines *lines, int fd)
{
    *lines = (struct lines){.fd = fd, .buffer = malloc(LINE_MAX_BYTES)};
    return lines->buffer != NULL;
}

void lines_end(struct lines *lines)
{
    free(lines->buffer);
    lines->buffer = NULL;
    if (lines->fd > STDIN_FILENO)
        close(lines->fd);
}

/* Reads more behind what is there; false at the end. */
static bool fill(struct lines *lines)
{
    if (lines->eof)
        return false;
    if (lines->start > 0) {
        memmove(lines->buffer, lines->buffer + lines->start, lines->end - lines->start);
        lines->end -= lines->start;
        lines->start = 0;
    }
    ssize_t got;
    do {
        got = read(lines->fd, lines->buffer + lines->end, LINE_MAX_BYTES - lines->end);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        lines->error = got < 0 ? errno : 0;
        lines->eof = true;
        return false;
    }
    lines->end += (size_t)got;
    lines->offset += (uint64_t)got;
    return true;
}

enum line_kind lines_next(struct lines *lines, const char **line, size_t *length)
{
    size_t searched = 0;
    for (;;) {
        size_t held = lines->end - lines->start;
        char *start = lines->buffer + lines->start;
        char *newline = memchr(start + searched, '\n', held - searched);
        if (newline) {
            size_t bytes = (size_t)(newline - start) + 1;
            lines->start += bytes;
            if (lines->skipping) {
                lines->skipping = false;
                return LINE_TOO_LONG;
            }
            lines->number++;
            *line = start;
            *length = bytes;
            return LINE_WHOLE;
        }
        searched = held;
        if (held == LINE_MAX_BYTES) {
            lines->number += !lines->skipping;
            lines->skipping = true;
            lines->start = lines->end;
            searched = 0;
        }
        if (fill(lines))
            continue;
        if (lines->skipping) {
            lines->skipping = false;
            lines->start = lines->end;
            return LINE_TOO_LONG;
        }
        if (held == 0)
            return LINE_END;
        lines->number++;
        lines->start = lines->end;
        *line = lines->buffer + lines->end - held;
        *length = held;
        return LINE_UNFINISHED;
    }
}
