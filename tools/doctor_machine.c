/* SPDX-License-Identifier: MIT */
#include "doctor.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "talk.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

static void check_kernel(void)
{
    struct utsname kernel;
    unsigned long long cookie = 0;
    socklen_t length = sizeof cookie;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    long page = sysconf(_SC_PAGESIZE);
    void *memory =
        mmap(NULL, (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (uname(&kernel) == 0)
        finding(FINDING_NOTE, "%s %s on %s", kernel.sysname, kernel.release, kernel.machine);
    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) != 0)
        finding(FINDING_BAD,
                "the kernel gives no socket cookies (SO_COOKIE, Linux 4.12): no socket "
                "can be told from another");
    else
        finding(FINDING_GOOD, "the kernel names sockets (SO_COOKIE)");
    if (memory == MAP_FAILED || madvise(memory, (size_t)page, MADV_WIPEONFORK) != 0)
        finding(FINDING_BAD,
                "the kernel has no MADV_WIPEONFORK (Linux 4.14): a forked child cannot "
                "be told from its parent");
    else
        finding(FINDING_GOOD, "a fork can be seen afterwards (MADV_WIPEONFORK)");
    if (memory != MAP_FAILED)
        munmap(memory, (size_t)page);
    if (fd >= 0)
        close(fd);
}

/* Other holders of an inherited socket are looked for in every process's /proc/PID/fd. */
static void check_proc(void)
{
    struct statfs filesystem;

    if (statfs("/proc/self", &filesystem) != 0 || filesystem.f_type != 0x9fa0)
        finding(FINDING_MISSED, "/proc is not mounted: whether somebody else holds an inherited "
                                "socket stays unknown, and such a socket is observed only");
    else if (access("/proc/1/fd", R_OK | X_OK) != 0)
        finding(FINDING_MISSED,
                "other users' processes cannot be looked into (/proc/1/fd: %s): an "
                "inherited socket counts as held by others, and is observed only",
                strerror(errno));
    else
        finding(FINDING_GOOD, "/proc shows who else holds an inherited socket");
}

static void check_environment(void)
{
    static const char *const names[] = {"SOFTCLOSE",     "SOFTCLOSE_POLICY", "SOFTCLOSE_SET",
                                        "SOFTCLOSE_LOG", "SOFTCLOSE_FOLLOW", "SOFTCLOSE_STRICT",
                                        "LD_PRELOAD"};
    const char *directory = getenv("TMPDIR");

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (getenv(names[i]))
            finding(FINDING_NOTE, "%s=%s is set here", names[i], getenv(names[i]));
    if (!directory || !*directory)
        directory = "/tmp";
    if (access(directory, W_OK | X_OK) != 0)
        finding(FINDING_MISSED,
                "logs go to %s by default, where nothing can be written: %s; set "
                "SOFTCLOSE_LOG or use --log",
                directory, strerror(errno));
}

void doctor_machine(const char *library)
{
    finding(FINDING_GOOD, "library %s", library);
    check_kernel();
    check_proc();
    check_environment();
}
