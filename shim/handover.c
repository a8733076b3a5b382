/* SPDX-License-Identifier: MIT */
#include "shim/handover.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "shim/raw.h"

bool handover_send(int queue, const struct handover *handover)
{
    struct iovec part = {(void *)handover, sizeof *handover};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {.bytes = {0}};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);

    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &handover->drain.fd, sizeof(int));
    return raw_call(SYS_sendmsg, queue, &message, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
}

long handover_receive(int queue, struct handover *handover, int *fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {handover, sizeof *handover};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    long got = raw_call(SYS_recvmsg, queue, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    *fd = -1;
    if (got < 0)
        return got;
    const struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    if (rights != NULL && rights->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(rights), sizeof *fd);
    return got;
}
