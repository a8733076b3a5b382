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

void entry_received(const struct msghdr *message)
{
    if (carries(message))
        tracking_message_received(message);
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
        entry_received(message);
    return result;
}

/* As many as were sent or received; returned, with errno as it was. */
int entry_sent_many(struct mmsghdr *messages, int sent)
{
    for (int i = 0; i < sent && start_maybe(); i++)
        entry_sent(&messages[i].msg_hdr);
    return sent;
}

int entry_received_many(struct mmsghdr *messages, int received)
{
    for (int i = 0; i < received && start_maybe(); i++)
        entry_received(&messages[i].msg_hdr);
    return received;
}

EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    return entry_sent_many(messages, REAL(sendmmsg)(fd, messages, count, flags));
}

EXPORT int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                    struct timespec *timeout)
{
    return entry_received_many(messages, REAL(recvmmsg)(fd, messages, count, flags, timeout));
}
