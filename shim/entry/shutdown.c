/* SPDX-License-Identifier: MIT */
/* shutdown(2) and setsockopt(2) of SO_LINGER. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "shim/entry/entry.h"
#include "shim/facts.h"
#include "shim/linger.h"
#include "shim/raw.h"
#include "shim/repair.h"

struct shutting {
    enum shut how;
    uint32_t segments;
    bool softened;
};

static void shut(struct socket *socket, void *context)
{
    const struct shutting *shutting = context;
    bool both_before = socket->shut == SHUT_BOTH;

    socket->shut |= shutting->how;
    socket->softened = shutting->softened;
    if (socket->shut == SHUT_BOTH && !both_before)
        socket->shut_segments = shutting->segments + 1;
}

static int shutdown_end(struct observation *observation, int result)
{
    int error = errno;

    if (result == 0) {
        struct shutting shutting = {observation->facts.how, 0,
                                    observation->taken == ACTION_SOFTENED};
        if ((observation->socket.shut | shutting.how) == SHUT_BOTH &&
            observation->socket.proto == PROTO_TCP)
            shutting.segments = facts_data_segments(observation->fd);
        sockets_update(observation->socket.id, shut, &shutting);
    }
    observation_tell(observation, result < 0 ? error : 0);
    errno = error;
    return result;
}

/* SHUT_RD, SHUT_WR, SHUT_RDWR are 0, 1, 2: one more is the halves as bits. */
int entry_shutdown(int fd, int how, typeof(shutdown) *call, void *caller)
{
    struct observation observation;

    if (!sockets_maybe(fd) || how < SHUT_RD || how > SHUT_RDWR || !start_enter() ||
        !observation_identify(&observation, fd))
        return call(fd, how);
    observation_decide(&observation,
                       (struct question){.op = OP_SHUTDOWN, .how = (enum shut)(how + 1)}, caller);
    bool softened = repair_shutdown(&observation);
    return shutdown_end(&observation, softened ? 0 : call(fd, how));
}

EXPORT int shutdown(int fd, int how)
{
    return entry_shutdown(fd, how, REAL(shutdown), CALLER);
}

/* The kernel has the program's value, or the program was told that it has. */
static int linger_end(const struct observation *observation, int result)
{
    int error = errno;

    observation_tell(observation, result < 0 ? error : 0);
    errno = error;
    return result;
}

static bool is_zero_linger(const void *value, socklen_t length)
{
    struct linger linger;
    return length >= sizeof linger && raw_copy(&linger, value, sizeof linger) &&
           linger.l_onoff != 0 && linger.l_linger == 0;
}

/* Another value than {on, 0}: what was asked for before no longer counts. */
static int linger_other(int fd, int result)
{
    int error = errno;

    if (result == 0 && start_enter())
        linger_replaced(fd);
    errno = error;
    return result;
}

int entry_setsockopt(int fd, int level, int name, const void *value, socklen_t length,
                     typeof(setsockopt) *call, void *caller)
{
    struct observation observation;
    int error = 0;

    if (!sockets_maybe(fd) || level != SOL_SOCKET || name != SO_LINGER)
        return call(fd, level, name, value, length);
    if (!is_zero_linger(value, length) || !start_enter() || !observation_identify(&observation, fd))
        return linger_other(fd, call(fd, level, name, value, length));
    observation_decide(&observation, (struct question){.op = OP_LINGER}, caller);
    if (!repair_linger(&observation, &error))
        return linger_end(&observation, call(fd, level, name, value, length));
    errno = error == 0 ? errno : error;
    return linger_end(&observation, error == 0 ? 0 : -1);
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    return entry_setsockopt(fd, level, name, value, length, REAL(setsockopt), CALLER);
}

/* A forbidden linger reads back as set. */
int entry_getsockopt(int fd, int level, int name, void *value, socklen_t *length,
                     typeof(getsockopt) *call)
{
    static const struct linger zero = {.l_onoff = 1, .l_linger = 0};
    int result = call(fd, level, name, value, length);

    if (result == 0 && level == SOL_SOCKET && name == SO_LINGER && sockets_maybe(fd) &&
        start_enter() && linger_withheld(fd))
        memcpy(value, &zero, *length < sizeof zero ? *length : sizeof zero);
    return result;
}

EXPORT int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict length)
{
    return entry_getsockopt(fd, level, name, value, length, REAL(getsockopt));
}
