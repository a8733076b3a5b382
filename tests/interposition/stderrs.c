/* SPDX-License-Identifier: MIT */
/*
 * A program whose standard error is a pipe that is read here, and what it does to descriptor 2.
 * It closes a connection with unread data before and after. Told is how many lines came through
 * the pipe, whether its end was seen while the program still ran, and what was found in the thing
 * that took number 2 afterwards (which must be nothing).
 *
 *   stderrs TRIAL   close-file close-socket dup2-file freopen fclose daemon closefrom close_range
 *                   raw dup2-same dup2-failed no-reader full stalled
 *
 * The program is started with LD_PRELOAD=$INNER_PRELOAD, if that is set.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

enum { MANY = 2000, WAIT_MS = 20000 };

static int raw_close(int fd)
{
#if defined(__x86_64__)
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_close), "D"(fd) : "rcx", "r11", "memory");
    return (int)result;
#else
    return close(fd); /* the raw road is for one processor only */
#endif
}

static int listener;

static void close_one(void)
{
    struct pair pair = pair_through(listener, 10);

    pair_must(close(pair.subject), "close");
    close(pair.peer);
}

static int file(void)
{
    char path[] = "/tmp/stderrs.XXXXXX";
    int fd = pair_must(mkstemp(path), "mkstemp");

    unlink(path);
    return fd;
}

/* Makes something that has number 2 afterwards. Returns a descriptor through which can be seen
 * what was written to it, -1 when 2 is closed or unchanged. */
static int replace(const char *trial)
{
    int fd = file(), ends[2];

    if (strcmp(trial, "close-file") == 0 || strcmp(trial, "raw") == 0) {
        pair_must(trial[0] == 'r' ? raw_close(2) : close(2), "close");
        pair_must(dup(fd) == 2 ? 0 : -1, "number 2");
    } else if (strcmp(trial, "close-socket") == 0) {
        close(2);
        pair_must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
        return ends[1];
    } else if (strcmp(trial, "dup2-file") == 0) {
        pair_must(dup2(fd, 2), "dup2");
    } else if (strcmp(trial, "freopen") == 0) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (freopen(path, "w", stderr) == NULL || fileno(stderr) != 2)
            pair_fail("freopen");
    } else if (strcmp(trial, "fclose") == 0) {
        fclose(stderr);
        pair_must(dup(fd) == 2 ? 0 : -1, "number 2");
    } else if (strcmp(trial, "daemon") == 0) {
        pair_must(daemon(1, 0), "daemon");
        return -1;
    } else if (strcmp(trial, "closefrom") == 0 || strcmp(trial, "close_range") == 0) {
        int kept = fcntl(fd, F_DUPFD, 0) /* any */, in = dup(0), out = dup(1);
        close(kept);
        if (trial[5] == 'f')
            closefrom(2);
        else
            close_range(2, 2, 0);
        (void)in;
        (void)out;
        if (trial[5] == 'f') {
            fd = file();
            pair_must(fd == 2 ? 0 : -1, "number 2");
            listener = pair_listen();
        } else {
            pair_must(dup(fd) == 2 ? 0 : -1, "number 2");
        }
    } else if (strcmp(trial, "dup2-same") == 0) {
        dup2(2, 2);
        return -1;
    } else if (strcmp(trial, "dup2-failed") == 0) {
        dup2(-1, 2);
        return -1;
    }
    return fd;
}

static int inner(const char *trial, int report)
{
    bool many = strcmp(trial, "full") == 0 || strcmp(trial, "stalled") == 0;
    struct stat status = {0};
    int waiting = 0, seen;
    char byte;

    listener = pair_listen();
    close_one();
    if (many)
        for (int i = 0; i < MANY; i++)
            close_one();
    seen = many || strcmp(trial, "no-reader") == 0 ? -1 : replace(trial);
    close_one();
    if (seen >= 0 && ioctl(seen, FIONREAD, &waiting) != 0)
        waiting = -1;
    if (seen >= 0 && fstat(seen, &status) == 0 && S_ISREG(status.st_mode))
        waiting = (int)status.st_size;
    dprintf(report, "in what took number 2: %d bytes\n", waiting);
    if (read(0, &byte, 1) != 0) /* until the other side has seen the end of the pipe */
        return 3;
    return 0;
}

static void start(const char *trial, int in, int out, int error)
{
    const char *preload = getenv("INNER_PRELOAD");
    char name[] = "stderrs", word[] = "inner", copy[32];

    snprintf(copy, sizeof copy, "%s", trial);
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(error, 2) < 0)
        _exit(125);
    closefrom(3);
    if (preload != NULL)
        setenv("LD_PRELOAD", preload, 1);
    execv("/proc/self/exe", (char *[]){name, word, copy, NULL});
    _exit(126);
}

/* Lines of events that arrive until the end of the pipe, or until `until` is readable. */
static int read_lines(int pipe, int until, bool *ended)
{
    struct pollfd waiting[2] = {{.fd = pipe, .events = POLLIN}, {.fd = until, .events = POLLIN}};
    char bytes[4096];
    int lines = 0;

    *ended = false;
    while (poll(waiting, 2, WAIT_MS) > 0) {
        if (waiting[0].revents == 0)
            return lines;
        ssize_t got = read(pipe, bytes, sizeof bytes);
        *ended = got <= 0;
        if (*ended)
            return lines;
        for (ssize_t i = 0; i < got; i++)
            lines += bytes[i] == '\n';
    }
    return lines;
}

/* Standard error as a connection that nobody reads, with as little room as can be had. */
static void stalled(int ends[2])
{
    struct pair pair = pair_make(0);
    int smallest = 1;

    setsockopt(pair.subject, SOL_SOCKET, SO_SNDBUF, &smallest, sizeof smallest);
    setsockopt(pair.peer, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest);
    ends[0] = pair.peer;
    ends[1] = pair.subject;
}

static void outer(const char *trial)
{
    bool ended = false, still = strcmp(trial, "full") == 0 || strcmp(trial, "stalled") == 0;
    int error[2], in[2], out[2], status, lines = 0;
    char text[128] = "";
    pid_t pid;

    if (strcmp(trial, "stalled") == 0)
        stalled(error);
    else
        pair_must(pipe2(error, O_CLOEXEC), "pipe");
    pair_must(pipe2(in, O_CLOEXEC), "pipe");
    pair_must(pipe2(out, O_CLOEXEC), "pipe");
    pid = pair_must(fork(), "fork");
    if (pid == 0)
        start(trial, in[0], out[1], error[1]);
    close(in[0]);
    close(out[1]);
    close(error[1]);
    if (strcmp(trial, "no-reader") == 0)
        close(error[0]);
    else if (!still)
        lines = read_lines(error[0],
                           strncmp(trial, "dup2-", 5) == 0 && trial[5] != 'f' ? out[0]
                           : strcmp(trial, "dup2-failed") == 0                ? out[0]
                                                                              : -1,
                           &ended);
    if (read(out[0], text, sizeof text - 1) <= 0)
        snprintf(text, sizeof text, "the program said nothing\n");
    fputs(text, stdout);
    close(in[1]);
    if (strcmp(trial, "daemon") == 0) /* the daemon ends when it sees the end of its input */
        while (read(out[0], text, 1) > 0)
            ;
    waitpid(pid, &status, 0);
    printf("end of the pipe while it ran: %s\nwait status: %d\n", ended ? "yes" : "no", status);
    fprintf(stderr, "%d\n", lines);
}

int main(int count, char **arguments)
{
    if (count == 3)
        return inner(arguments[2], 1);
    if (count != 2)
        pair_fail("usage: stderrs TRIAL");
    signal(SIGALRM, SIG_DFL);
    alarm(60);
    outer(arguments[1]);
    return 0;
}
