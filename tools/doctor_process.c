/* SPDX-License-Identifier: MIT */
#include "doctor.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "talk.h"

enum { WORDS_MOST = 64 };

/* A file of /proc as a string; its words, in cmdline and environ, are separated by 0. NULL, errno.
 */
static char *read_proc(pid_t pid, const char *name, size_t *length)
{
    enum { MOST = 1 << 20 };
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = fd < 0 ? NULL : malloc(MOST + 1);
    size_t total = 0;
    ssize_t got = 0;

    while (text && total < MOST && (got = read(fd, text + total, MOST - total)) > 0)
        total += (size_t)got;
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (text && got < 0) {
        free(text);
        text = NULL;
    }
    errno = error;
    if (text)
        text[total] = '\0';
    *length = total;
    return text;
}

static long status_number(const char *status, const char *name)
{
    const char *at = strstr(status, name);
    return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

/* The value of a variable in /proc/PID/environ. */
static const char *variable(const char *text, size_t length, const char *name)
{
    size_t name_length = strlen(name);

    for (const char *at = text; text && at < text + length; at += strlen(at) + 1)
        if (strncmp(at, name, name_length) == 0 && at[name_length] == '=')
            return at + name_length + 1;
    return NULL;
}

/* torsocks takes close() from the C library's handle, not from the next in the chain. */
static void look_at_order(const char *preloaded)
{
    const char *torsocks = preloaded ? strstr(preloaded, "libtorsocks.so") : NULL;
    const char *softclose = preloaded ? strstr(preloaded, "libsoftclose.so") : NULL;

    if (torsocks && softclose && torsocks < softclose)
        finding(FINDING_MISSED, "torsocks was preloaded before softclose and calls the C library "
                                "past it: its close() is not seen; start it as 'torsocks "
                                "softclose run'");
}

/* The environment that it was started with tells the mode. */
static void look_at_mode(pid_t pid)
{
    size_t length;
    char *environment = read_proc(pid, "environ", &length);
    const char *mode = environment ? variable(environment, length, "SOFTCLOSE") : NULL;

    if (!environment)
        finding(FINDING_NOTE,
                "libsoftclose.so is loaded, but in which mode cannot be seen (its environment: %s)",
                strerror(errno));
    else if (!mode || !*mode)
        finding(FINDING_NOTE,
                "libsoftclose.so is loaded but inert: SOFTCLOSE was not set at its start");
    else if (strcmp(mode, "audit") != 0 && strcmp(mode, "enforce") != 0)
        finding(FINDING_NOTE,
                "libsoftclose.so is loaded but inert: SOFTCLOSE was '%s' at its start", mode);
    else
        finding(FINDING_GOOD, "libsoftclose.so is loaded and SOFTCLOSE=%s was set at its start",
                mode);
    if (environment)
        look_at_order(variable(environment, length, "LD_PRELOAD"));
    free(environment);
}

/* How many lines hold both words: a library is mapped from its beginning once for each time that it
 * is loaded. */
static unsigned count_of(const char *text, const char *one, const char *other)
{
    unsigned count = 0;

    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *end = line + strcspn(line, "\n");
        const char *first = strstr(line, one), *second = strstr(line, other);
        count += first && first < end && second && second < end;
    }
    return count;
}

static void look_at_maps(pid_t pid)
{
    size_t length;
    char *maps = read_proc(pid, "maps", &length);

    if (!maps) {
        finding(FINDING_NOTE, "whether libsoftclose.so is loaded cannot be seen (its maps: %s)",
                strerror(errno));
        return;
    }
    if (strstr(maps, "/libsoftclose.so"))
        look_at_mode(pid);
    else
        finding(FINDING_NOTE,
                "libsoftclose.so is not loaded: a running process cannot be covered, it "
                "has to be started again with softclose");
    if (count_of(maps, " 00000000 ", "/libc.so.6") > 1)
        finding(FINDING_MISSED,
                "it has loaded libraries with dlmopen(), beside a C library of their own: "
                "what they close is not seen");
    if (strstr(maps, "/liburing.so"))
        finding(FINDING_MISSED, "liburing is loaded: sockets closed through io_uring are not seen");
    free(maps);
}

static void look_at_descriptors(pid_t pid)
{
    char path[64], target[64];
    struct dirent *entry;
    unsigned sockets = 0;
    bool uring = false;
    snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
    DIR *directory = opendir(path);

    if (!directory) {
        finding(FINDING_NOTE, "its descriptors cannot be seen: %s", strerror(errno));
        return;
    }
    while ((entry = readdir(directory)) != NULL) {
        ssize_t length = readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1);
        if (length <= 0)
            continue;
        target[length] = '\0';
        sockets += strncmp(target, "socket:", 7) == 0;
        uring = uring || strcmp(target, "anon_inode:[io_uring]") == 0;
    }
    closedir(directory);
    finding(FINDING_NOTE, "it has %u socket%s open now", sockets, sockets == 1 ? "" : "s");
    if (uring)
        finding(FINDING_MISSED,
                "it has an io_uring open: sockets closed there are not seen, and its "
                "connections are observed only");
}

static void look_at_status(pid_t pid)
{
    size_t length;
    char *status = read_proc(pid, "status", &length);

    if (!status)
        return;
    if (status_number(status, "\nSeccomp:") == 2)
        finding(FINDING_MISSED,
                "it runs under a seccomp filter: softclose is passive once a process "
                "filters itself; a filter set by its starter must allow getsockopt(2), "
                "ioctl(2), recvfrom(2) and shutdown(2)");
    free(status);
}

/* The kernel's word to the loader: it had rights that its caller did not have (getauxval(3)). */
static bool was_privileged(pid_t pid)
{
    size_t length;
    char *text = read_proc(pid, "auxv", &length);
    bool secure = false;

    for (size_t at = 0; text && at + 2 * sizeof(unsigned long) <= length;) {
        unsigned long entry[2];
        memcpy(entry, text + at, sizeof entry);
        at += sizeof entry;
        secure = secure || (entry[0] == AT_SECURE && entry[1] != 0);
    }
    free(text);
    return secure;
}

static void give_command(pid_t pid)
{
    size_t length;
    char *text = read_proc(pid, "cmdline", &length);
    const char *words[WORDS_MOST + 1];
    size_t count = 0;

    for (char *at = text; text && at < text + length && count < WORDS_MOST; at += strlen(at) + 1)
        words[count++] = at;
    words[count] = NULL;
    if (count > 0)
        doctor_command(words);
    free(text);
}

bool doctor_process(pid_t pid)
{
    char path[64], program[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%ld/exe", (long)pid);
    ssize_t got = readlink(path, program, sizeof program - 1);

    if (got < 0) {
        say("doctor: process %ld: %s", (long)pid,
            errno == ENOENT   ? "there is no such process (or it is a kernel thread)"
            : errno == EACCES ? "its program cannot be seen; try as root or as the process's user"
                              : strerror(errno));
        return false;
    }
    program[got] = '\0';
    char *gone = strstr(program, " (deleted)");
    if (gone) {
        finding(FINDING_NOTE, "its program file was replaced or removed since it was started");
        *gone = '\0';
    }
    look_at_maps(pid);
    if (was_privileged(pid))
        finding(FINDING_BAD, "it has rights that its caller did not have (setuid, setgid or file "
                             "capabilities): started so, it ignores preloaded libraries; start it "
                             "with softclose as the user whose rights it takes (mostly root)");
    look_at_status(pid);
    look_at_descriptors(pid);
    if (doctor_program(program))
        give_command(pid);
    return true;
}
