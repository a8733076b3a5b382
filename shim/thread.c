/* SPDX-License-Identifier: MIT */
#include "shim/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#include "shim/process.h"
#include "shim/raw.h"
#include "shim/real.h"

/* The thread pointer stands in the middle of STORAGE bytes: variables of initial-exec modules lie
 * below it (x86-64) or above it (AArch64), libc's own fields the other way. */
enum { STACK = 64 << 10, STORAGE = 256 << 10 };

/* Two, by turns: one that has done its work may still be on its last instructions. */
static struct room {
    char *memory;
    int running; /* the kernel clears it when the thread has gone (CLONE_CHILD_CLEARTID) */
} rooms[2];
static void (*body)(void);

static int enter(void *argument)
{
    (void)argument;
    body();
    return 0;
}

static bool reserve(struct room *room)
{
    if (room->memory != NULL)
        return true;
    long result = raw_call(SYS_mmap, NULL, STACK + STORAGE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if ((unsigned long)result > -4096UL)
        return false;
    room->memory = (char *)result;
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

static bool in_use(const struct room *room)
{
    return __atomic_load_n(&room->running, __ATOMIC_ACQUIRE) != 0;
}

bool thread_running(void)
{
    return in_use(&rooms[0]) || in_use(&rooms[1]);
}

void thread_wait(void)
{
    /* It is on its last instructions; a second is for a machine that does not schedule it. */
    uint64_t until = process_now() + 1000000000;

    while (thread_running() && process_now() < until)
        raw_call(SYS_sched_yield);
}

bool thread_start(void (*run)(void))
{
    uint64_t all = ~0ull, before;
    const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                      CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    struct room *room = in_use(&rooms[0]) ? &rooms[1] : &rooms[0];

    if (process_in_valgrind() || real.clone == NULL || !storage_suffices() || in_use(room) ||
        !reserve(room))
        return false;
    char *memory = room->memory;
    char *pointer = memory + STACK + STORAGE / 2;
    raw_call(SYS_madvise, memory + STACK, STORAGE, MADV_DONTNEED); /* zero again */
#ifdef __SANITIZE_ADDRESS__
    /* In a forked child the frames that the parent's thread was in are still marked. */
    __asan_unpoison_memory_region(memory, STACK);
#endif
#if defined(__x86_64__)
    *(void **)(void *)pointer = pointer; /* %fs:0 holds its own address */
#endif
    body = run;
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof before);
    int error = errno; /* of the close() that needs the thread: it succeeds with or without */
    int result =
        real.clone(enter, memory + STACK, flags, NULL, &room->running, pointer, &room->running);
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
    errno = error;
    return result > 0;
}

unsigned thread_count(uint64_t *which)
{
    uint32_t one = (uint32_t)__atomic_load_n(&rooms[0].running, __ATOMIC_ACQUIRE);
    uint32_t other = (uint32_t)__atomic_load_n(&rooms[1].running, __ATOMIC_ACQUIRE);

    *which = (uint64_t)one << 32 | other;
    return (one != 0) + (other != 0);
}

void thread_forked(void)
{
    rooms[0].running = rooms[1].running = 0;
}

void thread_follow_credentials(int tasks)
{
    const char *process = tasks >= 0 ? ".." : "/proc/self";
    struct stat owner;

    if (raw_call(SYS_newfstatat, tasks, process, &owner, 0) != 0 ||
        owner.st_uid == (uid_t)raw_call(SYS_geteuid))
        return;
    raw_call(SYS_setgroups, 0, NULL);
    raw_call(SYS_setresgid, owner.st_gid, owner.st_gid, owner.st_gid);
    raw_call(SYS_setresuid, owner.st_uid, owner.st_uid, owner.st_uid);
}
