/* SPDX-License-Identifier: MIT */
/* close(2), close_range(2), closefrom(3). */
#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <pthread.h>

#include "shim/entry/entry.h"
#include "shim/holders.h"
#include "shim/own_fds.h"
#include "shim/raw.h"

/* Apart, so that close() of what is no socket saves no registers and takes no stack. */
static __attribute__((noinline)) int close_socket(int fd, void *caller)
{
    struct closing closing;
    int cancel;

    if (own_fds_is(fd) && start_enter()) {
        errno = EBADF; /* as it would be without softclose */
        return -1;
    }
    /* close() is a cancellation point: a cancel that waits already acts before anything is done,
     * and none comes between the decision, which counts this descriptor as gone, and the close. */
    pthread_testcancel();
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    closing_begin(&closing, fd, "close", caller);
    /* Repaired or not through the next close(): another library may count descriptors there. */
    int result = closing_end(&closing, real.close(fd));
    pthread_setcancelstate(cancel, NULL);
    return result;
}

EXPORT int close(int fd)
{
    if (!sockets_maybe(fd))
        return real.close(fd);
    return close_socket(fd, CALLER);
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
    bool unshares = (flags & (int)CLOSE_RANGE_UNSHARE) != 0;
    bool closes = (flags & (int)CLOSE_RANGE_CLOEXEC) == 0; /* otherwise an exec will */
    int others = flags & ~(int)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC);

    /* What is wrong is for the kernel to say. */
    if (!start_maybe() || first > last || others != 0 || !(closes || unshares) || !start_enter())
        return call(first, last, flags);
    /* This thread gets copies of its own, and only they go: the others hold them on. */
    bool splits = unshares && !holders_one_thread();
    if (splits) {
        holders_splitting(1); /* until what another thread has just been given is marked, too */
        holders_split_all();
    }
    int result = closes ? close_pieces(first, last, flags, call, "close_range", caller)
                        : call(first, last, flags);
    int error = errno;
    if (splits) {
        holders_split_all();
        holders_splitting(-1);
    }
    errno = error;
    return result;
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
