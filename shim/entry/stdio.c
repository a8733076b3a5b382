/* SPDX-License-Identifier: MIT */
/* Streams close their descriptor within libc: fclose(3), freopen(3). Not wrapped: pclose(3), whose
 * stream is a pipe, and fcloseall(3), which in glibc flushes and closes nothing. */
#include <errno.h>
#include <stdio.h>

#include "shim/entry/entry.h"

/* -1 for a stream in memory; errno as it was. */
static int number_of(FILE *stream)
{
    int error = errno, fd = fileno(stream);
    errno = error;
    return fd;
}

/* What the program has written goes out before the half-close. Returns the error, 0 = none. */
static int flush_first(FILE *stream)
{
    int error = errno, failed = 0;

    if (observation_enforces() && fflush(stream) != 0)
        failed = errno;
    errno = error;
    return failed;
}

/* glibc throws away what could not be written: the flush within fclose() finds nothing to fail on,
 * so ours is the one to tell of. */
static int close_flushed(FILE *stream, int failed)
{
    int result = REAL(fclose)(stream);

    if (failed == 0 || result != 0)
        return result;
    errno = failed;
    return EOF;
}

EXPORT int fclose(FILE *stream)
{
    int fd = start_maybe() && stream != NULL ? number_of(stream) : -1;
    if (fd < 0 || !sockets_maybe(fd))
        return REAL(fclose)(stream);
    struct closing closing;
    int failed = flush_first(stream);
    closing_begin_stream(&closing, fd, "fclose", failed != 0, CALLER);
    return closing_end_if_gone(&closing, close_flushed(stream, failed));
}

static FILE *reopen(typeof(freopen) *call, const char *path, const char *mode, FILE *stream,
                    void *caller)
{
    int fd = start_maybe() && stream != NULL ? number_of(stream) : -1;
    if (fd < 0 || !sockets_maybe(fd))
        return call(path, mode, stream);
    struct closing closing;
    bool unflushed = flush_first(stream) != 0;
    closing_begin_stream(&closing, fd, "freopen", unflushed, caller);
    FILE *result = call(path, mode, stream);
    closing_end_if_gone(&closing, result == NULL ? -1 : 0);
    return result;
}

EXPORT FILE *freopen(const char *path, const char *mode, FILE *stream)
{
    return reopen(REAL(freopen), path, mode, stream, CALLER);
}

EXPORT FILE *freopen64(const char *path, const char *mode, FILE *stream)
{
    return reopen(REAL(freopen64), path, mode, stream, CALLER);
}
