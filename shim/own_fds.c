/* SPDX-License-Identifier: MIT */
#include "shim/own_fds.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>

#include "shim/raw.h"
#include "shim/sockets.h"

/* A number above HIGHEST_WANTED makes the kernel's table of every forked child larger than it needs
 * to be (8 bytes a number), so with a huge soft limit the numbers lie there, within the program's
 * range but far above what is free. With a small soft limit they keep a distance: a program that
 * lowered its limit still asks for the numbers just above, where it has descriptors of its own. */
enum { LOWEST_WANTED = 1000, HIGHEST_WANTED = 4000, FEW = 32 };

static int own[OWN_COUNT] = {-1, -1, -1, -1, -1};

/* The soft limit is raised for the moment of the dup: descriptors above it stay valid. */
static int duplicate_from(int fd, rlim_t number, const struct rlimit *limit)
{
    struct rlimit wider = *limit;
    long result;

    wider.rlim_cur = number + OWN_COUNT;
    if (limit->rlim_max < wider.rlim_cur)
        wider.rlim_max = wider.rlim_cur; /* allowed with CAP_SYS_RESOURCE */
    if (raw_call(SYS_prlimit64, 0, RLIMIT_NOFILE, &wider, NULL) != 0)
        return -EMFILE;
    result = raw_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, (int)number);
    raw_call(SYS_prlimit64, 0, RLIMIT_NOFILE, limit, NULL);
    return (int)result;
}

static int duplicate_above_limit(int fd, const struct rlimit *limit)
{
    int result = -EMFILE;

    if (limit->rlim_cur < LOWEST_WANTED)
        result = duplicate_from(fd, LOWEST_WANTED, limit);
    return result < 0 ? duplicate_from(fd, limit->rlim_cur, limit) : result;
}

static int duplicate_high(enum own_fd which, int fd, bool at_start)
{
    struct rlimit limit;
    int result = -EINVAL;

    if (raw_call(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) != 0)
        return -EINVAL;
    if (limit.rlim_cur <= HIGHEST_WANTED && at_start)
        result = duplicate_above_limit(fd, &limit);
    else if (limit.rlim_cur > HIGHEST_WANTED)
        result = (int)raw_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, HIGHEST_WANTED);
    /* No room above: the highest numbers below, which a program reaches last. Of very few numbers
     * only the log takes one. */
    if (result < 0 && limit.rlim_cur <= FEW && which != OWN_LOG)
        return -EMFILE;
    for (int number = (int)limit.rlim_cur - OWN_COUNT; result < 0 && number > 2; number /= 2)
        result = (int)raw_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, number);
    return result;
}

int own_fds_keep(enum own_fd which, int fd, bool at_start)
{
    int number = duplicate_high(which, fd, at_start);

    raw_call(SYS_close, fd);
    if (number >= 0) {
        __atomic_store_n(&own[which], number, __ATOMIC_RELAXED);
        sockets_state_set(number, DESCRIPTOR_OWN);
    }
    return number;
}

int own_fds_get(enum own_fd which)
{
    return __atomic_load_n(&own[which], __ATOMIC_RELAXED);
}

void own_fds_lost(enum own_fd which)
{
    int number = __atomic_exchange_n(&own[which], -1, __ATOMIC_RELAXED);
    if (number >= 0)
        sockets_state_clear(number, DESCRIPTOR_OWN);
}

bool own_fds_is(int fd)
{
    for (int i = 0; i < OWN_COUNT; i++)
        if (fd >= 0 && own_fds_get(i) == fd)
            return true;
    return false;
}

void own_fds_yield(int fd)
{
    for (int i = 0; i < OWN_COUNT; i++) {
        if (fd < 0 || own_fds_get(i) != fd)
            continue;
        long number = duplicate_high(i, fd, false);
        __atomic_store_n(&own[i], number < 0 ? -1 : (int)number, __ATOMIC_RELAXED);
        sockets_state_clear(fd, DESCRIPTOR_OWN);
        if (number >= 0)
            sockets_state_set((int)number, DESCRIPTOR_OWN);
    }
}

int own_fds_next(unsigned first, unsigned last)
{
    int next = -1;

    for (int i = 0; i < OWN_COUNT; i++) {
        int number = own_fds_get(i);
        if (number >= 0 && (unsigned)number >= first && (unsigned)number <= last &&
            (next < 0 || number < next))
            next = number;
    }
    return next;
}
