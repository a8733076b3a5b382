/* SPDX-License-Identifier: MIT */
#include "shim/tracking.h"

#include <string.h>

#include "shim/endpoint.h"
#include "shim/epoll_sets.h"
#include "shim/facts.h"
#include "shim/holders.h"
#include "shim/process.h"
#include "shim/start.h"

static void enter(int fd, struct socket *socket, enum role role)
{
    socket->role = role;
    socket->since = process_now();
    socket->spawned = holders_generation();
    sockets_add(fd, socket);
}

void tracking_made(int fd)
{
    struct socket socket;

    if (start_enter() && facts_identify(fd, &socket))
        enter(fd, &socket, ROLE_ANY);
}

void tracking_accepted(int listener, int fd, const struct sockaddr *address, socklen_t length)
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

void tracking_received(int fd)
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
}

static void sent(struct socket *socket, void *context)
{
    (void)context;
    socket->sent = true;
}

static void mark_sent(int fd)
{
    struct socket socket;

    if (sockets_maybe(fd) && start_enter() && sockets_find(fd, &socket))
        sockets_update(socket.id, sent, NULL);
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
    each_right(message, tracking_received);
}

void tracking_message_sent(const struct msghdr *message)
{
    each_right(message, mark_sent);
}
