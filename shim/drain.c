/* SPDX-License-Identifier: MIT */
#include "shim/drain.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "shim/facts.h"
#include "shim/linger.h"
#include "shim/process.h"
#include "shim/raw.h"

static const uint64_t MS = 1000000;

/* What a drain that gives up still reads: more than a receive buffer holds (tcp_rmem: 6 MiB), but
 * no more, or a peer that sends as fast as we read would hold us for ever. */
static const uint64_t LAST_READ = 8u << 20;

void drain_start(struct drain *drain, int fd, const struct facts *facts,
                 const struct settings *settings, bool told, uint64_t now)
{
    *drain = (struct drain){
        .fd = fd,
        .how = {.proto = facts->proto, .type = facts->type},
        .on_limit = settings->on_limit,
        .telling = told                           ? TELL_ALWAYS
                   : settings->events == LOG_NONE ? TELL_NEVER
                                                  : TELL_FAILURE,
        .idle_ms = settings->drain_idle_ms,
        .total_ms = settings->drain_total_ms,
        .most = settings->drain_bytes,
        .started = now,
        .last = now,
    };
}

enum drain_result drain_read(struct drain *drain, uint64_t now)
{
    uint64_t before = drain->bytes;

    /* After a softened shutdown the program may still read what is here: only the end is waited
     * for. */
    if (drain->soften)
        return !facts_peer_finished(drain->fd) ? DRAIN_UNDER_WAY
               : facts_failed(drain->fd)       ? DRAIN_ERROR
                                               : DRAIN_EOF;
    uint64_t room = drain->most == 0 ? 0 : drain->most - drain->bytes;

    enum discard_end end = discard(drain->fd, &drain->how, room, &drain->bytes);
    if (drain->bytes != before)
        drain->last = now;
    drain->deaf = end == DISCARD_DEAF;
    if (end == DISCARD_EOF)
        return DRAIN_EOF;
    if (end == DISCARD_ERROR)
        return DRAIN_ERROR;
    return drain->most != 0 && drain->bytes >= drain->most ? DRAIN_BYTES : DRAIN_UNDER_WAY;
}

uint64_t drain_deadline(const struct drain *drain)
{
    uint64_t idle = drain->last + drain->idle_ms * MS;
    uint64_t total = drain->started + drain->total_ms * MS;
    return idle < total ? idle : total;
}

enum drain_result drain_expired(const struct drain *drain, uint64_t now)
{
    if (now >= drain->started + drain->total_ms * MS)
        return DRAIN_TOTAL;
    return now >= drain->last + drain->idle_ms * MS ? DRAIN_IDLE : DRAIN_UNDER_WAY;
}

/* Until something can be read. With the reading half down that is always so: then by the clock. */
static void wait_more(const struct drain *drain, uint64_t nanoseconds)
{
    struct pollfd poll = {.fd = drain->fd, .events = POLLIN | POLLRDHUP};

    if (drain->deaf && nanoseconds > 10 * MS)
        nanoseconds = 10 * MS;
    struct timespec time = {(time_t)(nanoseconds / 1000000000), (long)(nanoseconds % 1000000000)};
    raw_call(SYS_ppoll, &poll, drain->deaf ? 0 : 1, &time, NULL, 8);
}

enum drain_result drain_block(struct drain *drain)
{
    for (;;) {
        uint64_t now = process_now();
        enum drain_result result = drain_read(drain, now);
        if (result == DRAIN_UNDER_WAY)
            result = drain_expired(drain, now);
        if (result != DRAIN_UNDER_WAY)
            return result;
        uint64_t deadline = drain_deadline(drain);
        wait_more(drain, deadline > now ? deadline - now : 0);
    }
}

enum drain_result drain_linger(struct drain *drain, enum drain_result result, int32_t seconds)
{
    uint64_t now = process_now(), until = now + (uint64_t)seconds * 1000 * MS;
    struct timespec pause = {0, 1000000};
    uint64_t all = ~0ull, before;

    if (seconds == 0)
        return result;
    /* A signal ends the wait, as it ends the kernel's own (sk_stream_wait_close()): let in only
     * while we sleep, so that none is missed. */
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof before);
    while (now < until && facts_unsent(drain->fd) > 0 && !facts_closed(drain->fd)) {
        struct timespec time = pause; /* ppoll(2) writes what is left */
        if (raw_call(SYS_ppoll, NULL, 0, &time, &before, sizeof before) == -EINTR)
            break;
        if (pause.tv_nsec < 10000000)
            pause.tv_nsec += 1000000;
        now = process_now();
        if (result == DRAIN_UNDER_WAY)
            result = drain_read(drain, now);
    }
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
    linger_off(drain->fd); /* or a close of the program's own would wait as long again */
    return result;
}

void drain_before_close(struct drain *drain, enum drain_result result)
{
    bool over = result == DRAIN_EOF || result == DRAIN_ERROR;
    /* A question that makes no difference is not asked. */
    int64_t unsent = drain->on_limit == ON_LIMIT_RESET ? facts_unsent(drain->fd) : 0;
    bool reset = decide_limit(drain->on_limit, result, unsent) == ON_LIMIT_RESET;
    /* One byte left unread would make the close a reset. */
    if (!over && !reset)
        discard(drain->fd, &drain->how, LAST_READ, &drain->bytes);
    struct linger linger = {.l_onoff = reset, .l_linger = 0};

    raw_call(SYS_setsockopt, drain->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}
