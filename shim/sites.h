/* SPDX-License-Identifier: MIT */
/* Where in the program a call came from, and which modules those addresses lie in. */
#ifndef SOFTCLOSE_SHIM_SITES_H
#define SOFTCLOSE_SHIM_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SITES_MOST = 32, MODULES_MOST = 512, BUILD_ID_MOST = 20 };

struct module {
    const char *path;           /* of the link map, or of the executable */
    uintptr_t base, start, end; /* load address, first and last mapped byte + 1 */
    uint8_t build_id[BUILD_ID_MOST];
    uint8_t build_id_length;
};

/* Lists what is loaded now. Not async-signal-safe (dl_iterate_phdr); called from the start. */
void sites_start(const char *executable);

/* Return addresses of the callers, innermost first, beginning with `caller` (the wrapper's own
 * return address); at most `most`. Stops at a signal frame. With most <= 1 only `caller`. The
 * unwinder takes no lock and no memory where the C library has _dl_find_object (glibc 2.35);
 * elsewhere only `caller` is recorded. */
size_t sites_collect(void *caller, size_t most, uintptr_t out[SITES_MOST]);

/* The modules known so far, in the order in which they were found. */
size_t sites_modules(void);
const struct module *sites_module(size_t index);

/* Adds the modules of addresses that belong to none yet (loaded later by dlopen). */
void sites_learn(const uintptr_t *addresses, size_t count);

#endif
