/* SPDX-License-Identifier: MIT */
/* What a handler does, and what must have come of it. */
#include "step.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct report *step_report;
int step_listener;
enum deed step_deed;

void step_wrong(const char *what)
{
    if (step_report->wrong[0] == '\0')
        snprintf(step_report->wrong, sizeof step_report->wrong, "%s", what);
}

bool step_is_open(int fd)
{
    int error = errno;
    bool open = fcntl(fd, F_GETFD) >= 0;

    errno = error;
    return open;
}

int step_closed(int fd)
{
    int result = close(fd);

    step_report->closes += result == 0;
    return result;
}

/* As pair_through(), which allocates memory for what is unread. */
struct pair step_connect(size_t unread)
{
    static const char bytes[UNREAD];
    struct pair pair = pair_through(step_listener, 0);

    if (unread > 0) {
        pair_must((int)send(pair.peer, bytes, unread, 0), "send");
        pair_view_wait(pair.subject);
    }
    return pair;
}

static void count_inner(const char *view)
{
    step_report->inner_ends[strcmp(view, "reset") == 0 ? 0 : 1]++;
    if (strcmp(view, "reset") != 0 && strcmp(view, "eof") != 0)
        step_wrong("a close in the handler did not end its connection");
}

static void close_unix(void)
{
    int ends[2];

    pair_must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
    pair_must((int)write(ends[0], "unread", 6), "write");
    if (step_closed(ends[1]) != 0 || step_is_open(ends[1]))
        step_wrong("close() in the handler");
    count_inner(pair_view_wait(ends[0]));
    step_closed(ends[0]);
}

static void close_tcp(void)
{
    struct pair pair = step_connect(UNREAD);

    if (step_closed(pair.subject) != 0 || step_is_open(pair.subject))
        step_wrong("close() in the handler");
    count_inner(pair_view_wait(pair.peer));
    step_closed(pair.peer);
}

static void put_over(void)
{
    struct pair pair = step_connect(UNREAD);
    int fd = pair_must(socket(AF_INET, SOCK_STREAM, 0), "socket");

    if (dup2(fd, pair.subject) != pair.subject)
        step_wrong("dup2() in the handler");
    step_report->closes++; /* of what it replaced */
    count_inner(pair_view_wait(pair.peer));
    if (step_closed(pair.subject) != 0)
        step_wrong("close() of a copy in the handler");
    step_closed(fd);
    step_closed(pair.peer);
}

/* The child goes on in the interrupted call's place, but ends within the handler. */
static void fork_child(void)
{
    int status;
    pid_t pid = pair_must(fork(), "fork");

    if (pid == 0) {
        alarm(5);
        close_tcp();
        _exit(step_report->wrong[0] != '\0');
    }
    if (waitpid(pid, &status, 0) != pid || status != 0)
        step_wrong("a child forked by the handler did not end in order");
}

void step_on_signal(int number)
{
    static void (*const deeds[DEED_COUNT])(void) = {[DEED_UNIX] = close_unix,
                                                    [DEED_TCP] = close_tcp,
                                                    [DEED_OVER] = put_over,
                                                    [DEED_FORK] = fork_child};
    int error = errno;

    (void)number;
    if (step_deed == DEED_CANCEL)
        pthread_cancel(pthread_self());
    else
        deeds[step_deed]();
    errno = error;
    step_report->handled++;
}
