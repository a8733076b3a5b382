/* SPDX-License-Identifier: MIT */
/* close(2), close_range(2), closefrom(3). */
#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <pthread.h>

#include "shim/entry/entry.h"
#include "shim/own_fds.h"
#include "shim/procfs.h"
#include "shim/raw.h"

EXPORT int close(int fd)
{
    if (!sockets_maybe(fd))
        return real.close(fd);
    if (own_fds_is(fd) && start_enter()) {
        errno = EBADF; /* as it would be without softclose */
        return -1;
    }
    struct closing closing;
    /* close() is a cancellation point: a cancel that waits already acts before anything is done to
     * the connection, and none comes between that and the close. */
    if (observation_enforces())
        pthread_testcancel();
    closing_begin(&closing, fd, "close", CALLER);
    bool acted = closing.active && closing.observation.taken != ACTION_PASS;
    return closing_end(&closing,
                       acted ? (int)raw_to_errno(raw_call(SYS_close, fd)) : real.close(fd));
}

/* The next descriptor that is in the way of one call for the whole range, or -1. */
static int next_stop(unsigned first, int last)
{
    int socket = sockets_next((int)first, last, DESCRIPTOR_SOCKET | DESCRIPTOR_LOG);
    int own = own_fds_next(first, (unsigned)last);

    return own < 0 || (socket >= 0 && socket < own) ? socket : own;
}

typedef int close_span(unsigned first, unsigned last, int flags);

/* The range in pieces: each ends with a socket or before a descriptor of softclose's. */
static int close_pieces(unsigned first, unsigned last, int flags, close_span *call, const char *via,
                        void *caller)
{
    int most = last > INT_MAX ? INT_MAX : (int)last, fd;

    while (first <= (unsigned)most && (fd = next_stop(first, most)) >= 0) {
        struct closing closing;
        int result = 0;
        if (own_fds_is(fd)) {
            if ((unsigned)fd > first)
                result = call(first, (unsigned)fd - 1, flags);
        } else {
            closing_begin(&closing, fd, via, caller);
            result = closing_end_if_gone(&closing, call(first, (unsigned)fd, flags));
        }
        if (result < 0)
            return result;
        first = (unsigned)fd + 1;
    }
    return first <= last ? call(first, last, flags) : 0;
}

int entry_close_range(unsigned first, unsigned last, int flags, typeof(close_range) *call,
                      void *caller)
{
    /* With CLOSE_RANGE_CLOEXEC nothing is closed now; what is wrong is for the kernel to say. */
    if (!start_maybe() || first > last || (flags & ~(int)CLOSE_RANGE_UNSHARE) != 0 ||
        !start_enter())
        return call(first, last, flags);
    /* With CLOSE_RANGE_UNSHARE only this thread's copies go: the others hold them on. */
    if ((flags & (int)CLOSE_RANGE_UNSHARE) != 0 && procfs_threads() != 1)
        sockets_each(entry_shared_for_good, NULL);
    return close_pieces(first, last, flags, call, "close_range", caller);
}

EXPORT int close_range(unsigned first, unsigned last, int flags)
{
    return entry_close_range(first, last, flags, REAL(close_range), CALLER);
}

/* closefrom() cannot fail; where close_range() is missing or refused it goes one by one. */
static int close_span_one_by_one(unsigned first, unsigned last, int flags)
{
    long result = raw_call(SYS_close_range, first, last, flags);

    if (result == 0)
        return 0;
    if (last > INT_MAX) {
        REAL(closefrom)((int)first);
        return 0;
    }
    for (unsigned fd = first; fd <= last; fd++)
        raw_call(SYS_close, fd);
    return 0;
}

EXPORT void closefrom(int lowest)
{
    if (!start_maybe() || !start_enter())
        REAL(closefrom)(lowest);
    else
        close_pieces(lowest < 0 ? 0 : (unsigned)lowest, UINT_MAX, 0, close_span_one_by_one,
                     "closefrom", CALLER);
}
