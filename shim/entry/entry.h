/* SPDX-License-Identifier: MIT */
/*
 * What every entry point shares. The files of this folder hold the exported functions, one family
 * each, every one the same few lines: is it ours, the logic, the real function, done.
 */
#ifndef SOFTCLOSE_SHIM_ENTRY_H
#define SOFTCLOSE_SHIM_ENTRY_H

#include "shim/closing.h"
#include "shim/real.h"
#include "shim/sockets.h"
#include "shim/start.h"
#include "shim/tracking.h"

#define EXPORT __attribute__((visibility("default")))

/* Can dup2(from, to) succeed and close what `to` is? Nothing may be done to a connection for a call
 * that fails. Two system calls. */
bool entry_replaces(int from, int to);

/* Who called the program's function of libc: the innermost site of an event. */
#define CALLER __builtin_return_address(0)

#endif
