/* SPDX-License-Identifier: MIT */
#include "shim/sites.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <signal.h>
#include <string.h>
#include <unwind.h>

#include "shim/process.h"
#include "shim/raw.h"

/* glibc 2.35; weak, so that the library loads on older ones. */
// NOLINTNEXTLINE(readability-redundant-declaration)
extern int _dl_find_object(void *address, struct dl_find_object *result) __attribute__((weak));

static struct module modules[MODULES_MOST];
static size_t module_count;
static pid_t learning;

/* Paths are copied: a link map goes with dlclose(). */
static char paths[64 << 10];
static size_t paths_used;
static const char *executable_path;

static void read_build_id(struct module *module, const char *notes, size_t length)
{
    while (length >= sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *note = (const void *)notes;
        size_t name = (note->n_namesz + 3u) & ~3u, text = (note->n_descsz + 3u) & ~3u;
        size_t whole = sizeof *note + name + text;
        if (whole > length)
            return;
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
            memcmp(notes + sizeof *note, "GNU", 4) == 0) {
            size_t size = note->n_descsz < BUILD_ID_MOST ? note->n_descsz : BUILD_ID_MOST;
            memcpy(module->build_id, notes + sizeof *note + name, size);
            module->build_id_length = (uint8_t)size;
            return;
        }
        notes += whole;
        length -= whole;
    }
}

static void fill(struct module *module, uintptr_t base, const ElfW(Phdr) * headers, size_t count)
{
    module->base = base;
    module->start = UINTPTR_MAX;
    module->end = 0;
    for (size_t i = 0; i < count; i++) {
        uintptr_t start = base + headers[i].p_vaddr, end = start + headers[i].p_memsz;
        if (headers[i].p_type == PT_LOAD) {
            module->start = start < module->start ? start : module->start;
            module->end = end > module->end ? end : module->end;
        } else if (headers[i].p_type == PT_NOTE && module->build_id_length == 0) {
            read_build_id(module, (const char *)start, headers[i].p_memsz);
        }
    }
}

static const char *keep_path(const char *path)
{
    size_t length = path == NULL ? 0 : strlen(path) + 1;
    char *copy = paths + paths_used;

    if (length == 0 || length > sizeof paths - paths_used)
        return "";
    memcpy(copy, path, length);
    paths_used += length;
    return copy;
}

static int add_loaded(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    (void)context;
    if (module_count == MODULES_MOST)
        return 1;
    struct module *module = &modules[module_count];
    module->path = info->dlpi_name[0] != '\0' ? keep_path(info->dlpi_name)
                   : module_count == 0        ? executable_path
                                              : "[vdso]";
    fill(module, info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum);
    __atomic_store_n(&module_count, module_count + 1, __ATOMIC_RELEASE);
    return 0;
}

size_t sites_modules(void)
{
    return __atomic_load_n(&module_count, __ATOMIC_ACQUIRE);
}

const struct module *sites_module(size_t index)
{
    return &modules[index];
}

static bool is_known(uintptr_t address)
{
    for (size_t i = 0; i < sites_modules(); i++)
        if (address >= modules[i].start && address < modules[i].end)
            return true;
    return false;
}

void sites_learn(const uintptr_t *addresses, size_t count)
{
    if (_dl_find_object == NULL || !process_claim(&learning))
        return;
    for (size_t i = 0; i < count && module_count < MODULES_MOST; i++) {
        struct dl_find_object found;
        if (is_known(addresses[i]) || _dl_find_object((void *)addresses[i], &found) != 0)
            continue;
        const ElfW(Ehdr) *header = found.dlfo_map_start;
        struct module *module = &modules[module_count];
        module->path = keep_path(found.dlfo_link_map->l_name);
        fill(module, found.dlfo_link_map->l_addr,
             (const void *)((const char *)found.dlfo_map_start + header->e_phoff), header->e_phnum);
        __atomic_store_n(&module_count, module_count + 1, __ATOMIC_RELEASE);
    }
    process_release(&learning);
}

struct walk {
    uintptr_t caller;
    uintptr_t *out;
    size_t count, most;
    bool started;
};

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *argument)
{
    struct walk *walk = argument;
    int before_instruction = 0;
    uintptr_t address = _Unwind_GetIPInfo(context, &before_instruction);

    if (address == 0 || before_instruction)
        return _URC_END_OF_STACK; /* a signal frame: what it interrupted did not call us */
    if (!walk->started) {
        walk->started = address == walk->caller;
        return _URC_NO_REASON;
    }
    walk->out[walk->count++] = address;
    return walk->count < walk->most ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static _Unwind_Reason_Code stop(struct _Unwind_Context *context, void *unused)
{
    (void)context;
    (void)unused;
    return _URC_END_OF_STACK;
}

void sites_start(const char *executable)
{
    executable_path = executable;
    if (module_count == 0)
        dl_iterate_phdr(add_loaded, NULL);
    /* The first walk fills a table under pthread_once(): a signal handler that came in then and
     * closed a socket itself would wait for what it interrupts, for ever. */
    _Unwind_Backtrace(stop, NULL);
}

/* The unwinder takes about 900 bytes, which a small signal stack may not have. */
static bool on_signal_stack(void)
{
    stack_t stack = {0};
    return raw_call(SYS_sigaltstack, NULL, &stack) == 0 && (stack.ss_flags & SS_ONSTACK) != 0;
}

size_t sites_collect(void *caller, size_t most, uintptr_t out[SITES_MOST])
{
    struct walk walk = {.caller = (uintptr_t)caller, .out = out, .count = 1, .most = most};

    out[0] = (uintptr_t)caller;
    if (most > SITES_MOST)
        walk.most = SITES_MOST;
    if (most > 1 && _dl_find_object != NULL && !on_signal_stack())
        _Unwind_Backtrace(step, &walk);
    return walk.count;
}
