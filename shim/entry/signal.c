/* SPDX-License-Identifier: MIT */
/* sigaction(2) and signal(2), only for signals of close.on_signal. */
#include <errno.h>
#include <signal.h>

#include "shim/entry/entry.h"
#include "shim/signals.h"

EXPORT int sigaction(int number, const struct sigaction *restrict action,
                     struct sigaction *restrict old)
{
    return signals_ours(number) ? signals_action(number, action, old)
                                : REAL(sigaction)(number, action, old);
}

/* BSD semantics, as glibc's: the handler stays and system calls go on. */
EXPORT sighandler_t signal(int number, sighandler_t handler)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART}, old;

    if (!signals_ours(number))
        return REAL(signal)(number, handler);
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, number);
    return signals_action(number, &action, &old) == 0 ? old.sa_handler : SIG_ERR;
}
