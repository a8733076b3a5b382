/* SPDX-License-Identifier: MIT */
/*
 * Carries out what decide() has chosen, before the real call, on a connection whose last holder is
 * this process (a linger is only withheld, so that one may be shared). Chooses nothing itself: what
 * it learns on the way (no thread, nothing left to read) becomes a fact, and decide() is asked
 * again. Notes what was really done.
 */
#ifndef SOFTCLOSE_SHIM_REPAIR_H
#define SOFTCLOSE_SHIM_REPAIR_H

#include <stdbool.h>

#include "shim/observation.h"

/* Before a close: notes the actions taken in observation->taken. */
void repair_close(struct observation *observation);

/* Instead of shutdown(SHUT_RDWR): true when the connection was half-closed and handed over, and the
 * real call must not be made. */
bool repair_shutdown(struct observation *observation);

/* Instead of setsockopt(SO_LINGER {on, 0}): true when the program is told success (*error 0) or
 * EPERM without the kernel having been given the option. */
bool repair_linger(struct observation *observation, int *error);

#endif
