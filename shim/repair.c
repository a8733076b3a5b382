/* SPDX-License-Identifier: MIT */
#include "shim/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <time.h>

#include "shim/audit.h"
#include "shim/drainer.h"
#include "shim/epoll_sets.h"
#include "shim/process.h"
#include "shim/raw.h"

enum { BACKLOG_MOST = 4096 };
enum { DRAINS = ACTION_DRAIN_BACKGROUND | ACTION_DRAIN_BLOCK | ACTION_DRAIN_INLINE };

static void linger_off(int fd)
{
    struct linger off = {0};
    raw_call(SYS_setsockopt, fd, SOL_SOCKET, SO_LINGER, &off, sizeof off);
}

/* SIGIO for a descriptor that the program has closed would kill it. */
static void no_signals(int fd)
{
    long flags = raw_call(SYS_fcntl, fd, F_GETFL);
    if (flags >= 0 && (flags & O_ASYNC) != 0)
        raw_call(SYS_fcntl, fd, F_SETFL, flags & ~(long)O_ASYNC);
}

static void half_close(const struct observation *observation)
{
    if ((observation->facts.shut & SHUT_WRITE) == 0)
        raw_call(SYS_shutdown, observation->fd, SHUT_WR);
    /* SO_LINGER {on, N} promises that close() returns when all is acknowledged or N s have passed.
     * The last close will not be the program's, so the promise is kept here. */
    if (observation->facts.linger > 0 && !observation->facts.at_exit)
        drain_linger(observation->fd, observation->facts.linger);
}

static unsigned drain_here(const struct observation *observation, struct drain *drain)
{
    enum drain_result result = drain_block(drain);
    uint64_t ms = (process_now() - drain->started) / 1000000;

    audit_drain(observation->fd, observation->fd, &observation->socket, drain_result_name(result),
                drain->bytes, ms);
    drain_before_close(drain, result);
    return ACTION_DRAIN_BLOCK;
}

/* What is here is read at once; only a peer that goes on sending is worth a thread or a wait. */
static unsigned drain_connection(const struct observation *observation, unsigned wanted)
{
    struct drain drain;

    drain_start(&drain, observation->fd, &observation->facts, &observation->settings,
                process_now());
    enum drain_result result = drain_read(&drain, drain.started);
    if ((wanted & ACTION_DRAIN_INLINE) == 0 && result == DRAIN_UNDER_WAY) {
        if ((wanted & ACTION_DRAIN_BLOCK) != 0)
            return drain_here(observation, &drain);
        if (!epoll_sets_may_keep(&observation->socket) && drainer_take(observation, &drain))
            return ACTION_DRAIN_BACKGROUND;
    }
    audit_drained_inline(drain.bytes);
    if (result != DRAIN_UNDER_WAY)
        drain_before_close(&drain, result);
    return ACTION_DRAIN_INLINE;
}

/* The connections that nobody accepted: each is accepted and closed in order. */
static unsigned drain_backlog(const struct observation *listener)
{
    struct observation one;
    unsigned taken = ACTION_PASS;

    for (unsigned count = 0; count < BACKLOG_MOST; count++) {
        struct pollfd waiting = {.fd = listener->fd, .events = POLLIN};
        struct timespec none = {0};
        if (raw_call(SYS_ppoll, &waiting, 1, &none, NULL, 8) != 1)
            return taken;
        long fd = raw_call(SYS_accept4, listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd == -ECONNABORTED || fd == -EINTR)
            continue;
        if (fd < 0)
            return taken;
        taken = ACTION_BACKLOG_DRAINED;
        if (observation_accepted(&one, listener, (int)fd)) {
            repair_close(&one);
            observation_tell(&one, 0);
        }
        raw_call(SYS_close, fd);
    }
    return taken;
}

void repair_close(struct observation *observation)
{
    unsigned wanted = observation->verdict.actions;

    if (!observation_enforces() || wanted == ACTION_PASS)
        return;
    if ((wanted & ACTION_BACKLOG_DRAINED) != 0)
        observation->taken |= drain_backlog(observation);
    if ((wanted & ACTION_LINGER_OFF) != 0) {
        linger_off(observation->fd);
        observation->taken |= ACTION_LINGER_OFF;
    }
    if ((wanted & (DRAINS | ACTION_HALF_CLOSE)) == 0)
        return;
    no_signals(observation->fd);
    /* Before anything changes: from here on no event of it reaches the program. */
    epoll_sets_leave(observation->fd);
    half_close(observation);
    observation->taken |= (wanted & DRAINS) != 0 ? drain_connection(observation, wanted)
                                                 : (unsigned)ACTION_HALF_CLOSE;
}

bool repair_shutdown(struct observation *observation)
{
    struct drain drain;

    if (!observation_enforces() || (observation->verdict.actions & ACTION_SOFTENED) == 0)
        return false;
    /* The writing half first: after it the real call can still follow when nobody can drain. */
    if (raw_call(SYS_shutdown, observation->fd, SHUT_WR) != 0)
        return false;
    drain_start(&drain, observation->fd, &observation->facts, &observation->settings,
                process_now());
    drain.soften = true;
    if (!drainer_take(observation, &drain))
        return false;
    observation->taken = ACTION_SOFTENED;
    return true;
}

bool repair_linger(struct observation *observation, int *error)
{
    unsigned wanted = observation->verdict.actions;

    if (!observation_enforces() || (wanted & (ACTION_LINGER_OFF | ACTION_DENIED)) == 0)
        return false;
    observation->taken = wanted & (ACTION_LINGER_OFF | ACTION_DENIED);
    *error = (wanted & ACTION_DENIED) != 0 ? EPERM : 0;
    if (*error == 0)
        linger_off(observation->fd); /* an earlier {on, N} is replaced, as the program asked */
    return true;
}
