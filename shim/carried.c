/* SPDX-License-Identifier: MIT */
#include "shim/carried.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "shim/line.h"
#include "shim/own_fds.h"
#include "shim/procfs.h"
#include "shim/raw.h"

enum { PATH_TEXT = 48, INFORMATION = 512 };

struct walk {
    const struct carriers *carriers;
    int proc;       /* /proc */
    int process;    /* the one under way */
    int directory;  /* its descriptors */
    uint64_t found; /* a bit for each carrier that has been looked at */
    uint64_t empty; /* and of these, one for each without descriptors */
    uint64_t until;
};

static long open_in(const struct walk *walk, const char *what, int fd, int flags)
{
    char path[PATH_TEXT];
    struct line line = {.text = path, .size = sizeof path};

    line_number(&line, walk->process);
    line_text(&line, what);
    if (fd >= 0)
        line_number(&line, fd);
    line_terminate(&line);
    return raw_call(SYS_openat, walk->proc, path, O_RDONLY | O_CLOEXEC | flags);
}

static bool has_descriptors(const struct walk *walk, int fd)
{
    static const char name[] = "scm_fds:";
    char text[INFORMATION];
    long file = open_in(walk, "/fdinfo/", fd, 0);
    long length = file < 0 ? 0 : raw_call(SYS_read, file, text, sizeof text - 1);

    if (file >= 0)
        raw_call(SYS_close, file);
    text[length < 0 ? 0 : length] = '\0';
    const char *at = strstr(text, name);
    if (at == NULL)
        return true; /* gone meanwhile, or an older kernel: nobody knows */
    at += sizeof name - 1;
    while (*at == ' ' || *at == '\t')
        at++;
    return *at != '0';
}

/* The place of the socket among the carriers, or -1. */
static int carrier_at(const struct walk *walk, int fd)
{
    static const char start[] = "socket:[";
    char number[16], target[32];
    struct line line = {.text = number, .size = sizeof number};
    uint64_t inode = 0;

    line_number(&line, fd);
    line_terminate(&line);
    long length = raw_call(SYS_readlinkat, walk->directory, number, target, sizeof target - 1);
    if (length < (long)sizeof start || memcmp(target, start, sizeof start - 1) != 0)
        return -1;
    target[length] = '\0';
    for (const char *at = target + sizeof start - 1; *at >= '0' && *at <= '9'; at++)
        inode = inode * 10 + (uint64_t)(*at - '0');
    for (unsigned i = 0; i < walk->carriers->count; i++)
        if (walk->carriers->inodes[i] == inode)
            return (int)i;
    return -1;
}

static bool look_at_descriptor(int fd, void *context)
{
    struct walk *walk = context;
    int at = carrier_at(walk, fd);

    if (at < 0 || (walk->found & UINT64_C(1) << at) != 0)
        return true;
    walk->found |= UINT64_C(1) << at;
    if (!has_descriptors(walk, fd))
        walk->empty |= UINT64_C(1) << at;
    return true;
}

static bool is_whole(const struct walk *walk)
{
    unsigned count = walk->carriers->count;

    return walk->found == (count == CARRIERS_MOST ? UINT64_MAX : (UINT64_C(1) << count) - 1);
}

/* A process that cannot be looked into leaves its sockets unfound. */
static bool look_at_process(int pid, void *context)
{
    struct walk *walk = context;

    walk->process = pid;
    long directory = open_in(walk, "/fd", -1, O_DIRECTORY);
    if (directory >= 0) {
        walk->directory = (int)directory;
        procfs_each_number(walk->directory, look_at_descriptor, walk);
        raw_call(SYS_close, directory);
    }
    return !is_whole(walk) && !procfs_late(walk->until);
}

static void strike_off(struct carriers *carriers, uint64_t empty)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < carriers->count; i++)
        if ((empty & UINT64_C(1) << i) == 0)
            carriers->inodes[kept++] = carriers->inodes[i];
    carriers->count = kept;
}

void carried_acquit(struct carriers *carriers, uint64_t until)
{
    struct walk walk = {.carriers = carriers, .until = until};
    uint64_t all = UINT64_MAX, before = 0;
    int proc = own_fds_get(OWN_PROC); /* still there after a chroot(2) */

    if (proc < 0 || raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all) != 0)
        return;
    /* Its offset is not the search's, nor that of relatives. */
    long own = raw_call(SYS_openat, proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (own >= 0) {
        walk.proc = (int)own;
        procfs_each_number(walk.proc, look_at_process, &walk);
        raw_call(SYS_close, own);
    }
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
    strike_off(carriers, walk.empty);
}
