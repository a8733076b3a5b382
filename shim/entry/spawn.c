/* SPDX-License-Identifier: MIT */
/* Children that libc starts without a fork of ours: posix_spawn(3), popen(3), system(3). */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>

#include "shim/ending.h"
#include "shim/entry/entry.h"
#include "shim/holders.h"

extern char **environ;

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

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const arguments[],
                       char *const environment[])
{
    if (start_maybe())
        spawning(path, environment);
    return spawned(REAL(posix_spawn)(pid, path, actions, attributes, arguments, environment));
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                        const posix_spawnattr_t *attributes, char *const arguments[],
                        char *const environment[])
{
    if (start_maybe())
        spawning(file, environment);
    return spawned(REAL(posix_spawnp)(pid, file, actions, attributes, arguments, environment));
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
