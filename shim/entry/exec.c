/* SPDX-License-Identifier: MIT */
/* The exec family. They return only when they failed. */
#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "shim/coverage.h"
#include "shim/ending.h"
#include "shim/entry/entry.h"
#include "shim/raw.h"

static void before(const struct exec_call *call, void *caller)
{
    int error = errno;
    if (start_maybe())
        ending_exec(call, caller);
    errno = error;
}

static int failed(int result)
{
    int error = errno;
    if (start_maybe())
        ending_exec_failed();
    errno = error;
    return result;
}

static void before_path(const char *path, char *const *arguments, char *const *environment,
                        void *caller)
{
    before(&(struct exec_call){.directory = AT_FDCWD,
                               .path = path,
                               .arguments = arguments,
                               .environment = environment},
           caller);
}

static void before_search(const char *name, char *const *arguments, char *const *environment,
                          void *caller)
{
    char path[EXEC_PATH];
    /* What is not found is not executed: a bare name that lies in the working directory neither. */
    if (!start_maybe() || name == NULL || !raw_readable(name, 1) ||
        coverage_find(name, getenv("PATH"), path, sizeof path) != 0)
        return;
    before(&(struct exec_call){.directory = AT_FDCWD,
                               .path = path,
                               .arguments = arguments,
                               .environment = environment,
                               .by_shell = true},
           caller);
}

EXPORT int execve(const char *path, char *const arguments[], char *const environment[])
{
    before_path(path, arguments, environment, CALLER);
    return failed(REAL(execve)(path, arguments, environment));
}

EXPORT int execv(const char *path, char *const arguments[])
{
    before_path(path, arguments, environ, CALLER);
    return failed(REAL(execv)(path, arguments));
}

EXPORT int execvp(const char *name, char *const arguments[])
{
    before_search(name, arguments, environ, CALLER);
    return failed(REAL(execvp)(name, arguments));
}

EXPORT int execvpe(const char *name, char *const arguments[], char *const environment[])
{
    before_search(name, arguments, environment, CALLER);
    return failed(REAL(execvpe)(name, arguments, environment));
}

EXPORT int execveat(int directory, const char *path, char *const arguments[],
                    char *const environment[], int flags)
{
    before(&(struct exec_call){.directory = directory,
                               .path = path,
                               .arguments = arguments,
                               .environment = environment,
                               .flags = flags},
           CALLER);
    return failed(REAL(execveat)(directory, path, arguments, environment, flags));
}

EXPORT int fexecve(int fd, char *const arguments[], char *const environment[])
{
    before(&(struct exec_call){.directory = fd,
                               .path = "",
                               .arguments = arguments,
                               .environment = environment,
                               .flags = AT_EMPTY_PATH},
           CALLER);
    return failed(REAL(fexecve)(fd, arguments, environment));
}

/* The list of arguments as an array on the stack, as libc does it: a vfork child must not
 * allocate. `list` ends up behind the terminating NULL. */
#define COLLECT(arguments, first, list)                                                            \
    do {                                                                                           \
        va_list counting;                                                                          \
        size_t count = 1;                                                                          \
        va_copy(counting, list);                                                                   \
        while (va_arg(counting, char *) != NULL)                                                   \
            count++;                                                                               \
        va_end(counting);                                                                          \
        (arguments) = alloca((count + 1) * sizeof *(arguments));                                   \
        (arguments)[0] = (char *)(first);                                                          \
        for (size_t i = 1; i <= count; i++)                                                        \
            (arguments)[i] = va_arg(list, char *);                                                 \
    } while (0)

EXPORT int execl(const char *path, const char *first, ...)
{
    char **arguments;
    va_list list;
    va_start(list, first);
    COLLECT(arguments, first, list);
    va_end(list);
    before_path(path, arguments, environ, CALLER);
    return failed(REAL(execv)(path, arguments));
}

EXPORT int execlp(const char *name, const char *first, ...)
{
    char **arguments;
    va_list list;
    va_start(list, first);
    COLLECT(arguments, first, list);
    va_end(list);
    before_search(name, arguments, environ, CALLER);
    return failed(REAL(execvp)(name, arguments));
}

EXPORT int execle(const char *path, const char *first, ...)
{
    char **arguments, **environment;
    va_list list;
    va_start(list, first);
    COLLECT(arguments, first, list);
    environment = va_arg(list, char **);
    va_end(list);
    before_path(path, arguments, environment, CALLER);
    return failed(REAL(execve)(path, arguments, environment));
}
