/* SPDX-License-Identifier: MIT */
/*
 * Begin and end of a close, by whatever road. A wrapper is
 *
 *     if (!sockets_maybe(fd))
 *         return real.close(fd);
 *     struct closing closing;
 *     closing_begin(&closing, fd, "close", __builtin_return_address(0));
 *     return closing_end(&closing, real.close(fd));
 *
 * The table's entry stays until the real call has returned and goes only if it still stands for
 * the same socket: another thread may have been given the number meanwhile.
 */
#ifndef SOFTCLOSE_SHIM_CLOSING_H
#define SOFTCLOSE_SHIM_CLOSING_H

#include <stdbool.h>

#include "shim/observation.h"

struct closing {
    bool active;     /* a socket of ours is being closed */
    bool was_closed; /* the number had been a socket and was closed: a failure is a double close */
    bool log;        /* it is descriptor 2 and events go there */
    bool epoll_set;  /* the descriptor is one */
    uint32_t sets_made; /* epoll_sets_made() before the close */
    int fd;
    const char *via;
    void *caller;
    struct observation observation;
};

/* `fd` is about to be closed. Safe to call at any time and in any process. */
void closing_begin(struct closing *closing, int fd, const char *via, void *caller);

/* The same for a stream; `unflushed`: what it still holds could not be written. */
void closing_begin_stream(struct closing *closing, int fd, const char *via, bool unflushed,
                          void *caller);

/* The real call has returned `result` (-1: errno tells). Returns it, errno as it was. */
int closing_end(struct closing *closing, int result);

/* The same for a call that may succeed without closing: dup2(fd, fd), freopen(NULL, ...). */
int closing_end_if_gone(struct closing *closing, int result);

/* The kernel will close it without a call of ours: the process ends. */
void closing_at_exit(int fd, void *caller);

/* An exec will close it (close-on-exec): told now, taken back by closing_exec_failed(). With
 * `observe_only` (the exec may well fail) nothing is changed. */
void closing_at_exec(int fd, bool observe_only, void *caller);
void closing_exec_failed(void);

#endif
