/* SPDX-License-Identifier: MIT */
/*
 * Drains at the end of a program, or before it becomes another one, that the thread could not be
 * given: whoever waits for the thread anyway does its work. The descriptors stay the program's; the
 * kernel closes them. Raw system calls only.
 */
#ifndef SOFTCLOSE_SHIM_LAST_DRAINS_H
#define SOFTCLOSE_SHIM_LAST_DRAINS_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/drain.h"
#include "shim/observation.h"

/* Keeps one for last_drains_run(); false when there is no room. */
bool last_drains_take(const struct observation *observation, const struct drain *drain);

/* Drains them all, at the latest until `until` (CLOCK_MONOTONIC ns), and tells of each. */
void last_drains_run(uint64_t until);

/* In a forked child: what its parent has left is not its own. */
void last_drains_forked(void);

#endif
