/* SPDX-License-Identifier: MIT */
/*
 * What a search through /proc cannot find: processes outside of the own PID namespace, which may
 * have handed a socket in, and those that the mount option hidepid hides. Async-signal-safe except
 * unseen_start().
 */
#ifndef SOFTCLOSE_SHIM_UNSEEN_H
#define SOFTCLOSE_SHIM_UNSEEN_H

#include <stdbool.h>

/* At the start of the process, while its parent is still the one that started it. */
void unseen_start(void);

/* Was this process, or one that it descends from, started from outside of a PID namespace that is
 * not the machine's: by a container's runtime, nsenter(1), unshare(1)? Then whoever started it may
 * hold what it has inherited. */
bool unseen_outside(void);

/* May /proc leave processes out? */
bool unseen_hidden(void);

#endif
