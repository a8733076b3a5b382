/* SPDX-License-Identifier: MIT */
#include "shim/unseen.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stddef.h>
#include <string.h>

#include "shim/line.h"
#include "shim/procfs.h"
#include "shim/raw.h"

enum { INITIAL_SPACE = 0xEFFFFFFC, GENERATIONS = 64, TRIES = 16, TEXT = 512, PART = 2048 };

static bool outside, hides;

/* 0: it is outside. -1: that cannot be told. */
static pid_t parent_of(pid_t pid)
{
    char path[32], text[TEXT];
    struct line line = {.text = path, .size = sizeof path};

    line_text(&line, "/proc/");
    line_number(&line, pid);
    line_text(&line, "/stat");
    line_terminate(&line);
    if (procfs_read(AT_FDCWD, path, text, sizeof text) <= 0)
        return -1;
    const char *at = strrchr(text, ')'); /* "PID (NAME) STATE PARENT ..." */
    if (at == NULL || strlen(at) < 5)
        return -1;
    pid_t parent = 0;
    for (at += 4; *at >= '0' && *at <= '9'; at++)
        parent = parent * 10 + (*at - '0');
    return parent;
}

/* The first process of a namespace is always started from outside. Its children are not: what they
 * inherited it holds, unless it has closed it. */
static bool started_from_outside(void)
{
    uint64_t space = procfs_pid_space();
    pid_t pid = (pid_t)raw_call(SYS_getpid);

    if (space == 0 || space == INITIAL_SPACE)
        return false; /* without /proc there is no search */
    if (pid == 1 || raw_call(SYS_getsid, 0) == 0 || raw_call(SYS_getpgid, 0) == 0)
        return true;
    /* Again from the beginning where an ancestor has ended meanwhile. */
    for (int tries = 0; tries < TRIES; tries++) {
        pid_t ancestor = pid;
        for (int i = 0; i < GENERATIONS && ancestor > 1; i++)
            ancestor = parent_of(ancestor);
        if (ancestor == 0 || ancestor == 1)
            return ancestor == 0;
    }
    return true;
}

/* A line of /proc: "36 25 0:33 / /proc rw,nosuid - proc proc rw,hidepid=invisible". */
static bool line_hides(const char *line)
{
    const char *option = strstr(line, "hidepid=");

    return strstr(line, " /proc ") != NULL && strstr(line, " - proc ") != NULL && option != NULL &&
           strncmp(option, "hidepid=off", 11) != 0 && strncmp(option, "hidepid=0", 9) != 0;
}

/* The mounts, line by line; what is longer than the room for it is no /proc. */
static bool some_line_hides(void)
{
    char text[PART];
    size_t have = 0;
    bool found = false;
    long length;
    long fd = raw_call(SYS_openat, AT_FDCWD, "/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);

    while (fd >= 0 && !found &&
           (length = raw_call(SYS_read, fd, text + have, sizeof text - 1 - have)) > 0) {
        have += (size_t)length;
        text[have] = '\0';
        char *begin = text, *end;
        for (; !found && (end = strchr(begin, '\n')) != NULL; begin = end + 1) {
            *end = '\0';
            found = line_hides(begin);
        }
        have = begin == text && have == sizeof text - 1 ? 0 : (size_t)(text + have - begin);
        memmove(text, begin, have);
    }
    if (fd >= 0)
        raw_call(SYS_close, fd);
    return found;
}

void unseen_start(void)
{
    outside = started_from_outside();
    hides = some_line_hides();
}

bool unseen_outside(void)
{
    return outside;
}

bool unseen_hidden(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

    /* From who may trace every process none is hidden. */
    return hides && (raw_call(SYS_capget, &header, data) != 0 ||
                     (data[0].effective & (1u << CAP_SYS_PTRACE)) == 0);
}
