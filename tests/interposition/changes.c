/* SPDX-License-Identifier: MIT */
/*
 * What a program changes about itself while it runs: its root, its user, its namespaces, its
 * limits. After each change it gives up connections with unread data and tells what their peers
 * see.
 *
 *   changes chroot DIRECTORY first|later     before its first close, or after it
 *   changes user setuid|seteuid|setresuid    from root to nobody; the second one goes back as well;
 *                                            ends with an exec of itself
 *   changes net unshare|setns|pid            into a network namespace, there and back, or a PID one
 *   changes limit NAME VALUE                 a soft limit (nofile, as, nproc, fsize) down to VALUE
 *                                            after its first close, and up again
 *   changes threads DIRECTORY                root becomes nobody, within that root, while a drain
 * is under way: no thread stays behind changes end PEER                         what `user`
 * executes
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

enum { UNREAD = 10, NOBODY = 65534, STATUS = 6 };

static void skip(const char *what)
{
    printf("skipped: %s: %s\n", what, strerror(errno));
    exit(77);
}

static void gives_up(const char *when, struct pair pair)
{
    errno = 0;
    int result = close(pair.subject), error = errno;
    printf("%s: close: %d %d, the peer sees: %s\n", when, result, error, pair_view_wait(pair.peer));
    close(pair.peer);
}

/* The child closes first, then its parent. */
static void child_first(const char *when, struct pair pair)
{
    int status = 0;
    fflush(stdout);
    pid_t pid = pair_must(fork(), "fork");

    if (pid == 0)
        _exit(close(pair.subject) == 0 ? STATUS : errno);
    waitpid(pid, &status, 0);
    printf("%s: a child closed: %d, the peer sees: %s\n", when, WEXITSTATUS(status),
           pair_view(pair.peer));
    gives_up(when, pair);
}

/* The child is the last one that has it, and exits. */
static void child_exits(const char *when, struct pair pair)
{
    int status = 0, closed[2];
    char byte;

    fflush(stdout);
    pair_must(pipe(closed), "pipe");
    pid_t pid = pair_must(fork(), "fork");
    if (pid == 0) {
        close(closed[1]);
        exit(read(closed[0], &byte, 1) == 0 ? STATUS : 1);
    }
    close(closed[0]);
    close(pair.subject);
    printf("%s: a child has it, the peer sees: %s\n", when, pair_view(pair.peer));
    close(closed[1]);
    waitpid(pid, &status, 0);
    printf("%s: a child exits: %d, the peer sees: %s\n", when, WEXITSTATUS(status),
           pair_view_wait(pair.peer));
    close(pair.peer);
}

static void all_roads(const char *when)
{
    gives_up(when, pair_make(UNREAD));
    child_first(when, pair_make(UNREAD));
    child_exits(when, pair_make(UNREAD));
}

static void new_root(const char *directory, bool first)
{
    if (!first)
        gives_up("before", pair_make(UNREAD));
    if (chroot(directory) != 0 || chdir("/") != 0)
        skip("chroot");
    printf("/proc: %d\n", access("/proc/self", F_OK));
    all_roads("after chroot");
}

static void new_user(const char *how, char *self)
{
    char peer[16], end[] = "end", *words[] = {self, end, peer, NULL};

    if (geteuid() != 0) {
        errno = EPERM;
        skip(how);
    }
    gives_up("as root",
             pair_make(UNREAD)); /* softclose has its thread by now, where it needs one */
    int result = strcmp(how, "seteuid") == 0  ? seteuid(NOBODY)
                 : strcmp(how, "setuid") == 0 ? setuid(NOBODY)
                                              : setresuid(NOBODY, NOBODY, NOBODY);
    printf("%s: %d\n", how, result);
    all_roads("as nobody");
    if (strcmp(how, "seteuid") == 0) {
        printf("back: %d\n", seteuid(0));
        all_roads("as root again");
    }
    struct pair pair = pair_make(UNREAD);
    fcntl(pair.subject, F_SETFD, FD_CLOEXEC);
    snprintf(peer, sizeof peer, "%d", pair.peer);
    fflush(stdout);
    execv(self, words);
    pair_fail("execv");
}

/* Of the threads of the process, those that have not this user. */
static int threads_of_others(int tasks, const char *uid)
{
    char path[300], text[4096];
    int count = 0, copy = pair_must(openat(tasks, ".", O_RDONLY | O_DIRECTORY), "task");
    DIR *directory = fdopendir(copy);

    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        snprintf(path, sizeof path, "%s/status", entry->d_name);
        int status = entry->d_name[0] == '.' ? -1 : openat(tasks, path, O_RDONLY);
        ssize_t length = status < 0 ? 0 : read(status, text, sizeof text - 1);
        text[length > 0 ? length : 0] = '\0';
        count += length > 0 && strstr(text, uid) == NULL;
        if (status >= 0)
            close(status);
    }
    closedir(directory);
    return count;
}

static void all_threads(const char *directory)
{
    enum { TRIES = 300 }; /* of 10 ms: less than a drain without data lasts */
    int tasks = pair_must(open("/proc/self/task", O_RDONLY | O_DIRECTORY), "/proc/self/task");
    int tries = 0, others;
    struct pair pair = pair_make(UNREAD);

    close(pair.subject); /* its peer stays: the drain lasts */
    if (chroot(directory) != 0 || chdir("/") != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
        skip("chroot, setuid");
    while ((others = threads_of_others(tasks, "Uid:\t65534\t65534\t65534\t65534")) > 0 &&
           ++tries < TRIES)
        usleep(10000);
    printf("threads that are root's: %d\n", others);
    gives_up("afterwards", pair_make(UNREAD));
}

static void lo_up(void)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = pair_must(socket(AF_INET, SOCK_DGRAM, 0), "socket");

    pair_must(ioctl(fd, SIOCSIFFLAGS, &lo), "lo");
    close(fd);
}

/* The first process of the new namespace: without it no other can be made there. */
static void first_of_space(void)
{
    int ends[2];
    char byte;

    fflush(stdout);
    pair_must(pipe(ends), "pipe"); /* its parent's end stays open until the end */
    if (pair_must(fork(), "fork") != 0)
        return;
    dup2(ends[0], 0);
    closefrom(3);
    _exit(read(0, &byte, 1) == 0 ? 0 : 1);
}

static void new_space(const char *how)
{
    int old = pair_must(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), "/proc/self/ns/net");
    struct pair before = pair_make(UNREAD), shared = pair_make(UNREAD), last = pair_make(UNREAD);

    gives_up("before", pair_make(UNREAD));
    if (unshare(strcmp(how, "pid") == 0 ? CLONE_NEWPID : CLONE_NEWNET) != 0)
        skip("unshare");
    if (strcmp(how, "pid") == 0)
        first_of_space();
    else
        lo_up();
    gives_up("opened before, closed within", before);
    child_first("opened before, closed within", shared);
    struct pair within = pair_make(UNREAD);
    all_roads("within");
    if (strcmp(how, "setns") == 0)
        printf("setns: %d\n", setns(old, CLONE_NEWNET));
    gives_up("opened within", within);
    child_exits("opened before", last);
    all_roads("at last");
}

static void new_limit(const char *name, rlim_t value)
{
    int which = strcmp(name, "nofile") == 0  ? RLIMIT_NOFILE
                : strcmp(name, "as") == 0    ? RLIMIT_AS
                : strcmp(name, "nproc") == 0 ? RLIMIT_NPROC
                                             : RLIMIT_FSIZE;
    struct rlimit before, lower;
    struct pair open[4];

    if (which == RLIMIT_NPROC && setresuid(NOBODY, NOBODY, 0) != 0)
        skip("setresuid"); /* root has no such limit */
    pair_must(getrlimit(which, &before), "getrlimit");
    gives_up("before", pair_make(UNREAD));
    for (int i = 0; i < 4; i++)
        open[i] = pair_make(UNREAD);
    lower = before;
    lower.rlim_cur = value;
    pair_must(setrlimit(which, &lower), "setrlimit");
    gives_up("with the limit", open[0]);
    gives_up("with the limit", open[1]);
    pair_must(setrlimit(which, &before), "setrlimit");
    gives_up("opened before, closed after", open[2]);
    child_first("opened before, closed after", open[3]);
    all_roads("after");
}

int main(int count, char **arguments)
{
    const char *what = count > 2 ? arguments[1] : "";

    if (strcmp(what, "chroot") == 0 && count == 4) {
        new_root(arguments[2], strcmp(arguments[3], "first") == 0);
    } else if (strcmp(what, "user") == 0) {
        new_user(arguments[2], arguments[0]);
    } else if (strcmp(what, "net") == 0) {
        new_space(arguments[2]);
    } else if (strcmp(what, "limit") == 0 && count == 4) {
        new_limit(arguments[2], strtoul(arguments[3], NULL, 10));
    } else if (strcmp(what, "threads") == 0) {
        all_threads(arguments[2]);
    } else if (strcmp(what, "end") == 0) {
        printf("executed: the peer sees: %s\n", pair_view_wait(atoi(arguments[2])));
    } else {
        return 2;
    }
    return STATUS;
}
