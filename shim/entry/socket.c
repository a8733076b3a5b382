/* SPDX-License-Identifier: MIT */
/* socket(2), socketpair(2), accept(2), accept4(2), connect(2). */
#include <errno.h>
#include <sys/socket.h>

#include "shim/entry/entry.h"
#include "shim/raw.h"

int entry_socket(int domain, int type, int protocol, typeof(socket) *call)
{
    uint32_t births = tracking_births();
    int fd = call(domain, type, protocol);
    if (fd >= 0 && start_maybe())
        tracking_made(fd, births);
    return fd;
}

EXPORT int socket(int domain, int type, int protocol)
{
    return entry_socket(domain, type, protocol, real.socket);
}

int entry_socketpair(int domain, int type, int protocol, int fds[2], typeof(socketpair) *call)
{
    uint32_t births = tracking_births();
    int result = call(domain, type, protocol, fds);
    if (result == 0 && start_maybe()) {
        tracking_made(fds[0], births);
        tracking_made(fds[1], births);
    }
    return result;
}

EXPORT int socketpair(int domain, int type, int protocol, int fds[2])
{
    return entry_socketpair(domain, type, protocol, fds, REAL(socketpair));
}

/* `room` is what the program gave; `*length` what the kernel would have written with enough. */
static int accepted(int listener, int fd, const struct sockaddr *address, const socklen_t *length,
                    socklen_t room, uint32_t births)
{
    if (fd >= 0 && start_maybe())
        tracking_accepted(listener, fd, length == NULL || *length > room ? NULL : address,
                          length == NULL ? 0 : *length, births);
    return fd;
}

/* Read before the call, which overwrites it; a bad pointer is for the kernel to report. */
static socklen_t room_of(const socklen_t *length)
{
    socklen_t room = 0;
    if (length != NULL && start_maybe())
        raw_copy(&room, length, sizeof room);
    return room;
}

EXPORT int accept(int listener, struct sockaddr *address, socklen_t *length)
{
    uint32_t births = tracking_births();
    socklen_t room = room_of(length);
    return accepted(listener, REAL(accept)(listener, address, length), address, length, room,
                    births);
}

EXPORT int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags)
{
    uint32_t births = tracking_births();
    socklen_t room = room_of(length);
    return accepted(listener, REAL(accept4)(listener, address, length, flags), address, length,
                    room, births);
}

/* The socket is as new. */
static void disconnected(struct socket *socket, void *context)
{
    (void)context;
    socket->role = ROLE_ANY;
    socket->shut = SHUT_NONE;
    socket->peer.length = 0;
}

static int disconnect_end(struct observation *observation, int result)
{
    int error = errno;

    if (result == 0) {
        sockets_update(observation->socket.id, disconnected, NULL);
        observation_tell(observation, 0);
    }
    errno = error;
    return result;
}

EXPORT int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    struct observation observation;

    struct endpoint to = {.length = length};

    if (!sockets_maybe(fd) || length < sizeof to.address.any.sa_family ||
        length > sizeof to.address || !raw_copy(&to.address, address, length))
        return real.connect(fd, address, length);
    if (to.address.any.sa_family != AF_UNSPEC) {
        tracking_connecting(fd, &to.address.any, length);
        return real.connect(fd, address, length);
    }
    if (!start_enter() || !observation_identify(&observation, fd))
        return real.connect(fd, address, length);
    observation.via = "connect";
    observation_decide(&observation, OP_DISCONNECT, SHUT_NONE, 0, false, CALLER);
    return disconnect_end(&observation, real.connect(fd, address, length));
}
