/* SPDX-License-Identifier: MIT */
/* A log into a tally, with what has to be said on the way. */
#ifndef SOFTCLOSE_TOOLS_READ_LOG_H
#define SOFTCLOSE_TOOLS_READ_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "tally.h"

/*
 * Adds every event of the log at `path` ("-" = stdin) from byte `from` on. Bad lines are named on
 * stderr, the first BAD_LINES_NAMED of a log one by one. Shows progress on a terminal when it
 * takes longer than a second and `quiet` is not set. False, and the reason said, when the log
 * cannot be read.
 */
enum { BAD_LINES_NAMED = 100 };
bool read_log(struct tally *tally, const char *path, int64_t from, bool quiet);

#endif
