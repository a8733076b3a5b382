/* SPDX-License-Identifier: MIT */
/*
 * Lines of a file of any size in constant memory. A line longer than LINE_MAX_BYTES is skipped and
 * reported as such, so a file without newlines (or a hole of zeros) cannot use up the memory.
 */
#ifndef SOFTCLOSE_TOOLS_LINES_H
#define SOFTCLOSE_TOOLS_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINE_MAX_BYTES = 1 << 20 };

struct lines {
    int fd;
    char *buffer;
    size_t start, end;  /* what has been read and not yet handed out */
    bool eof, skipping; /* skipping: the rest of a line that was too long */
    int error;          /* errno of a failed read, which ends the file */
    uint64_t number;    /* of the line handed out last, from 1 */
    uint64_t offset;    /* bytes read so far, for progress */
};

enum line_kind { LINE_WHOLE, LINE_UNFINISHED, LINE_TOO_LONG, LINE_END };

/* Takes over `fd`. False when there is no memory. */
bool lines_start(struct lines *lines, int fd);
void lines_end(struct lines *lines);

/* LINE_UNFINISHED: the last line, without its newline. `line` is valid until the next call and
 * includes the newline, if any. */
enum line_kind lines_next(struct lines *lines, const char **line, size_t *length);

#endif
