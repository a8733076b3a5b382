/* SPDX-License-Identifier: MIT */
#include "shim/process.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "shim/raw.h"
#include "shim/real.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/* Zeroed by the kernel in every child that has its own memory (madvise(2), since Linux 4.14). */
static volatile int *unforked;
static pid_t owner;
static unsigned adoptions;
static bool in_valgrind;

bool process_start(void)
{
    const char *preloaded = getenv("LD_PRELOAD");

    in_valgrind = preloaded != NULL && strstr(preloaded, "/vgpreload_") != NULL;
    owner = (pid_t)raw_call(SYS_getpid);
    if (unforked != NULL) {
        *unforked = 1;
        return true;
    }
    long page =
        raw_call(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if ((unsigned long)page > -4096UL)
        return false;
    if (raw_call(SYS_madvise, page, 4096, MADV_WIPEONFORK) != 0) {
        raw_call(SYS_munmap, page, 4096);
        return false;
    }
    unforked = (volatile int *)page;
    *unforked = 1;
    return true;
}

bool process_in_valgrind(void)
{
    return in_valgrind;
}

enum process_kind process_kind(void)
{
    /* The page first: the child of a new pid namespace can have its parent's number. */
    if (unforked != NULL && *unforked == 0)
        return PROCESS_FORKED;
    return raw_call(SYS_getpid) == owner ? PROCESS_OWN : PROCESS_VFORK;
}

void process_adopt(void)
{
    adoptions++;
    owner = (pid_t)raw_call(SYS_getpid);
    if (unforked != NULL)
        *unforked = 1;
}

pid_t process_pid(void)
{
    return owner;
}

/* Of this thread: what a signal handler interrupts is not taken from it, by a child that the
 * handler forks neither. */
static _Thread_local unsigned claims_here;

bool process_claim(pid_t *holder)
{
    pid_t before = __atomic_load_n(holder, __ATOMIC_RELAXED);

    if (before == owner || (before != 0 && claims_here > 0))
        return false;
    claims_here++;
    if (__atomic_compare_exchange_n(holder, &before, owner, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED))
        return true;
    claims_here--;
    return false;
}

void process_release(pid_t *holder)
{
    __atomic_store_n(holder, 0, __ATOMIC_RELEASE);
    claims_here--;
}

pid_t process_thread(void)
{
    static _Thread_local pid_t thread;
    static _Thread_local unsigned asked_at;

    if (thread == 0 || asked_at != adoptions + 1) {
        thread = (pid_t)raw_call(SYS_gettid);
        asked_at = adoptions + 1;
    }
    return thread;
}

uint64_t process_now(void)
{
    struct timespec now;
    real_clock(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
