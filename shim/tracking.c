/* SPDX-License-Identifier: MIT */
#include "shim/tracking.h"

#include <string.h>

#include "shim/endpoint.h"
#include "shim/epoll_sets.h"
#include "shim/facts.h"
#include "shim/holders.h"
#include "shim/ledger.h"
#include "shim/process.h"
#include "shim/start.h"

static void enter(int fd, struct socket *socket, enum role role)
{
    socket->role = role;
    socket->since = process_now();
    socket->spawned = holders_generation();
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

void tracking_made(int fd, uint32_t births)
{
    struct socket socket;

    if (!start_enter() || !facts_identify(fd, &socket))
        return;
    enter(fd, &socket, ROLE_ANY);
    check_births(&socket, births);
}

void tracking_accepted(int listener, int fd, const struct sockaddr *address, socklen_t length,
                       uint32_t births)
{
    struct socket like = {0}, socket;
    struct endpoint peer;

    if (!start_enter())
        return;
    if (!(sockets_find(listener, &like) ? facts_identify_like(fd, &like, &socket)
                                        : facts_identify(fd, &socket)))
        return;
    if (address == NULL && socket.domain != AF_UNIX) {
        endpoint_peer(fd, &peer);
        address = &peer.address.any;
        length = peer.length;
    }
    endpoint_shrink(address, length, &socket.peer);
    socket.linger_zero = like.linger_zero; /* accept(2) passes SO_LINGER on */
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
    else if (facts_identify(to, &socket))
        enter(to, &socket, ROLE_INHERITED);
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
    struct socket socket;

    if (start_enter() && sockets_find(fd, &socket))
        sockets_update(socket.id, connecting, &to);
}

static void sent(struct socket *socket, void *context)
{
    (void)context;
    socket->sent = true;
}

static void received(int fd, bool peeked)
{
    struct socket socket;

    if (!start_enter())
        return;
    if (!facts_identify(fd, &socket)) {
        epoll_sets_look(fd);
        return;
    }
    socket.elsewhere = true;
    enter(fd, &socket, ROLE_INHERITED);
    if (peeked)
        sockets_update(socket.id, sent, NULL);
}

void tracking_received(int fd)
{
    received(fd, false);
}

static void received_by_peek(int fd)
{
    received(fd, true);
}

static void mark_sent(int fd)
{
    struct socket socket;

    if (!sockets_maybe(fd) || !start_enter() || !sockets_find(fd, &socket))
        return;
    sockets_update(socket.id, sent, NULL);
    ledger_sent(socket.id);
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

void tracking_message_received(const struct msghdr *message, bool peeked)
{
    each_right(message, peeked ? received_by_peek : tracking_received);
}

void tracking_message_sent(const struct msghdr *message)
{
    each_right(message, mark_sent);
}
