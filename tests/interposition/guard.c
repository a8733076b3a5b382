/* SPDX-License-Identifier: MIT */
/*
 * Preloaded behind libsoftclose.so: ends the program when that library calls the allocator, stdio,
 * a lock of libc or the dynamic loader once the program has begun (its first getpgid(), which
 * costs.c makes). None of these is async-signal-safe.
 */
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void __libc_free(void *memory);

static uintptr_t first, last; /* of libsoftclose.so; 0 before the program has begun */

pid_t getpgid(pid_t pid)
{
    char line[512];
    FILE *maps = first == 0 ? fopen("/proc/self/maps", "re") : NULL;
    uintptr_t from = 0, to = 0;

    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        unsigned long start, end;
        if (strstr(line, "libsoftclose") == NULL || sscanf(line, "%lx-%lx", &start, &end) != 2)
            continue;
        from = from == 0 ? start : from;
        to = end;
    }
    if (maps != NULL) {
        fclose(maps);
        if (from == 0)
            _exit(96);
        last = to;
        first = from;
    }
    return pid; /* never looked at */
}

static void check(const char *name, void *caller)
{
    if (first == 0 || (uintptr_t)caller < first || (uintptr_t)caller >= last)
        return;
    if (write(2, name, strlen(name)) < 0 || write(2, "\n", 1) < 0)
        _exit(94);
    _exit(95);
}

#define CHECK() check(__func__, __builtin_return_address(0))

void *malloc(size_t size)
{
    CHECK();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    CHECK();
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    CHECK();
    return __libc_realloc(memory, size);
}

void free(void *memory)
{
    CHECK();
    __libc_free(memory);
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static int (*next)(pthread_mutex_t * mutex);

    CHECK();
    if (next == NULL)
        next = (int (*)(pthread_mutex_t *))dlsym(RTLD_NEXT, "pthread_mutex_lock");
    return next(mutex);
}

int dl_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data)
{
    static int (*next)(int (*)(struct dl_phdr_info *, size_t, void *), void *);

    CHECK();
    if (next == NULL)
        next = (int (*)(int (*)(struct dl_phdr_info *, size_t, void *), void *))dlsym(
            RTLD_NEXT, "dl_iterate_phdr");
    return next(callback, data);
}

int dladdr(const void *address, Dl_info *info)
{
    static int (*next)(const void *address, Dl_info *info);

    CHECK();
    if (next == NULL)
        next = (int (*)(const void *, Dl_info *))dlsym(RTLD_NEXT, "dladdr");
    return next(address, info);
}

int vsnprintf(char *text, size_t size, const char *format, va_list list)
{
    static int (*next)(char *text, size_t size, const char *format, va_list list);

    CHECK();
    if (next == NULL)
        next = (int (*)(char *, size_t, const char *, va_list))dlsym(RTLD_NEXT, "vsnprintf");
    return next(text, size, format, list);
}
