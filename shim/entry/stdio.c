/* SPDX-License-Identifier: MIT */
/* Streams close their descriptor within libc: fclose(3), freopen(3). pclose(3) and fcloseall(3) are
 * passed on: a popen(3) stream is a pipe, and glibc's fcloseall() flushes and closes nothing. */
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

/* What the program has written goes out before the half-close. A failure is for fclose() to say. */
static bool flush_first(FILE *stream)
{
    int error = errno;
    bool flushed = !observation_enforces() || fflush(stream) == 0;
    errno = error;
    return flushed;
}

EXPORT int fclose(FILE *stream)
{
    int fd = start_maybe() && stream != NULL ? number_of(stream) : -1;
    if (fd < 0 || !sockets_maybe(fd))
        return REAL(fclose)(stream);
    struct closing closing;
    closing.observe_only = !flush_first(stream);
    closing_begin_stream(&closing, fd, "fclose", CALLER);
    return closing_end_if_gone(&closing, REAL(fclose)(stream));
}

static FILE *reopen(typeof(freopen) *call, const char *path, const char *mode, FILE *stream,
                    void *caller)
{
    int fd = start_maybe() && stream != NULL ? number_of(stream) : -1;
    if (fd < 0 || !sockets_maybe(fd))
        return call(path, mode, stream);
    struct closing closing;
    closing.observe_only = !flush_first(stream);
    closing_begin_stream(&closing, fd, "freopen", caller);
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

EXPORT int fcloseall(void)
{
    return REAL(fcloseall)();
}

EXPORT int pclose(FILE *stream)
{
    return REAL(pclose)(stream);
}
