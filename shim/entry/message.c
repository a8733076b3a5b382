/* SPDX-License-Identifier: MIT */
/* Descriptors that travel in UNIX sockets: sendmsg(2), recvmsg(2), sendmmsg(2), recvmmsg(2). */
#include <errno.h>
#include <sys/socket.h>

#include "shim/entry/entry.h"

static bool carries(const struct msghdr *message)
{
    return message != NULL && message->msg_controllen > 0 && start_maybe();
}

void entry_sent(const struct msghdr *message)
{
    if (carries(message))
        tracking_message_sent(message);
}

void entry_received(const struct msghdr *message, int flags)
{
    if (carries(message))
        tracking_message_received(message, (flags & MSG_PEEK) != 0);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t result = REAL(sendmsg)(fd, message, flags);
    if (result >= 0)
        entry_sent(message);
    return result;
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    ssize_t result = REAL(recvmsg)(fd, message, flags);
    if (result >= 0)
        entry_received(message, flags);
    return result;
}

EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    int sent = REAL(sendmmsg)(fd, messages, count, flags);
    for (int i = 0; i < sent && start_maybe(); i++)
        entry_sent(&messages[i].msg_hdr);
    return sent;
}

EXPORT int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                    struct timespec *timeout)
{
    int received = REAL(recvmmsg)(fd, messages, count, flags, timeout);
    for (int i = 0; i < received && start_maybe(); i++)
        entry_received(&messages[i].msg_hdr, flags);
    return received;
}
