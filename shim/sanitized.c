/* SPDX-License-Identifier: MIT */
/*
 * Only in builds with AddressSanitizer, whose runtime the library then brings into every program:
 * the options of CMakeLists.txt, also where a program clears its environment, and with it
 * ASAN_OPTIONS. UndefinedBehaviorSanitizer's runtime has options of its own.
 */
#include <errno.h>

#ifndef SOFTCLOSE_ASAN_OPTIONS /* for those who read the source without building it */
#define SOFTCLOSE_ASAN_OPTIONS ""
#define SOFTCLOSE_UBSAN_OPTIONS ""
#endif

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

__attribute__((visibility("default"), no_sanitize("address"))) const char *
__asan_default_options(void)
{
    return SOFTCLOSE_ASAN_OPTIONS;
}

__attribute__((visibility("default"), no_sanitize("address"))) const char *
__ubsan_default_options(void)
{
    return SOFTCLOSE_UBSAN_OPTIONS;
}

/* A program begins with 0: making the folder of the reports has left EEXIST. */
__attribute__((constructor)) static void begin(void)
{
    errno = 0;
}
