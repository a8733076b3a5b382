/* SPDX-License-Identifier: MIT */
/*
 * close.on_signal: for the signals that the policy names and whose default action the program left
 * alone, softclose closes softly before the program dies of the signal. The program does not see
 * the handler: what it installs itself wins, and asking shows the default action.
 */
#ifndef SOFTCLOSE_SHIM_SIGNALS_H
#define SOFTCLOSE_SHIM_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* Does the policy name this signal? One load and one branch for no. */
bool signals_ours(int number);

/* sigaction(2) as the program means it. */
int signals_action(int number, const struct sigaction *action, struct sigaction *old);

/* The same for functions that know only handlers: what to give libc in place of SIG_DFL, and what
 * the program is to see of what libc gives back. */
sighandler_t signals_install(int number, sighandler_t handler);
sighandler_t signals_show(int number, sighandler_t handler);

#endif
