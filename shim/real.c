/* SPDX-License-Identifier: MIT */
#include "shim/real.h"

#include <dlfcn.h>
#include <link.h>
#include <stdarg.h>
#include <string.h>
#include <sys/auxv.h>

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

static int early_clock(clockid_t clock, struct timespec *now)
{
    return (int)raw_call(SYS_clock_gettime, clock, now);
}

int (*real_clock)(clockid_t clock, struct timespec *now) = early_clock;

/* The kernel's own, which reads the time without a system call (vdso(7)): not libc's, which another
 * preloaded library may stand in front of, and the drain thread has no thread-local memory for it.
 */
static void clock_start(void)
{
#if defined(__aarch64__)
    static const char name[] = "__kernel_clock_gettime";
#else
    static const char name[] = "__vdso_clock_gettime";
#endif
    struct link_map *kernel = NULL; /* what dlopen() gives, without a call of it */
    void *found = NULL, *start = (void *)getauxval(AT_SYSINFO_EHDR);
    Dl_info info;

    if (start != NULL && dladdr1(start, &info, (void **)&kernel, RTLD_DL_LINKMAP) != 0)
        found = dlsym(kernel, name);
    if (found != NULL)
        real_clock = (int (*)(clockid_t, struct timespec *))found;
}

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
    clock_start();
}
