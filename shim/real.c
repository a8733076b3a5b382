/* SPDX-License-Identifier: MIT */
#include "shim/real.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <string.h>

#include "shim/raw.h"

static int early_close(int fd)
{
    return (int)raw_to_errno(raw_call(SYS_close, fd));
}

static int early_dup2(int fd, int other)
{
    return (int)raw_to_errno(raw_call(SYS_dup3, fd, other, 0));
}

static int early_fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return (int)raw_to_errno(raw_call(SYS_fcntl, fd, command, argument));
}

static int early_socket(int domain, int type, int protocol)
{
    return (int)raw_to_errno(raw_call(SYS_socket, domain, type, protocol));
}

static int early_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    return (int)raw_to_errno(raw_call(SYS_connect, fd, address, length));
}

static long early_syscall(long number, ...)
{
    va_list list;
    va_start(list, number);
    long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
    long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
    va_end(list);
    return raw_to_errno(raw_syscall6(number, a, b, c, d, e, f));
}

/* Those that something may call while dlsym() runs, or before any constructor. */
struct real real = {
    .close = early_close,
    .dup2 = early_dup2,
    .fcntl = early_fcntl,
    .fcntl64 = early_fcntl,
    .socket = early_socket,
    .connect = early_connect,
    .syscall = early_syscall,
};

void *real_find(const char *name, void **slot)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) {
        /* Only a libc without the function can bring us here, and then nobody could have linked
         * against it: there is nothing that could be called instead. */
        static const char text[] = "softclose: the C library has no function of this name: ";
        raw_call(SYS_write, 2, text, sizeof text - 1);
        raw_call(SYS_write, 2, name, strlen(name));
        raw_call(SYS_write, 2, "\n", 1);
        raw_call(SYS_exit_group, 127);
    }
    *slot = found;
    return found;
}

void real_start(void)
{
    void *found;
#define X(type, name)                                                                              \
    found = dlsym(RTLD_NEXT, #name);                                                               \
    if (found != NULL)                                                                             \
        real.name = (type *)found;
    REAL_FUNCTIONS(X)
#undef X
}
