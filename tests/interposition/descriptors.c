/* SPDX-License-Identifier: MIT */
/*
 * What a program sees of its descriptors when it closes, copies and replaces all of them: every
 * return value and errno, runs of equal ones as one line. Then a connection with unread data is
 * closed, so that there is something to be logged; the last line tells its number and what the peer
 * saw. The output must be the same whatever is preloaded.
 *
 *   descriptors TRIAL      numbers fill loop closefrom range ranges proc dup2 dup3 syscall f_dupfd
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pair.h"

enum { BEYOND = 40 }; /* numbers looked at above the limit */

static int limit;

/* --- the output: kept in memory, since descriptor 1 may be one of those that are replaced --- */

static char text[1 << 16];
static size_t length;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    length += (size_t)vsnprintf(text + length, sizeof text - length, format, list);
    va_end(list);
    if (length >= sizeof text)
        pair_fail("too much to say");
}

static struct {
    const char *call;
    long first, last, result;
    int error;
    bool relative; /* the result is the number itself */
} run;

static void end_run(void)
{
    if (run.call != NULL)
        say("%s %ld..%ld: %s%ld %s\n", run.call, run.first, run.last,
            run.relative ? "the number + " : "", run.result,
            run.error == 0 ? "" : strerrorname_np(run.error));
    run.call = NULL;
}

static void note(const char *call, long number, long result)
{
    int error = result < 0 ? errno : 0;
    bool relative = result > 0 && result >= number;
    long shown = relative ? result - number : result;

    if (run.call != NULL && strcmp(run.call, call) == 0 && run.result == shown &&
        run.error == error && run.relative == relative && run.last == number - 1) {
        run.last = number;
        return;
    }
    end_run();
    run = (typeof(run)){call, number, number, shown, error, relative};
}

static void next_number(void)
{
    int fd = open("/dev/null", O_RDONLY);

    end_run();
    say("open: %d\n", fd);
    if (fd >= 0)
        close(fd);
}

/* --- trials --- */

static void numbers(void)
{
    int pipes[2];

    for (int i = 0; i < 5; i++)
        note("open", 3 + 3 * i, open("/dev/null", O_RDONLY)),
            note("socket", 4 + 3 * i, socket(AF_INET, SOCK_STREAM, 0)),
            note("dup", 5 + 3 * i, dup(3));
    say("pipe: %d\n", pipe(pipes) == 0 ? pipes[1] : -errno);
    close(7);
    close(9);
    close(12);
    next_number();
}

static void fill(void)
{
    int fd;

    for (int number = 3; number < limit + BEYOND; number++) {
        fd = number % 2 == 0 ? open("/dev/null", O_RDONLY) : socket(AF_INET, SOCK_STREAM, 0);
        note("open or socket", number, fd);
    }
    for (int number = 3; number < limit + BEYOND; number++)
        note("close", number, close(number));
    next_number();
}

static void open_some(void)
{
    for (int i = 0; i < 4; i++)
        if (open("/dev/null", O_RDONLY) < 0 || socket(AF_INET, SOCK_DGRAM, 0) < 0)
            break;
}

static void loop(void)
{
    open_some();
    for (int round = 0; round < 2; round++)
        for (int fd = 3; fd < limit + BEYOND; fd++)
            note("close", fd, close(fd));
    note("close", -1, close(-1));
    note("close", 1 << 30, close(1 << 30));
    next_number();
}

static void with_closefrom(void)
{
    open_some();
    closefrom(5);
    for (int fd = 3; fd < limit + BEYOND; fd++)
        note("F_GETFD below the limit", fd, fd < limit ? fcntl(fd, F_GETFD) : 0);
    closefrom(3);
    closefrom(limit);
    closefrom(1 << 20);
    next_number();
}

static void range(void)
{
    open_some();
    note("close_range", 0, close_range(3, ~0u, 0));
    note("close_range", 1, close_range(3, ~0u, 0));
    note("close_range", 2, syscall(SYS_close_range, 3u, ~0u, 0));
    next_number();
}

static void ranges(void)
{
    int fd = open("/dev/null", O_RDONLY);

    open_some();
    note("close_range backwards", 0, close_range(5, 4, 0));
    note("close_range backwards", 1, close_range(~0u, 3, 0));
    note("close_range unknown flag", 0, close_range(3, ~0u, 64));
    note("close_range unknown flag", 1, close_range(1 << 20, 1 << 20, 64));
    note("close_range one", 0, close_range(4, 4, 0));
    note("close_range one", 1, close_range(4, 4, 0));
    note("close_range limit", 0, close_range((unsigned)limit, (unsigned)limit, 0));
    note("close_range cloexec", 0, close_range(3, ~0u, CLOSE_RANGE_CLOEXEC));
    note("F_GETFD", fd, fcntl(fd, F_GETFD));
    note("close_range unshare", 0, close_range(3, ~0u, CLOSE_RANGE_UNSHARE));
    note("F_GETFD", fd, fcntl(fd, F_GETFD));
    next_number();
}

static void proc(void)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;
    int own = dirfd(directory), closed = 0;

    open_some();
    while ((entry = readdir(directory)) != NULL) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && fd > 2 && fd != own)
            closed += close(fd) == 0;
    }
    closedir(directory);
    say("closed: %d\n", closed);
    next_number();
}

static void onto_all(const char *call, int from, long (*copy)(int from, int to))
{
    note(call, -1, copy(from, -1));
    for (int fd = 3; fd < limit + BEYOND; fd++)
        note(call, fd, copy(from, fd));
}

static long by_dup2(int from, int to)
{
    return dup2(from, to);
}

static long by_dup3(int from, int to)
{
    return dup3(from, to, O_CLOEXEC);
}

static long by_syscall(int from, int to)
{
    return syscall(SYS_dup2, from, to);
}

static void copies(const char *call, long (*copy)(int from, int to))
{
    int file = open("/dev/null", O_RDONLY), other;

    onto_all(call, limit + 3, copy); /* nothing to copy */
    onto_all(call, -1, copy);
    next_number();
    onto_all(call, file, copy);
    for (int fd = 4; fd < limit + BEYOND; fd++)
        note("close", fd, close(fd));
    next_number();
    other = socket(AF_INET, SOCK_STREAM, 0);
    onto_all(call, other, copy);
    for (int fd = 5; fd < limit + BEYOND; fd++)
        note("close", fd, close(fd));
    next_number();
    errno = 0;
    note("invalid flags", 0, dup3(file, 7, O_APPEND));
}

static void f_dupfd(void)
{
    int file = open("/dev/null", O_RDONLY), connection = socket(AF_INET, SOCK_STREAM, 0);

    for (int lowest = 0; lowest < limit + BEYOND; lowest += 3) {
        int fd = fcntl(file, F_DUPFD, lowest);
        note("F_DUPFD", lowest, fd);
        if (fd >= 0)
            close(fd);
        fd = fcntl(connection, F_DUPFD_CLOEXEC, lowest);
        note("F_DUPFD_CLOEXEC", lowest, fd);
        if (fd >= 0)
            close(fd);
    }
    note("F_DUPFD", -1, fcntl(file, F_DUPFD, -1));
    note("F_DUPFD", 77, fcntl(77, F_DUPFD, 0));
    next_number();
}

static void try(const char *trial)
{
    const struct {
        const char *name;
        void (*function)(void);
    } trials[] = {
        {"numbers", numbers}, {"fill", fill},     {"loop", loop}, {"closefrom", with_closefrom},
        {"range", range},     {"ranges", ranges}, {"proc", proc}, {"f_dupfd", f_dupfd},
    };

    if (strcmp(trial, "dup2") == 0)
        copies("dup2", by_dup2);
    else if (strcmp(trial, "dup3") == 0)
        copies("dup3", by_dup3);
    else if (strcmp(trial, "syscall") == 0)
        copies("syscall", by_syscall);
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++)
        if (strcmp(trial, trials[i].name) == 0)
            trials[i].function();
    end_run();
}

/* The program's own things must have survived: a file's identity at each number that is kept. */
int main(int count, char **arguments)
{
    struct rlimit nofile;
    struct stat before, after;
    struct pair pair;
    uint64_t cookie;

    if (count != 2 || getrlimit(RLIMIT_NOFILE, &nofile) != 0 || fstat(1, &before) != 0)
        pair_fail("usage: descriptors TRIAL");
    closefrom(3); /* what this test's own caller has left open */
    limit = nofile.rlim_cur < 300 ? (int)nofile.rlim_cur : 300;
    try(arguments[1]);
    if (fstat(1, &after) != 0 || before.st_ino != after.st_ino || before.st_dev != after.st_dev)
        return 2;
    closefrom(3);
    if (limit < 6) {
        fwrite(text, 1, length, stdout);
        return 0;
    }
    pair = pair_make(10);
    cookie = pair_cookie(pair.subject);
    say("pair: %d %d\n", pair.subject, pair.peer);
    say("close: %d\n", close(pair.subject));
    say("peer: %s\n", pair_view(pair.peer));
    fwrite(text, 1, length, stdout);
    fprintf(stderr, "%llu\n", (unsigned long long)cookie); /* differs from run to run */
    return 0;
}
