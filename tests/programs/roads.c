/* SPDX-License-Identifier: MIT */
/* Every road by which a program can lose a socket. */
#include "closer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void by_close(int fd)
{
    say("close", close(fd));
}

static void by_close_range(int fd)
{
    say("close_range", close_range((unsigned)fd, (unsigned)fd, 0));
}

static void by_closefrom(int fd)
{
    closefrom(fd);
    say("closefrom", 0);
}

static void by_dup2(int fd)
{
    int other = open("/dev/null", O_RDWR);
    say("dup2", dup2(other, fd));
    say("close", close(other));
}

static void by_dup3(int fd)
{
    int other = open("/dev/null", O_RDWR);
    say("dup3", dup3(other, fd, O_CLOEXEC));
    say("close", close(other));
}

static void by_fclose(int fd)
{
    FILE *stream = fdopen(fd, "r+");
    say("fclose", stream ? fclose(stream) : -1);
}

static void by_freopen(int fd)
{
    FILE *stream = fdopen(fd, "r+");
    stream = stream ? freopen("/dev/null", "r", stream) : NULL;
    say("freopen", stream ? fileno(stream) : -1);
}

static void by_syscall(int fd)
{
    say("syscall(SYS_close)", syscall(SYS_close, fd));
}

/* The statuses differ, so that one road cannot be mistaken for another. */
static void by_exit(int fd)
{
    (void)fd;
    exit(3);
}

static void by__exit(int fd)
{
    (void)fd;
    _exit(4);
}

static void by_quick_exit(int fd)
{
    (void)fd;
    quick_exit(6);
}

static void by_exec(const struct closer *closer)
{
    char holder[16];
    snprintf(holder, sizeof holder, "%d", closer->holder);
    say("fcntl(F_SETFD)", fcntl(closer->fd, F_SETFD, FD_CLOEXEC));
    execl("/proc/self/exe", "closer", "idle", holder, (char *)NULL);
    say("execl", -1);
    _exit(71);
}

static const struct {
    const char *name;
    void (*take)(int fd);
} roads[] = {
    {"close", by_close},
    {"close_range", by_close_range},
    {"closefrom", by_closefrom},
    {"dup2", by_dup2},
    {"dup3", by_dup3},
    {"fclose", by_fclose},
    {"freopen", by_freopen},
    {"syscall", by_syscall},
    {"exit", by_exit},
    {"_exit", by__exit},
    {"quick_exit", by_quick_exit},
};

enum next take_road(struct closer *closer, const char *road)
{
    if (strcmp(road, "return") == 0)
        return NEXT_RETURN;
    if (strcmp(road, "exec") == 0)
        by_exec(closer);
    for (size_t i = 0; i < sizeof roads / sizeof *roads; i++) {
        if (strcmp(roads[i].name, road) == 0) {
            roads[i].take(closer->fd);
            answer_ok(-1);
            return NEXT_COMMAND;
        }
    }
    answer_no();
    return NEXT_COMMAND;
}
