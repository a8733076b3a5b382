/* SPDX-License-Identifier: MIT */
#include "modules.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct module_entry {
    struct module module;
    UT_hash_handle hh;
    char key[]; /* path, 0, build-id, 0 */
};

struct map_set {
    size_t users, count;
    UT_hash_handle hh;
    struct mapping mappings[]; /* the key; by base */
};

static struct module_entry *modules;
static struct map_set *sets;

static const struct module *module_of(const char *path, const char *build_id)
{
    size_t path_size = strlen(path) + 1;
    size_t size = path_size + strlen(build_id) + 1;
    struct module_entry *added = malloc(sizeof *added + size);
    struct module_entry *found;
    if (!added)
        return NULL;
    memset(added, 0, sizeof *added);
    memcpy(added->key, path, path_size);
    memcpy(added->key + path_size, build_id, size - path_size);
    HASH_FIND(hh, modules, added->key, size, found);
    if (found) {
        free(added);
        return &found->module;
    }
    added->module.path = added->key;
    added->module.build_id = added->key + path_size;
    HASH_ADD(hh, modules, key, size, added);
    if (!added->hh.tbl) {
        free(added);
        return NULL;
    }
    return &added->module;
}

static int by_base(const void *left, const void *right)
{
    const struct mapping *a = left;
    const struct mapping *b = right;
    return a->base < b->base ? -1 : a->base > b->base;
}

/* A library unloaded and another loaded at its address. */
static bool replaced(uint64_t base, const struct mapped *maps, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (maps[i].base == base)
            return true;
    return false;
}

/* Sorted, each address once, and every end known. */
static size_t tidy(struct mapping *mappings, size_t count)
{
    size_t kept = 0;
    qsort(mappings, count, sizeof *mappings, by_base);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && mappings[kept - 1].base == mappings[i].base)
            kept--;
        mappings[kept++] = mappings[i];
    }
    for (size_t i = 0; i < kept; i++)
        if (mappings[i].end <= mappings[i].base)
            mappings[i].end = i + 1 < kept ? mappings[i + 1].base : UINT64_MAX;
    return kept;
}

struct map_set *map_set_add(struct map_set *old, const struct mapped *maps, size_t count)
{
    size_t before = old ? old->count : 0;
    size_t bytes = (before + count) * sizeof(struct mapping);
    struct map_set *added = calloc(1, sizeof *added + bytes);
    struct map_set *found;
    if (!added)
        return old;
    size_t filled = 0;
    for (size_t i = 0; i < before; i++)
        if (!replaced(old->mappings[i].base, maps, count))
            added->mappings[filled++] = old->mappings[i];
    for (size_t i = 0; i < count; i++) {
        const struct module *module =
            maps[i].module ? module_of(maps[i].module, maps[i].build_id ? maps[i].build_id : "")
                           : NULL;
        if (module)
            added->mappings[filled++] = (struct mapping){maps[i].base, maps[i].end, module};
    }
    added->count = tidy(added->mappings, filled);
    map_set_release(old);
    if (added->count == 0) {
        free(added);
        return NULL;
    }
    bytes = added->count * sizeof(struct mapping);
    HASH_FIND(hh, sets, added->mappings, bytes, found);
    if (found) {
        free(added);
        found->users++;
        return found;
    }
    HASH_ADD_KEYPTR(hh, sets, added->mappings, bytes, added);
    if (!added->hh.tbl) {
        free(added);
        return NULL;
    }
    added->users = 1;
    return added;
}

void map_set_release(struct map_set *set)
{
    if (!set || --set->users > 0)
        return;
    HASH_DEL(sets, set);
    free(set);
}

const struct mapping *map_set_find(const struct map_set *set, uint64_t address)
{
    size_t low = 0;
    size_t high = set ? set->count : 0;
    while (low < high) { /* first mapping whose base is above the address */
        size_t middle = low + (high - low) / 2;
        if (set->mappings[middle].base <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || address >= set->mappings[low - 1].end)
        return NULL;
    return &set->mappings[low - 1];
}

void modules_free(void)
{
    struct module_entry *module, *next_module;
    struct map_set *set, *next_set;
    HASH_ITER(hh, sets, set, next_set)
    {
        HASH_DEL(sets, set); /* NOLINT(clang-analyzer-unix.Malloc) */
        free(set);
    }
    HASH_ITER(hh, modules, module, next_module)
    {
        HASH_DEL(modules, module); /* NOLINT(clang-analyzer-unix.Malloc) */
        free(module);
    }
}
