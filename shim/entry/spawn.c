/* SPDX-License-Identifier: MIT */
/* Children that libc starts without a fork of ours: posix_spawn(3), popen(3), system(3). */
#include <dlfcn.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>

#include "shim/ending.h"
#include "shim/entry/entry.h"
#include "shim/holders.h"

typedef int spawn_function(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                           const posix_spawnattr_t *attributes, char *const arguments[],
                           char *const environment[]);

static void spawning(const char *path, char *const *environment)
{
    if (!start_enter())
        return;
    holders_spawned();
    ending_note_environment(path, environment);
}

/* What another thread opened before the child was made is inherited, too. */
static int spawned(int result)
{
    int error = errno;
    if (start_maybe() && start_enter())
        holders_spawned();
    errno = error;
    return result;
}

static int spawn(spawn_function *call, pid_t *pid, const char *path,
                 const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
                 char *const arguments[], char *const environment[])
{
    if (start_maybe())
        spawning(path, environment);
    return spawned(call(pid, path, actions, attributes, arguments, environment));
}

/* NEW(name) stands for the version that programs are linked with today, OLD(name) for the one from
 * before glibc 2.15, which runs a script without an interpreter line by /bin/sh. Where there never
 * was an old one, only the new one is made. */
#if defined(__x86_64__)
#define OLD_VERSION "GLIBC_2.2.5"
#define SPAWN_NAME(name) new_##name
#define SPAWN_VERSIONS(name)                                                                       \
    __asm__(".symver new_" #name ", " #name "@@GLIBC_2.15");                                       \
    __asm__(".symver old_" #name ", " #name "@" OLD_VERSION);                                      \
    spawn_function new_##name, old_##name;                                                         \
    static spawn_function *next_old_##name;                                                        \
    /* At the start: programs call it where dlvsym(3) may not be called. */                        \
    __attribute__((constructor(101))) static void find_old_##name(void)                            \
    {                                                                                              \
        if (next_old_##name == NULL)                                                               \
            next_old_##name = (spawn_function *)dlvsym(RTLD_NEXT, #name, OLD_VERSION);             \
    }                                                                                              \
    EXPORT int old_##name(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, \
                          const posix_spawnattr_t *attributes, char *const arguments[],            \
                          char *const environment[])                                               \
    {                                                                                              \
        find_old_##name(); /* before the start, from another library's constructor */              \
        return spawn(next_old_##name, pid, path, actions, attributes, arguments, environment);     \
    }
#else
#define SPAWN_NAME(name) name
#define SPAWN_VERSIONS(name)
#endif

SPAWN_VERSIONS(posix_spawn)
SPAWN_VERSIONS(posix_spawnp)

EXPORT int SPAWN_NAME(posix_spawn)(pid_t *pid, const char *path,
                                   const posix_spawn_file_actions_t *actions,
                                   const posix_spawnattr_t *attributes, char *const arguments[],
                                   char *const environment[])
{
    return spawn(REAL(posix_spawn), pid, path, actions, attributes, arguments, environment);
}

EXPORT int SPAWN_NAME(posix_spawnp)(pid_t *pid, const char *file,
                                    const posix_spawn_file_actions_t *actions,
                                    const posix_spawnattr_t *attributes, char *const arguments[],
                                    char *const environment[])
{
    return spawn(REAL(posix_spawnp), pid, file, actions, attributes, arguments, environment);
}

EXPORT FILE *popen(const char *command, const char *type)
{
    if (start_maybe())
        spawning("/bin/sh", environ);
    FILE *result = REAL(popen)(command, type);
    spawned(0);
    return result;
}

EXPORT int system(const char *command)
{
    if (start_maybe() && command != NULL)
        spawning("/bin/sh", environ);
    return spawned(REAL(system)(command));
}
