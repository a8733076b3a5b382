/* SPDX-License-Identifier: MIT */
#include "shim/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <time.h>

#include "shim/audit.h"
#include "shim/counters.h"
#include "shim/drainer.h"
#include "shim/epoll_sets.h"
#include "shim/last_drains.h"
#include "shim/linger.h"
#include "shim/process.h"
#include "shim/raw.h"

enum { BACKLOG_MOST = 4096 };
enum { DRAINS = ACTION_DRAIN_BACKGROUND | ACTION_DRAIN_BLOCK | ACTION_DRAIN_INLINE };

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
}

/* At the end of the program all that are left are drained at once, after the last of them is known.
 */
static bool drain_here(struct observation *observation, struct drain *drain)
{
    if (observation->facts.awaited) {
        if (last_drains_take(observation, drain))
            return true;
        observation->facts.awaited = false; /* nobody waits for this one */
        observation_decide_again(observation);
        return false;
    }
    enum drain_result result = drain_block(drain);
    drain_before_close(drain, result);
    audit_drain(observation->fd, observation->fd, &observation->socket, drain, result);
    return true;
}

static bool hand_over(struct observation *observation, const struct drain *drain)
{
    if (drainer_take(observation, drain))
        return true;
    observation->facts.no_thread = true;
    observation_decide_again(observation);
    return false;
}

static void read_now(struct observation *observation, struct drain *drain)
{
    observation->facts.ended =
        drain_linger(drain, drain_read(drain, drain->started), decide_promise(&observation->facts));
    observation_decide_again(observation);
}

/* Reading what is here comes first: only a peer that goes on sending is worth a thread or a wait.
 * But where nothing was here just now, the thread's first read will do. Returns which manner it
 * was. */
static unsigned drain_connection(struct observation *observation)
{
    const struct verdict *verdict = &observation->verdict;
    const struct facts *facts = &observation->facts;
    bool thread_reads_first = (verdict->actions & ACTION_DRAIN_BACKGROUND) != 0 &&
                              facts->unread == 0 && !facts->urgent && !facts->record &&
                              !facts->peer_fin && decide_promise(facts) == 0;
    struct drain drain;

    drain_start(&drain, observation->fd, facts, &observation->settings, observation->wanted,
                process_now());
    if (!thread_reads_first)
        read_now(observation, &drain);
    if ((verdict->actions & ACTION_DRAIN_BACKGROUND) != 0 && hand_over(observation, &drain))
        return ACTION_DRAIN_BACKGROUND;
    if (thread_reads_first) /* there is no thread */
        read_now(observation, &drain);
    if ((verdict->actions & ACTION_DRAIN_BLOCK) != 0 && drain_here(observation, &drain))
        return ACTION_DRAIN_BLOCK;
    if (observation->facts.ended != DRAIN_UNDER_WAY)
        drain_before_close(&drain, observation->facts.ended);
    counters_drained(drain.bytes);
    return ACTION_DRAIN_INLINE;
}

static unsigned only_half_close(const struct observation *observation)
{
    struct drain none = {.fd = observation->fd};

    drain_linger(&none, DRAIN_EOF, decide_promise(&observation->facts));
    return ACTION_HALF_CLOSE;
}

/* Each is accepted and closed in order. */
static unsigned drain_waiting(const struct observation *listener, struct observation *one)
{
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
        if (observation_accepted(one, listener, (int)fd)) {
            repair_close(one);
            observation_tell(one, 0);
        }
        raw_call(SYS_close, fd);
    }
    return taken;
}

/* The connections that nobody accepted. A second observation has no room on a small signal stack:
 * there is one for all, and who finds it taken leaves the listener to the kernel. */
static unsigned drain_backlog(const struct observation *listener)
{
    static struct observation one;
    static pid_t taken;

    if (!process_claim(&taken))
        return ACTION_PASS;
    unsigned actions = drain_waiting(listener, &one);
    process_release(&taken);
    return actions;
}

/* Since its shutdown() the drain thread has a descriptor of its own: the close is to be the last.
 */
static void end_softening(const struct observation *observation)
{
    const struct facts *facts = &observation->facts;
    enum drain_result result = facts->ended;

    if ((observation->taken & ACTION_DRAIN_BACKGROUND) != 0)
        return; /* the new drain takes the old one's place */
    if ((observation->taken & DRAINS) == 0 && facts->peer_fin)
        result = DRAIN_EOF;
    drainer_let_go(observation->socket.id, result);
}

static void repair_connection(struct observation *observation, unsigned wanted)
{
    bool softened = observation->socket.softened && observation->facts.holders == HOLDERS_LAST;

    if ((wanted & (DRAINS | ACTION_HALF_CLOSE)) != 0)
        no_signals(observation->fd);
    /* Before anything changes: from here on no event of it reaches the program. */
    if (softened || (wanted & (DRAINS | ACTION_HALF_CLOSE)) != 0)
        epoll_sets_leave(observation->fd);
    if ((wanted & (DRAINS | ACTION_HALF_CLOSE)) != 0) {
        half_close(observation);
        observation->taken |=
            (wanted & DRAINS) != 0 ? drain_connection(observation) : only_half_close(observation);
    }
    if (softened)
        end_softening(observation);
}

void repair_close(struct observation *observation)
{
    unsigned wanted = observation->verdict.actions;

    if (!observation_enforces())
        return;
    if ((wanted & ACTION_BACKLOG_DRAINED) != 0)
        observation->taken |= drain_backlog(observation);
    if ((wanted & ACTION_LINGER_OFF) != 0) {
        linger_off(observation->fd);
        observation->taken |= ACTION_LINGER_OFF;
    }
    if (wanted != ACTION_PASS || observation->socket.softened)
        repair_connection(observation, wanted);
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
                observation->wanted, process_now());
    drain.soften = true;
    if (!hand_over(observation, &drain))
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
        linger_withhold(observation->fd);
    return true;
}
