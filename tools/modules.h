/* SPDX-License-Identifier: MIT */
/*
 * Modules (programs and libraries) and where processes have them mapped, so that a return address
 * becomes module + offset. Each module and each set of mappings is kept once however many
 * processes share it: the children of a forking server all do.
 */
#ifndef SOFTCLOSE_TOOLS_MODULES_H
#define SOFTCLOSE_TOOLS_MODULES_H

#include <stddef.h>
#include <stdint.h>

#include "events.h"

struct module {
    char *path, *build_id;
};

struct mapping {
    uint64_t base, end; /* end: of the mapping, or where the next one begins */
    const struct module *module;
};

struct map_set;

/* The set of `count` mappings, added to those of `old` (or NULL); takes over one reference to
 * `old` and returns one. NULL when there is no memory or nothing in it. */
struct map_set *map_set_add(struct map_set *old, const struct mapped *maps, size_t count);
void map_set_release(struct map_set *set);

/* The mapping that holds `address`, or NULL. */
const struct mapping *map_set_find(const struct map_set *set, uint64_t address);

/* Everything that is kept. */
void modules_free(void);

#endif
