/* SPDX-License-Identifier: MIT */
#include "shim/procfs.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "shim/line.h"
#include "shim/own_fds.h"
#include "shim/process.h"
#include "shim/raw.h"

/* Descriptor numbers tried in one process before the answer is "unknown". */
enum { NUMBERS_TRIED = 8192, PATH_TEXT = 48 };

struct directory_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

static void path_of(char path[PATH_TEXT], pid_t pid, const char *what, int fd)
{
    struct line line = {.text = path, .size = PATH_TEXT};

    line_text(&line, "/proc/");
    line_number(&line, pid);
    line_text(&line, what);
    if (fd >= 0)
        line_number(&line, fd);
    line_terminate(&line);
}

/* Since Linux 6.2 the size of /proc/PID/fd is the number of open descriptors; without it no search
 * could tell that it has seen them all. */
static bool counts_descriptors;

/* One search at a time: they share the offset of one directory. After a fork parent and child
 * would share it too, so the child opens its own at its first need. */
static pid_t searching;
static bool inherited;

bool procfs_start(void)
{
    struct stat status;
    long fd = raw_call(SYS_openat, AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    inherited = false;
    counts_descriptors =
        raw_call(SYS_newfstatat, AT_FDCWD, "/proc/self/fd", &status, 0) == 0 && status.st_size > 0;
    return fd >= 0 && own_fds_keep(OWN_PROC, (int)fd, true) >= 0;
}

void procfs_forked(void)
{
    procfs_end_by(0);
    inherited = true;
}

bool procfs_alive(pid_t pid)
{
    char path[PATH_TEXT], target[8];
    struct stat status;

    if (raw_call(SYS_kill, pid, 0) == -ESRCH)
        return false;
    /* A zombie has no memory and so no executable; but neither has a process whose first thread
     * has ended while others go on, so the threads are counted (their directory's links - 2). */
    path_of(path, pid, "/exe", -1);
    if (raw_call(SYS_readlinkat, AT_FDCWD, path, target, sizeof target) != -ENOENT)
        return true;
    path_of(path, pid, "/task", -1);
    if (raw_call(SYS_newfstatat, AT_FDCWD, path, &status, 0) != 0)
        return raw_call(SYS_kill, pid, 0) != -ESRCH; /* no /proc here: in doubt, alive */
    return status.st_nlink > 3;
}

/* Of a /proc that is another namespace's our numbers say nothing; and where there is none, as after
 * chroot(2), every process would seem to be gone. */
static bool is_our_proc(void)
{
    char target[16];
    long length = raw_call(SYS_readlinkat, AT_FDCWD, "/proc/self", target, sizeof target), pid = 0;

    for (long i = 0; i < length && target[i] >= '0' && target[i] <= '9'; i++)
        pid = pid * 10 + (target[i] - '0');
    return pid == raw_call(SYS_getpid);
}

uint64_t procfs_pid_space(void)
{
    struct stat status;

    if (!is_our_proc())
        return 0;
    return raw_call(SYS_newfstatat, AT_FDCWD, "/proc/self/ns/pid", &status, 0) == 0 ? status.st_ino
                                                                                    : 0;
}

unsigned procfs_links(int directory)
{
    struct stat status;
    return raw_call(SYS_newfstatat, directory, "", &status, AT_EMPTY_PATH) == 0
               ? (unsigned)status.st_nlink - 2
               : 0;
}

unsigned procfs_threads(void)
{
    struct stat status;
    int proc = own_fds_get(OWN_PROC); /* still there after a chroot(2) */
    return (proc >= 0 && raw_call(SYS_newfstatat, proc, "self/task", &status, 0) == 0) ||
                   raw_call(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &status, 0) == 0
               ? (unsigned)status.st_nlink - 2
               : 0;
}

/* The end of the search under way. A process that opens and closes all the time makes its numbers
 * be tried to the last, and there may be many: then the answer is "unknown", in time. */
static const uint64_t SEARCH_NS = 500000000;
static _Thread_local uint64_t search_until;
static uint64_t last_until; /* of all searches at the end of the program; 0 = it does not end */

void procfs_end_by(uint64_t until)
{
    __atomic_store_n(&last_until, until, __ATOMIC_RELAXED);
}

bool procfs_late(uint64_t until)
{
    uint64_t now = process_now(), last = __atomic_load_n(&last_until, __ATOMIC_RELAXED);

    return now >= until || (last != 0 && now >= last);
}

static bool is_late(void)
{
    return procfs_late(search_until);
}

/* Counts descriptors of that socket until there are `enough`: then YES. */
static enum procfs_answer count_in(pid_t pid, uint64_t inode, int enough)
{
    char path[PATH_TEXT], wanted[32], target[64];
    struct line text = {.text = wanted, .size = sizeof wanted};
    struct stat status;
    long open_count, result;

    line_text(&text, "socket:[");
    line_number(&text, (int64_t)inode);
    line_text(&text, "]");
    path_of(path, pid, "/fd", -1);
    result = raw_call(SYS_newfstatat, AT_FDCWD, path, &status, 0);
    if (result != 0)
        return result == -ENOENT ? PROCFS_NO : PROCFS_UNKNOWN;
    if (!counts_descriptors)
        return PROCFS_UNKNOWN;
    open_count = status.st_size;
    /* A relative has softclose's own descriptors at the same high numbers: they are sockets of no
     * interest, and without them the count is reached early. */
    for (int i = 0; i < OWN_COUNT; i++) {
        if (own_fds_get(i) < 0)
            continue;
        path_of(path, pid, "/fd/", own_fds_get(i));
        result = raw_call(SYS_readlinkat, AT_FDCWD, path, target, sizeof target);
        open_count -= result > 0;
        if (result == (long)text.length && memcmp(target, wanted, text.length) == 0 &&
            --enough == 0)
            return PROCFS_YES;
    }
    for (int fd = 0; fd < NUMBERS_TRIED && open_count != 0; fd++) {
        path_of(path, pid, "/fd/", fd);
        if (own_fds_is(fd))
            continue;
        result = raw_call(SYS_readlinkat, AT_FDCWD, path, target, sizeof target);
        if (result == -EACCES || result == -EPERM)
            return PROCFS_UNKNOWN;
        if (result < 0 && is_late())
            return PROCFS_UNKNOWN;
        if (result < 0)
            continue;
        open_count--;
        if ((size_t)result == text.length && memcmp(target, wanted, text.length) == 0 &&
            --enough == 0)
            return PROCFS_YES;
    }
    return open_count <= 0 || !procfs_alive(pid) ? PROCFS_NO : PROCFS_UNKNOWN;
}

/* A process that opens and closes while it is looked at makes the count not come out: again. */
static enum procfs_answer count_steadily(pid_t pid, uint64_t inode, int enough)
{
    enum procfs_answer answer = PROCFS_UNKNOWN;

    for (int tries = 0; tries < 4 && answer == PROCFS_UNKNOWN && !is_late(); tries++)
        answer = count_in(pid, inode, enough);
    return answer;
}

enum procfs_answer procfs_holds(pid_t pid, uint64_t inode)
{
    search_until = process_now() + SEARCH_NS;
    return is_our_proc() ? count_steadily(pid, inode, 1) : PROCFS_UNKNOWN;
}

/* -1: it is none. */
static int number_from(const char *name)
{
    int number = *name == '\0' ? -1 : 0;

    for (; *name >= '0' && *name <= '9'; name++)
        number = number * 10 + (*name - '0');
    return *name == '\0' ? number : -1;
}

long procfs_read(int directory, const char *path, char *text, size_t size)
{
    long fd = raw_call(SYS_openat, directory, path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return fd;
    long length = raw_call(SYS_read, fd, text, size - 1);
    raw_call(SYS_close, fd);
    text[length < 0 ? 0 : length] = '\0';
    return length;
}

bool procfs_each_number(int directory, bool (*each)(int number, void *context), void *context)
{
    char entries[512] __attribute__((aligned(8)));
    long length;

    if (raw_call(SYS_lseek, directory, 0, SEEK_SET) != 0)
        return false;
    while ((length = raw_call(SYS_getdents64, directory, entries, sizeof entries)) > 0) {
        for (long at = 0; at < length;) {
            struct directory_entry *entry = (struct directory_entry *)(void *)(entries + at);
            int number = number_from(entry->name);
            at += entry->length;
            if (number >= 0 && !each(number, context))
                return true;
        }
    }
    return length == 0;
}

struct search {
    uint64_t inode;
    int own;
    enum procfs_answer answer;
    bool saw_first;
};

static bool search_process(pid_t pid, void *context)
{
    struct search *search = context;
    bool ours = pid == process_pid();

    search->saw_first |= pid == 1;
    if (ours && search->own == PROCFS_ALL_OWN)
        return true;
    enum procfs_answer one = count_steadily(pid, search->inode, ours ? search->own + 1 : 1);
    if (one != PROCFS_NO)
        search->answer = one;
    return one != PROCFS_YES;
}

static enum procfs_answer search_all(int proc, uint64_t inode, int own)
{
    struct search search = {.inode = inode, .own = own, .answer = PROCFS_NO};

    if (!is_our_proc() || !procfs_each_number(proc, search_process, &search))
        return PROCFS_UNKNOWN;
    /* Without process 1 processes are hidden here (mount option hidepid). */
    return search.answer == PROCFS_NO && !search.saw_first ? PROCFS_UNKNOWN : search.answer;
}

enum procfs_answer procfs_held(uint64_t inode, int own)
{
    /* After a process that could not be read the next search would find it again. */
    static const uint64_t FUTILE_NS = 1000000000;
    static uint64_t futile_until;
    enum procfs_answer answer = PROCFS_UNKNOWN;
    uint64_t now = process_now();

    if (now < __atomic_load_n(&futile_until, __ATOMIC_RELAXED))
        return PROCFS_UNKNOWN;
    if (!process_claim(&searching))
        return PROCFS_UNKNOWN;
    if (inherited) {
        int before = own_fds_get(OWN_PROC);
        own_fds_lost(OWN_PROC);
        if (before >= 0)
            raw_call(SYS_close, before);
        inherited = false;
        long fd = raw_call(SYS_openat, AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0)
            own_fds_keep(OWN_PROC, (int)fd, false);
    }
    search_until = now + SEARCH_NS;
    if (own_fds_get(OWN_PROC) >= 0)
        answer = search_all(own_fds_get(OWN_PROC), inode, own);
    if (answer == PROCFS_UNKNOWN)
        __atomic_store_n(&futile_until, process_now() + FUTILE_NS, __ATOMIC_RELAXED);
    process_release(&searching);
    return answer;
}

struct descriptors {
    void (*each)(int fd);
    int directory; /* not one of them */
};

static bool each_descriptor(int fd, void *context)
{
    const struct descriptors *all = context;

    if (fd != all->directory)
        all->each(fd);
    return true;
}

bool procfs_fd_is(int fd, const char *what)
{
    char path[48], target[48];
    struct line line = {.text = path, .size = sizeof path};
    size_t wanted = strlen(what);

    line_text(&line, "/proc/self/fd/");
    line_number(&line, fd);
    line_terminate(&line);
    long length = raw_call(SYS_readlinkat, AT_FDCWD, path, target, sizeof target);
    return length == (long)wanted && memcmp(target, what, wanted) == 0;
}

bool procfs_each_fd(void (*each)(int fd))
{
    long directory =
        raw_call(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct descriptors all = {each, (int)directory};

    if (directory < 0)
        return false;
    procfs_each_number(all.directory, each_descriptor, &all);
    raw_call(SYS_close, directory);
    return true;
}
