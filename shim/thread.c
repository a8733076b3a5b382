/* SPDX-License-Identifier: MIT */
#include "shim/thread.h"

#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "shim/raw.h"
#include "shim/real.h"

/* The thread pointer stands in the middle of STORAGE bytes: variables of initial-exec modules lie
 * below it (x86-64) or above it (AArch64), libc's own fields the other way. */
enum { STACK = 64 << 10, STORAGE = 256 << 10 };

static char *memory;
static int running; /* the kernel clears it when the thread has gone (CLONE_CHILD_CLEARTID) */
static void (*body)(void);

static int enter(void *argument)
{
    (void)argument;
    body();
    return 0;
}

static bool reserve(void)
{
    if (memory != NULL)
        return true;
    long result = raw_call(SYS_mmap, NULL, STACK + STORAGE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if ((unsigned long)result > -4096UL)
        return false;
    memory = (char *)result;
    return true;
}

/* How far below its thread pointer the deepest variable of this thread lies, as far as we use it;
 * a program with more thread-local data than fits gets no thread. */
static bool storage_suffices(void)
{
    static _Thread_local char probe;
    intptr_t offset = (intptr_t)&probe - (intptr_t)__builtin_thread_pointer();
    return offset > -(STORAGE / 2 - 4096) && offset < STORAGE / 2 - 4096;
}

void thread_wait(void)
{
    while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) != 0)
        raw_call(SYS_sched_yield);
}

bool thread_start(void (*run)(void))
{
    uint64_t all = ~0ull, before;
    const int flags = CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                      CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;

    if (real.clone == NULL || !storage_suffices() || !reserve())
        return false;
    thread_wait();
    char *pointer = memory + STACK + STORAGE / 2;
    raw_call(SYS_madvise, memory + STACK, STORAGE, MADV_DONTNEED); /* zero again */
#if defined(__x86_64__)
    *(void **)(void *)pointer = pointer; /* %fs:0 holds its own address */
#endif
    body = run;
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof before);
    int result = real.clone(enter, memory + STACK, flags, NULL, &running, pointer, &running);
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
    return result > 0;
}

void thread_forked(void)
{
    running = 0;
}
