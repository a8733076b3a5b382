/* SPDX-License-Identifier: MIT */
/*
 * A library whose constructor takes over the descriptor that a variable names (WORDS_VARIABLE) and
 * whose destructor, and handlers of atexit(3) and at_quick_exit(3), each say the last words on a
 * connection and close it. Built twice: the program is linked with one and opens the other.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PART = 100000 };

void words_say(int fd);
void WORDS_GIVE(int fd, int handler, int forked);

static int of_destructor = -1, of_handler = -1, of_child = -1;

void words_say(int fd)
{
    static const char part[PART];
    size_t sent = 0;
    ssize_t n;

    while (sent < sizeof part && (n = send(fd, part + sent, sizeof part - sent, MSG_NOSIGNAL)) > 0)
        sent += (size_t)n;
}

static void in_handler(void)
{
    if (of_handler < 0)
        return;
    words_say(of_handler);
    close(of_handler);
}

/* A child that lives on with the connection when this process has ended: it waits for that. */
static void leave_to_child(void)
{
    int ends[2];
    char byte;

    if (pipe(ends) != 0 || fork() != 0)
        return;
    for (int fd = 3; fd < 64; fd++)
        if (fd != ends[0] && fd != of_child)
            close(fd);
    if (read(ends[0], &byte, 1) == 0)
        words_say(of_child);
    _exit(0);
}

__attribute__((constructor)) static void begin(void)
{
    atexit(in_handler);
    at_quick_exit(in_handler);
}

__attribute__((destructor)) static void end(void)
{
    if (of_destructor >= 0) {
        words_say(of_destructor);
        close(of_destructor);
    }
    if (of_child >= 0)
        leave_to_child();
}

void WORDS_GIVE(int fd, int handler, int forked)
{
    of_destructor = fd;
    of_handler = handler;
    of_child = forked;
}
