/* SPDX-License-Identifier: MIT */
/* socket(2), socketpair(2), accept(2), accept4(2), connect(2). */
#include <errno.h>
#include <sys/socket.h>

#include "shim/drainer.h"
#include "shim/entry/entry.h"
#include "shim/raw.h"

int entry_socket(int domain, int type, int protocol, typeof(socket) *call)
{
    uint32_t births = tracking_births();
    int fd = call(domain, type, protocol);
    if (fd >= 0 && start_maybe())
        tracking_made(fd, domain, type, births);
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
        tracking_made(fds[0], domain, type, births);
        tracking_made(fds[1], domain, type, births);
    }
    return result;
}

EXPORT int socketpair(int domain, int type, int protocol, int fds[2])
{
    return entry_socketpair(domain, type, protocol, fds, REAL(socketpair));
}

/* Where accept() writes the peer's address: where the program wants it or, if nowhere, in our own
 * room, which costs nothing and spares the question. Only for TCP and MPTCP: in other families
 * (AF_ALG, Bluetooth) an accept() that asks for an address can fail where another does not. */
struct peer_room {
    struct sockaddr *address;
    socklen_t *length, given; /* read before the call, which overwrites it */
    struct endpoint own;
    struct socket listener; /* for our own room */
};

static bool is_internet(int listener, struct socket *socket)
{
    return sockets_maybe(listener) && sockets_find(listener, socket) &&
           (socket->proto == PROTO_TCP || socket->proto == PROTO_MPTCP);
}

/* A bad pointer is for the kernel to report. */
static void room_begin(struct peer_room *room, int listener, struct sockaddr *address,
                       socklen_t *length)
{
    room->address = address;
    room->length = length;
    room->given = 0;
    if (address == NULL && is_internet(listener, &room->listener)) {
        room->own.length = room->given = sizeof room->own.address;
        room->address = &room->own.address.any;
        room->length = &room->own.length;
    } else if (length != NULL && start_maybe()) {
        raw_copy(&room->given, length, sizeof room->given);
    }
}

static int accepted(int listener, int fd, const struct peer_room *room, uint32_t births)
{
    if (fd < 0 || !start_maybe())
        return fd;
    bool whole = room->address != NULL && room->length != NULL && *room->length <= room->given;
    const struct socket *like = room->length == &room->own.length ? &room->listener : NULL;
    tracking_accepted(listener, like, fd, whole ? room->address : NULL, whole ? *room->length : 0,
                      births);
    return fd;
}

EXPORT int accept(int listener, struct sockaddr *address, socklen_t *length)
{
    uint32_t births = tracking_births();
    struct peer_room room;

    room_begin(&room, listener, address, length);
    return accepted(listener, REAL(accept)(listener, room.address, room.length), &room, births);
}

EXPORT int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags)
{
    uint32_t births = tracking_births();
    struct peer_room room;

    room_begin(&room, listener, address, length);
    return accepted(listener, REAL(accept4)(listener, room.address, room.length, flags), &room,
                    births);
}

/* The socket is as new. */
static void disconnected(struct socket *socket, void *context)
{
    (void)context;
    socket->role = ROLE_ANY;
    socket->shut = SHUT_NONE;
    socket->softened = false;
    socket->shut_segments = 0;
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
    observation_decide(&observation, (struct question){.op = OP_DISCONNECT}, CALLER);
    /* The thread's wait for the peer's end is over, before the socket is another connection. */
    if (observation.socket.softened) {
        sockets_update(observation.socket.id, disconnected, NULL);
        drainer_let_go(observation.socket.id, DRAIN_UNDER_WAY);
    }
    return disconnect_end(&observation, real.connect(fd, address, length));
}
