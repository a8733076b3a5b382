/* SPDX-License-Identifier: MIT */
#include "shim/last_drains.h"

#include <poll.h>
#include <time.h>

#include "shim/audit.h"
#include "shim/process.h"
#include "shim/raw.h"

enum { MOST = 256 }; /* of more, only what is here is read */

static struct {
    struct drain drain;
    struct socket socket;
} left[MOST];

static unsigned count;
static pid_t taken; /* several threads may exec at once: one of them has the list */

bool last_drains_take(const struct observation *observation, const struct drain *drain)
{
    if (!process_claim(&taken))
        return false;
    bool room = count < MOST;
    if (room) {
        left[count].drain = *drain;
        left[count++].socket = observation->socket;
    }
    process_release(&taken);
    return room;
}

static void finish(unsigned index, enum drain_result result)
{
    struct drain *drain = &left[index].drain;

    drain_before_close(drain, result);
    audit_drain(drain->fd, drain->fd, &left[index].socket, drain, result);
    left[index] = left[--count];
}

/* One turn: reads of each what is here. The next moment at which one gives up. */
static uint64_t read_all(uint64_t until)
{
    uint64_t now = process_now(), next = until;

    for (unsigned i = count; i-- > 0;) {
        struct drain *drain = &left[i].drain;
        enum drain_result result = drain_read(drain, now);
        if (result == DRAIN_UNDER_WAY)
            result = now >= until ? DRAIN_EXIT : drain_expired(drain, now);
        uint64_t deadline = drain->deaf ? now + 10000000 : drain_deadline(drain);
        if (result != DRAIN_UNDER_WAY)
            finish(i, result);
        else if (deadline < next)
            next = deadline;
    }
    return next;
}

static void wait_for_any(uint64_t next)
{
    static struct pollfd polls[MOST]; /* on no stack: it may be a signal's. The lock is held. */
    uint64_t now = process_now(), wait = next > now ? next - now : 0;
    struct timespec time = {(time_t)(wait / 1000000000), (long)(wait % 1000000000)};

    for (unsigned i = 0; i < count; i++) /* a deaf one always looks readable: poll(2) skips it */
        polls[i] = (struct pollfd){.fd = left[i].drain.deaf ? -1 : left[i].drain.fd,
                                   .events = POLLIN | POLLRDHUP};
    raw_call(SYS_ppoll, polls, count, &time, NULL, 8);
}

void last_drains_run(uint64_t until)
{
    if (__atomic_load_n(&count, __ATOMIC_RELAXED) == 0 || !process_claim(&taken))
        return;
    for (;;) {
        uint64_t next = read_all(until);
        if (count == 0)
            break;
        wait_for_any(next);
    }
    process_release(&taken);
}

void last_drains_forked(void)
{
    count = 0;
}
