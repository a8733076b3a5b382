/* SPDX-License-Identifier: MIT */
/*
 *   trials SEED COUNT [END]   COUNT times a connection with unread data is shared with one to four
 *                             children, and all of them give it up in an order that SEED makes
 *
 * Each sends a part of its own and then closes or exits, or is killed. In every second trial they
 * do so one after another, and the peer's view is looked at in between; in the others at the same
 * time. A trial is wrong when a part is missing, when anything ends before the last holder has
 * given the connection up, or when it does not end with END ("eof", or "reset" natively) although
 * the last holder was not killed. Prints the seed of each wrong trial.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

enum { MOST = 5, PART = 10 };
enum way { CLOSES, EXITS, QUITS, KILLED, WAYS };

static unsigned state;

static unsigned pick(unsigned below)
{
    state = state * 1103515245u + 12345u;
    return (state >> 16) % below;
}

static void give_up(int fd, enum way way)
{
    static const char part[PART];

    if (send(fd, part, sizeof part, MSG_NOSIGNAL) != PART)
        _exit(1); /* a part is missing: the trial is wrong */
    if (way == CLOSES)
        close(fd);
    else if (way == EXITS)
        exit(0);
    else if (way == QUITS)
        _exit(0);
    else
        raise(SIGKILL);
}

static pid_t start(const struct pair *pair, int go, enum way way)
{
    char byte;
    pid_t pid = pair_must(fork(), "fork");

    if (pid != 0)
        return pid;
    close(pair->peer);
    if (read(go, &byte, 1) != 1)
        _exit(1);
    give_up(pair->subject, way);
    _exit(0);
}

/* Reads `wanted` bytes; then the view. */
static const char *after(int peer, unsigned wanted, bool last)
{
    char bytes[MOST * PART];
    struct pollfd waits = {.fd = peer, .events = POLLIN};

    for (unsigned got = 0; got < wanted;) {
        ssize_t result = poll(&waits, 1, 10000) == 1 ? recv(peer, bytes, wanted - got, 0) : -1;
        if (result <= 0)
            return "missing";
        got += (unsigned)result;
    }
    return last ? pair_view_wait(peer) : pair_view(peer);
}

static bool one(int listener, bool in_turn, const char *end)
{
    struct pair pair = pair_through(listener, 100);
    unsigned children = 1 + pick(MOST - 1), order[MOST];
    enum way ways[MOST] = {CLOSES};
    int go[MOST][2];
    pid_t pids[MOST];
    bool right = true;

    for (unsigned i = 0; i <= children; i++) {
        order[i] = i;
        pair_must(pipe(go[i]), "pipe");
        ways[i] = i == 0 ? CLOSES : pick(in_turn ? WAYS : KILLED);
        if (i > 0)
            pids[i] = start(&pair, go[i][0], ways[i]);
    }
    for (unsigned i = children; i > 0; i--) {
        unsigned other = pick(i + 1), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    for (unsigned i = 0; i <= children; i++) {
        if (order[i] == 0)
            give_up(pair.subject, CLOSES);
        else if (write(go[order[i]][1], "", 1) != 1)
            pair_fail("write");
        if (!in_turn)
            continue;
        if (order[i] != 0)
            waitpid(pids[order[i]], NULL, 0);
        bool last = i == children;
        const char *view = after(pair.peer, PART, last);
        right = right && (last ? ways[order[i]] == KILLED || strcmp(view, end) == 0
                               : strcmp(view, "none") == 0);
    }
    for (unsigned i = 1; !in_turn && i <= children; i++)
        waitpid(pids[i], NULL, 0);
    if (!in_turn)
        right = strcmp(after(pair.peer, (children + 1) * PART, true), end) == 0;
    for (unsigned i = 0; i <= children; i++) {
        close(go[i][0]);
        close(go[i][1]);
    }
    close(pair.peer);
    return right;
}

int main(int count, char **arguments)
{
    if (count < 3)
        return 2;
    unsigned seed = (unsigned)strtoul(arguments[1], NULL, 0), wrong = 0;
    unsigned trials = (unsigned)strtoul(arguments[2], NULL, 0);
    int listener = pair_listen();

    for (unsigned i = 0; i < trials; i++) {
        state = seed + i;
        if (one(listener, i % 2 == 0, count > 3 ? arguments[3] : "eof"))
            continue;
        wrong++;
        printf("wrong: seed %u, %s\n", seed + i, i % 2 == 0 ? "in turn" : "at once");
    }
    printf("seed %u: %u trials, %u wrong\n", seed, trials, wrong);
    return wrong > 0;
}
