/* SPDX-License-Identifier: MIT */
#include "shim/drain.h"

#include <linux/sockios.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "shim/facts.h"
#include "shim/process.h"
#include "shim/raw.h"

static const uint64_t MS = 1000000;

const char *drain_result_name(enum drain_result result)
{
    static const char *const names[] = {
        [DRAIN_EOF] = "eof",     [DRAIN_IDLE] = "idle",           [DRAIN_TOTAL] = "total",
        [DRAIN_BYTES] = "bytes", [DRAIN_EVICTED] = "evicted",     [DRAIN_EXIT] = "exit",
        [DRAIN_ERROR] = "error", [DRAIN_UNDER_WAY] = "under-way",
    };
    return names[result];
}

void drain_start(struct drain *drain, int fd, const struct facts *facts,
                 const struct settings *settings, uint64_t now)
{
    *drain = (struct drain){
        .fd = fd,
        .proto = (uint8_t)facts->proto,
        .type = (uint8_t)facts->type,
        .reset_at_limit = settings->on_limit == ON_LIMIT_RESET,
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
        return facts_peer_finished(drain->fd) ? DRAIN_EOF : DRAIN_UNDER_WAY;
    uint64_t room = drain->most == 0 ? 0 : drain->most - drain->bytes;

    enum discard_end end = discard(drain->fd, drain->proto, drain->type, room, &drain->bytes);
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

void drain_linger(int fd, int32_t seconds)
{
    uint64_t until = process_now() + (uint64_t)seconds * 1000 * MS;
    struct timespec pause = {0, 1000000};

    while (facts_unsent(fd) > 0 && !facts_closed(fd) && process_now() < until) {
        raw_call(SYS_nanosleep, &pause, NULL);
        if (pause.tv_nsec < 10000000)
            pause.tv_nsec += 1000000;
    }
}

void drain_before_close(const struct drain *drain, enum drain_result result)
{
    bool gave_up = result != DRAIN_EOF && result != DRAIN_ERROR && result != DRAIN_EXIT;
    /* Never at the cost of what the program has written and the peer has not got yet. */
    bool reset = gave_up && drain->reset_at_limit && facts_unsent(drain->fd) == 0;
    struct linger linger = {.l_onoff = reset, .l_linger = 0};

    raw_call(SYS_setsockopt, drain->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}
