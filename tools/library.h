/* SPDX-License-Identifier: MIT */
/* Finding libsoftclose.so and getting it preloaded. */
#ifndef SOFTCLOSE_TOOLS_LIBRARY_H
#define SOFTCLOSE_TOOLS_LIBRARY_H

/*
 * The path of the library that belongs to this very program: found from where the program lies
 * (installed, or in a build folder), never from the environment. NULL after saying where it was
 * looked for, or why LD_PRELOAD cannot name it.
 */
char *library_find(void);

/* Puts the library first into LD_PRELOAD of the environment, before the user's own. False when
 * there is no memory. */
int library_preload(const char *library);

#endif
