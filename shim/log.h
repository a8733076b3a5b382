/* SPDX-License-Identifier: MIT */
/*
 * Where events go: a file, standard error, a UNIX datagram socket or nowhere (contract section 1,
 * SOFTCLOSE_LOG). Never blocks, never raises a signal in the program, never writes into something
 * that only happens to have the number of what was opened.
 */
#ifndef SOFTCLOSE_SHIM_LOG_H
#define SOFTCLOSE_SHIM_LOG_H

#include <stdbool.h>
#include <stddef.h>

/* Opens the destination. `text` with %p %e %h %t %% expanded. False with a sentence in `error`
 * (what, where, why, what is allowed). Not async-signal-safe. */
bool log_start(const char *text, const char *program, char *error, size_t error_size);

/* Writes one whole line with one write(2). 0 or the errno that kept it from being written. */
int log_write(const char *line, size_t length);

/* The process ends: nothing more is written. */
void log_end(void);

/* Are other threads writing lines? A child that was forked by a handler within a write may be told
 * so in vain. */
bool log_others_write(void);

/* Waits for those, 50 ms at most. When their process ends or executes another program, the kernel
 * stops them where a page of the file ends (generic_perform_write() in mm/filemap.c looks for a
 * fatal signal), and the next process's line would join the half of theirs. */
void log_settle(void);

/* The calling thread has left the program's descriptor table: in its own the log has this number.
 */
void log_own_table(int number);

/* The program may have closed or redirected descriptor 2: true when it has, and nothing is written
 * there any more. */
bool log_stderr_gone(void);

/* Do events go to a file that others than its owner and root may write? */
bool log_exposed(void);

/* Do events go to descriptor 2? */
bool log_on_stderr(void);

/* In a forked child: with %p in the path the child gets a file of its own at its first event. */
void log_forked(void);

/* The path that is written to, or "stderr", "none": for messages. */
const char *log_name(void);

/* One line for the person, on standard error if that is still what it was at the start. */
void log_tell(const char *line);

/* For log_tell() at the end: remembers what descriptor 2 is now. */
void log_remember_stderr(void);

#endif
