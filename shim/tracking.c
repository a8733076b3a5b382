/* SPDX-License-Identifier: MIT */
#include "shim/tracking.h"

#include <string.h>

#include "shim/audit.h"
#include "shim/endpoint.h"
#include "shim/epoll_sets.h"
#include "shim/facts.h"
#include "shim/holders.h"
#include "shim/in_flight.h"
#include "shim/ledger.h"
#include "shim/process.h"
#include "shim/rings.h"
#include "shim/start.h"

static void enter(int fd, struct socket *socket, enum role role)
{
    socket->role = role;
    socket->since = process_now();
    socket->spawned = holders_generation();
    socket->opened = ledger_now();
    sockets_add(fd, socket);
}

uint32_t tracking_births(void)
{
    return holders_births();
}

static void held_elsewhere(struct socket *socket, void *context)
{
    (void)context;
    socket->elsewhere = true; /* only a search can tell */
}

static void check_births(const struct socket *socket, uint32_t births)
{
    if (holders_births() != births)
        sockets_update(socket->id, held_elsewhere, NULL);
}

/* Once: the filter that refuses the questions refuses them all. */
static void note_unidentified(void)
{
    static bool told;

    if (!__atomic_exchange_n(&told, true, __ATOMIC_RELAXED))
        audit_note("unidentified",
                   "a new socket cannot be asked what it is (getsockopt() is refused, perhaps by a "
                   "seccomp filter): such sockets are neither told nor touched",
                   NULL, 0);
}

void tracking_made(int fd, int domain, int type, uint32_t births)
{
    struct socket socket;

    if (!start_enter())
        return;
    if (!facts_identify_made(fd, domain, type, &socket)) {
        note_unidentified();
        return;
    }
    enter(fd, &socket, ROLE_ANY);
    check_births(&socket, births);
}

void tracking_accepted(int listener, const struct socket *like, int fd,
                       const struct sockaddr *address, socklen_t length, uint32_t births)
{
    struct socket found, socket;
    struct endpoint peer;

    if (!start_enter())
        return;
    if (like == NULL && sockets_find(listener, &found))
        like = &found;
    if (!(like != NULL ? facts_identify_like(fd, like, &socket) : facts_identify(fd, &socket)))
        return;
    if (address == NULL && socket.domain != AF_UNIX) {
        endpoint_peer(fd, &peer);
        address = &peer.address.any;
        length = peer.length;
    }
    endpoint_shrink(address, length, &socket.peer);
    enter(fd, &socket, ROLE_ACCEPTED);
    check_births(&socket, births);
}

void tracking_copied(int from, int to)
{
    struct socket socket;

    if (!start_enter())
        return;
    if ((sockets_state(from) & DESCRIPTOR_EPOLL) != 0)
        epoll_sets_add(to);
    if ((sockets_state(from) & DESCRIPTOR_SOCKET) == 0)
        return;
    if (sockets_find(from, &socket) && facts_id(to, socket.proto) == socket.id)
        sockets_add(to, &socket);
    else if (facts_identify(to, &socket)) {
        holders_inherited(&socket);
        enter(to, &socket, ROLE_INHERITED);
    }
}

struct connecting {
    const struct sockaddr *address;
    socklen_t length;
};

static void connecting(struct socket *socket, void *context)
{
    const struct connecting *to = context;

    socket->role = ROLE_CONNECTED;
    endpoint_shrink(to->address, to->length, &socket->peer);
}

void tracking_connecting(int fd, const struct sockaddr *address, socklen_t length)
{
    struct connecting to = {address, length};

    if (start_enter())
        sockets_update(sockets_id(fd), connecting, &to);
}

/* It may have been known here before, by another number. */
static void received(int fd, bool by_message)
{
    struct socket socket;

    if (!start_enter())
        return;
    if (!facts_identify(fd, &socket)) {
        epoll_sets_look(fd);
        rings_look(fd);
        return;
    }
    holders_inherited(&socket);
    socket.travelled = by_message;
    enter(fd, &socket, ROLE_INHERITED);
    sockets_update(socket.id, by_message ? holders_travelled : held_elsewhere, NULL);
}

void tracking_received(int fd)
{
    received(fd, false);
}

static void received_by_message(int fd)
{
    received(fd, true);
}

static void mark_sent(int fd)
{
    struct socket socket;

    if (!sockets_maybe(fd) || !start_enter() || !sockets_find(fd, &socket))
        return;
    in_flight_start(false);
    sockets_update(socket.id, holders_sent, NULL);
    ledger_sent(socket.id, socket.opened);
}

static void each_right(const struct msghdr *message, void (*each)(int fd))
{
    struct msghdr *header = (struct msghdr *)message; /* CMSG_NXTHDR wants it writable */

    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part != NULL;
         part = CMSG_NXTHDR(header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            each(fd);
        }
    }
}

void tracking_message_received(const struct msghdr *message)
{
    each_right(message, received_by_message);
}

void tracking_message_sent(const struct msghdr *message)
{
    each_right(message, mark_sent);
}
