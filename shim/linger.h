/* SPDX-License-Identifier: MIT */
/*
 * A SO_LINGER {on, 0} that the kernel was not given. The kernel itself keeps it, as {off, a time of
 * softclose's own}: it remembers the time of a linger that is off (net/core/sock.c: SO_LINGER in
 * sk_setsockopt()), through fork and exec, and hands it down to a connection when that is made, not
 * when it is accepted, just as it does with {on, 0}. Async-signal-safe.
 */
#ifndef SOFTCLOSE_SHIM_LINGER_H
#define SOFTCLOSE_SHIM_LINGER_H

#include <stdbool.h>
#include <stdint.h>

/* The program asked for {on, 0}, and is told that the socket has it. What it had is replaced. */
void linger_withhold(int fd);

/* Does it have a withheld {on, 0}? */
bool linger_withheld(int fd);

/* The program has asked for something else: no longer. */
void linger_replaced(int fd);

/* Orderly closes from now on. */
void linger_off(int fd);

/* Seconds, -1 = off, as the program has asked for: 0 where that is withheld, too. */
int32_t linger_of(int fd);

#endif
