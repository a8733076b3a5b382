/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into stall_server: from its epoll_create1() on there is no memory. With SCARCE=malloc
 * every allocation fails; with SCARCE=mmap the kernel gives none either. That filter is installed
 * by an instruction of its own, so that softclose knows nothing of it.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static int scarce;

static void *none(void)
{
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t size)
{
    return scarce ? none() : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return scarce ? none() : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return scarce ? none() : __libc_realloc(memory, size);
}

static long call(long number, long one, long two, const void *three)
{
#if defined(__x86_64__)
    long result;
    register long four __asm__("r10") = 0;
    register long five __asm__("r8") = 0;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(one), "S"(two), "d"(three), "r"(four), "r"(five)
                     : "rcx", "r11", "memory");
    return result;
#else
    return syscall(number, one, two, three, 0, 0);
#endif
}

static void refuse_mmap(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};

    if (call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, NULL) != 0 ||
        call(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(94);
}

int epoll_create1(int flags)
{
    const char *what = getenv("SCARCE");

    scarce = what != NULL;
    if (what != NULL && strcmp(what, "mmap") == 0)
        refuse_mmap();
    return (int)syscall(SYS_epoll_create1, flags);
}
