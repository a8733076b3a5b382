/* SPDX-License-Identifier: MIT */
/*
 * System calls of softclose's own questions: they return -errno and never touch errno, are no
 * cancellation points, call nobody's interposed function and need no relocation, so they work
 * before any constructor, in a signal handler and in a vfork child.
 */
#ifndef SOFTCLOSE_SHIM_RAW_H
#define SOFTCLOSE_SHIM_RAW_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline long raw_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
#ifdef __clang_analyzer__
    /* For clang-tidy, which cannot see what the kernel writes where assembly points it to: an
     * opaque call may. Never compiled. */
    return syscall(number, a, b, c, d, e, f);
#elif defined(__x86_64__)
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
#else
#error "softclose needs its raw system call written for this architecture (shim/raw.h)"
#endif
}

/* raw_call(SYS_x, a, b ...): up to six arguments, each cast to long. */
#define raw_call(...)                                                                              \
    RAW_PICK(__VA_ARGS__, raw_call6, raw_call5, raw_call4, raw_call3, raw_call2, raw_call1,        \
             raw_call0, )                                                                          \
    (__VA_ARGS__)
#define RAW_PICK(n, a, b, c, d, e, f, name, ...) name
#define raw_call0(n) raw_syscall6(n, 0, 0, 0, 0, 0, 0)
#define raw_call1(n, a) raw_syscall6(n, (long)(a), 0, 0, 0, 0, 0)
#define raw_call2(n, a, b) raw_syscall6(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define raw_call3(n, a, b, c) raw_syscall6(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define raw_call4(n, a, b, c, d) raw_syscall6(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define raw_call5(n, a, b, c, d, e)                                                                \
    raw_syscall6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define raw_call6(n, a, b, c, d, e, f)                                                             \
    raw_syscall6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* Can `bytes` at `from` be read? Asked with a call that every program makes and every filter
 * allows: rt_sigprocmask(2) reads its set before it finds the first argument wrong. Looks at 8
 * bytes at the beginning and, when they are in another page, at the end: exact for anything up to a
 * page. */
static inline bool raw_readable(const void *from, size_t bytes)
{
    const char *first = (const char *)((unsigned long)from & ~7ul);
    const char *last = (const char *)(((unsigned long)from + bytes - 1) & ~7ul);

    bool one_page = ((unsigned long)first ^ (unsigned long)last) < 4096; /* the smallest there is */

    return first != NULL && raw_call(SYS_rt_sigprocmask, -1, first, NULL, 8) != -EFAULT &&
           (one_page || raw_call(SYS_rt_sigprocmask, -1, last, NULL, 8) != -EFAULT);
}

/* Copies from the program's memory, which it may have given us wrongly: false when the kernel would
 * say EFAULT. */
static inline bool raw_copy(void *to, const void *from, size_t bytes)
{
    if (bytes == 0 || !raw_readable(from, bytes))
        return false;
    __builtin_memcpy(to, from, bytes);
    return true;
}

/* What libc makes of a raw result: -1 and errno, or the value. */
static inline long raw_to_errno(long result)
{
    if ((unsigned long)result > -4096UL) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

#endif
