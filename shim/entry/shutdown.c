/* SPDX-License-Identifier: MIT */
/* shutdown(2) and setsockopt(2) of SO_LINGER. */
#include <errno.h>
#include <sys/socket.h>

#include "shim/entry/entry.h"
#include "shim/facts.h"

struct shutting {
    enum shut how;
    uint32_t segments;
};

static void shut(struct socket *socket, void *context)
{
    const struct shutting *shutting = context;
    bool both_before = socket->shut == SHUT_BOTH;

    socket->shut |= shutting->how;
    if (socket->shut == SHUT_BOTH && !both_before)
        socket->shut_segments = shutting->segments + 1;
}

static int shutdown_end(struct observation *observation, int result)
{
    int error = errno;

    if (result == 0) {
        struct shutting shutting = {observation->facts.how, 0};
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
EXPORT int shutdown(int fd, int how)
{
    struct observation observation;

    if (!sockets_maybe(fd) || how < SHUT_RD || how > SHUT_RDWR || !start_enter() ||
        !observation_identify(&observation, fd))
        return REAL(shutdown)(fd, how);
    observation_decide(&observation, OP_SHUTDOWN, (enum shut)(how + 1), 0, false, CALLER);
    return shutdown_end(&observation, REAL(shutdown)(fd, how));
}

static int linger_end(const struct observation *observation, int result)
{
    int error = errno;

    observation_tell(observation, result < 0 ? error : 0);
    errno = error;
    return result;
}

static bool is_zero_linger(int level, int name, const void *value, socklen_t length)
{
    const struct linger *linger = value;
    return level == SOL_SOCKET && name == SO_LINGER && value != NULL && length >= sizeof *linger &&
           linger->l_onoff != 0 && linger->l_linger == 0;
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    struct observation observation;

    if (!sockets_maybe(fd) || !is_zero_linger(level, name, value, length) || !start_enter() ||
        !observation_identify(&observation, fd))
        return REAL(setsockopt)(fd, level, name, value, length);
    observation_decide(&observation, OP_LINGER, SHUT_NONE, 0, false, CALLER);
    return linger_end(&observation, REAL(setsockopt)(fd, level, name, value, length));
}
