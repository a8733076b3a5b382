/* SPDX-License-Identifier: MIT */
#include "closer.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    int family, type, protocol;
} protos[] = {
    {"tcp4", AF_INET, SOCK_STREAM, IPPROTO_TCP},    {"tcp6", AF_INET6, SOCK_STREAM, IPPROTO_TCP},
    {"mptcp", AF_INET, SOCK_STREAM, IPPROTO_MPTCP}, {"unix", AF_UNIX, SOCK_STREAM, 0},
    {"seqpacket", AF_UNIX, SOCK_SEQPACKET, 0},      {"udp", AF_INET, SOCK_DGRAM, 0},
    {"unixgram", AF_UNIX, SOCK_DGRAM, 0},
};

static void put(int fd, const char *text)
{
    ssize_t written = write(fd, text, strlen(text));
    if (written < 0)
        _exit(70);
}

int say(const char *what, long result)
{
    int error = errno;
    char line[160];
    if (result < 0)
        snprintf(line, sizeof line, "%s = %ld %s\n", what, result, strerrorname_np(error));
    else
        snprintf(line, sizeof line, "%s = %ld\n", what, result);
    put(STDOUT_FILENO, line);
    errno = error;
    return (int)result;
}

void answer_ok(long number)
{
    char line[40];
    snprintf(line, sizeof line, number < 0 ? "ok\n" : "ok %ld\n", number);
    put(ANSWERS, line);
}

void answer_no(void)
{
    put(ANSWERS, "no\n");
}

/* One line of commands; byte by byte, because a forked child must not find any read ahead. */
static bool next_line(char *line, size_t size)
{
    size_t length = 0;
    while (length + 1 < size) {
        ssize_t n = read(COMMANDS, line + length, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        if (line[length] == '\n')
            break;
        length++;
    }
    line[length] = '\0';
    return true;
}

static int idle(int holder)
{
    char line[160];
    answer_ok(-1);
    while (next_line(line, sizeof line)) {
        if (strcmp(line, "ping") == 0)
            say("send", send(holder, "p", 1, MSG_NOSIGNAL));
        answer_ok(-1);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "idle") == 0)
        return idle((int)strtol(argv[2], NULL, 10));
    struct closer closer = {.fd = -1, .listener = -1, .holder = -1};
    for (size_t i = 0; argc == 2 && i < sizeof protos / sizeof *protos; i++) {
        if (strcmp(protos[i].name, argv[1]) == 0) {
            closer.family = protos[i].family;
            closer.type = protos[i].type;
            closer.protocol = protos[i].protocol;
        }
    }
    if (closer.type == 0) {
        fputs("usage: closer tcp4|tcp6|mptcp|unix|seqpacket|udp|unixgram\n", stderr);
        return 2;
    }
    char line[160];
    while (next_line(line, sizeof line))
        if (obey(&closer, line) == NEXT_RETURN)
            return 5;
    return 0;
}
