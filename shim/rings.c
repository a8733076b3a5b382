/* SPDX-License-Identifier: MIT */
#include "shim/rings.h"

#include <link.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>

#include "shim/audit.h"
#include "shim/ledger.h"
#include "shim/process.h"
#include "shim/procfs.h"
#include "shim/raw.h"

enum { LOADED_MOST = 4096, NAME = 256 };

void rings_made(void)
{
    if (!__atomic_exchange_n(ledger_rings(), true, __ATOMIC_SEQ_CST))
        audit_note("io-uring",
                   "the program has, or may have, an io_uring: which sockets it holds cannot be "
                   "found out, and no connection is touched",
                   NULL, 0);
}

void rings_look(int fd)
{
    if (procfs_fd_is(fd, "anon_inode:[io_uring]"))
        rings_made();
}

/* Another thread may be unloading the module that is looked at: its memory is read by the kernel.
 * Where that is forbidden, it is read as it is. */
static bool read_memory(const void *from, void *to, size_t size)
{
    struct iovec here = {.iov_base = to, .iov_len = size};
    struct iovec there = {.iov_base = (void *)(uintptr_t)from, .iov_len = size};
    /* By this thread: the first one may have ended, and has no memory then. */
    long thread = process_thread();
    long got = raw_call(SYS_process_vm_readv, thread, &here, 1, &there, 1, 0);

    if (got == -EPERM || got == -ENOSYS) {
        memcpy(to, from, size);
        return true;
    }
    return got == (long)size;
}

static bool is_liburing(const char *path)
{
    static const char wanted[] = "liburing";
    char name[NAME];
    const char *end = name, *slash = NULL;
    size_t length = 0;

    if (path == NULL)
        return false;
    /* Page by page: what lies behind the name may not be readable. */
    while (length < sizeof name - 1) {
        size_t room = 64 - ((uintptr_t)path + length) % 64;
        if (room > sizeof name - 1 - length)
            room = sizeof name - 1 - length;
        if (!read_memory(path + length, name + length, room))
            break;
        length += room;
        if (memchr(name, '\0', length) != NULL)
            break;
    }
    name[length] = '\0';
    for (; *end != '\0'; end++)
        if (*end == '/')
            slash = end;
    return strncmp(slash == NULL ? name : slash + 1, wanted, sizeof wanted - 1) == 0;
}

/* The list of modules grows at its end: while the last one is what it was, there is no new one. */
static struct {
    const struct link_map *at;
    uintptr_t words[5]; /* l_addr, l_name, l_ld, l_next, l_prev */
} last;

static bool read_module(const struct link_map *at, uintptr_t words[5])
{
    return read_memory(at, words, 5 * sizeof *words);
}

static void remember(const struct link_map *at, const uintptr_t words[5])
{
    for (unsigned i = 0; i < 5; i++)
        __atomic_store_n(&last.words[i], words[i], __ATOMIC_RELAXED);
    __atomic_store_n(&last.at, at, __ATOMIC_RELEASE);
}

/* Another thread may be writing there: then some word is not what it is now. */
static bool unchanged(void)
{
    const struct link_map *at = __atomic_load_n(&last.at, __ATOMIC_ACQUIRE);
    uintptr_t now[5];

    if (at == NULL || !read_module(at, now) || now[3] != 0)
        return false;
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++)
        if (now[i] != __atomic_load_n(&last.words[i], __ATOMIC_RELAXED))
            return false;
    return true;
}

bool rings_any(void)
{
    if (__atomic_load_n(ledger_rings(), __ATOMIC_RELAXED))
        return true;
    if (unchanged())
        return false;
    const struct link_map *at = _r_debug.r_map;
    uintptr_t words[5] = {0};
    for (unsigned count = 0; at != NULL && count < LOADED_MOST; count++) {
        if (!read_module(at, words))
            return true; /* just being unloaded: in doubt */
        if (is_liburing((const char *)words[1])) {
            rings_made();
            return true;
        }
        if (words[3] == 0)
            remember(at, words);
        at = (const struct link_map *)words[3];
    }
    return false;
}
