/* SPDX-License-Identifier: MIT */
#include "shim/linger.h"

#include <stddef.h>
#include <sys/socket.h>

#include "shim/raw.h"

/* Seconds (16 days) that no program asks for. Without meaning as long as it is off. */
enum { WITHHELD = 1397703 };

static void set(int fd, int on, int seconds)
{
    struct linger linger = {.l_onoff = on, .l_linger = seconds};
    raw_call(SYS_setsockopt, fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static bool get(int fd, struct linger *linger)
{
    socklen_t length = sizeof *linger;
    return raw_call(SYS_getsockopt, fd, SOL_SOCKET, SO_LINGER, linger, &length) == 0;
}

/* A time is remembered only with "on". What finds it like that between the two calls (a connection
 * that is just made, a close by another thread) takes it for withheld, too. */
void linger_withhold(int fd)
{
    set(fd, 1, WITHHELD);
    linger_off(fd);
}

bool linger_withheld(int fd)
{
    struct linger linger;
    return get(fd, &linger) && linger.l_linger == WITHHELD;
}

/* Natively {on, 0} came before, so it may for a moment. */
void linger_replaced(int fd)
{
    struct linger linger;

    if (!get(fd, &linger) || linger.l_onoff != 0 || linger.l_linger != WITHHELD)
        return;
    set(fd, 1, 0);
    linger_off(fd);
}

void linger_off(int fd)
{
    set(fd, 0, 0);
}

int32_t linger_of(int fd)
{
    struct linger linger;

    if (!get(fd, &linger))
        return -1;
    if (linger.l_linger == WITHHELD)
        return 0;
    return linger.l_onoff != 0 ? linger.l_linger : -1;
}
