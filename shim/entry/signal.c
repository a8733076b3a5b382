/* SPDX-License-Identifier: MIT */
/*
 * sigaction(2), signal(2) and its relatives, only for signals of close.on_signal. A handler that a
 * program installs in any way wins; wrapped is what gives the previous handler back or may install
 * the default action. So siginterrupt(3), sigignore(3), sighold(3) and sigrelse(3) need no wrapper.
 */
#include <signal.h>

#include "shim/entry/entry.h"
#include "shim/signals.h"

EXPORT int sigaction(int number, const struct sigaction *restrict action,
                     struct sigaction *restrict old)
{
    return signals_ours(number) ? signals_action(number, action, old)
                                : REAL(sigaction)(number, action, old);
}

static sighandler_t install(signal_function *call, int number, sighandler_t handler)
{
    if (!signals_ours(number))
        return call(number, handler);
    return signals_show(number, call(number, signals_install(number, handler)));
}

EXPORT sighandler_t signal(int number, sighandler_t handler)
{
    return install(REAL(signal), number, handler);
}

/* What signal() stands for in programs compiled for System V semantics. */
EXPORT sighandler_t __sysv_signal(int number, sighandler_t handler)
{
    return install(REAL(__sysv_signal), number, handler);
}

EXPORT sighandler_t sysv_signal(int number, sighandler_t handler)
{
    return install(REAL(__sysv_signal), number, handler);
}

/* Other names of signal(2). Declared only for programs compiled for old standards. */
sighandler_t bsd_signal(int number, sighandler_t handler);

EXPORT sighandler_t bsd_signal(int number, sighandler_t handler)
{
    return install(REAL(signal), number, handler);
}

EXPORT sighandler_t ssignal(int number, sighandler_t handler)
{
    return install(REAL(signal), number, handler);
}

EXPORT sighandler_t sigset(int number, sighandler_t handler)
{
    return install(REAL(sigset), number, handler);
}
