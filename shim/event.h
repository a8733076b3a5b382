/* SPDX-License-Identifier: MIT */
/*
 * One event from its first field to the write into the log: a buffer that is nobody's, the fields
 * that every event has, the line's end. Async-signal-safe; no allocation.
 */
#ifndef SOFTCLOSE_SHIM_EVENT_H
#define SOFTCLOSE_SHIM_EVENT_H

#include <stdbool.h>

#include "shim/line.h"

/* The name of the executable; borrowed for good. */
void event_program(const char *name);

/* In a forked child: no other thread of the parent's holds a buffer here. */
void event_forked(void);

/* Begins an event. False: no buffer is free; it is counted as not written. */
bool event_start(struct line *line, const char *event);

/* Writes it, or counts it as not written. */
void event_end(struct line *line);

#endif
