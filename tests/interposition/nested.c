/* SPDX-License-Identifier: MIT */
/*
 * A signal handler forks while the program is about to fork. Then 50 connections with unread data
 * are closed; printed is how many peers were reset.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

void handlers_arm(void);

static void fork_once(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    waitpid(pid, NULL, 0);
}

static void on_signal(int number)
{
    (void)number;
    fork_once();
}

int main(void)
{
    int listener = pair_listen();
    unsigned ended = 0;

    signal(SIGUSR1, on_signal);
    handlers_arm();
    fork_once();
    for (int i = 0; i < 50; i++) {
        struct pair pair = pair_through(listener, 10);
        close(pair.subject);
        ended += pair_ended(pair_view(pair.peer));
        close(pair.peer);
    }
    printf("%u %s\n", ended, pair_endings());
    return 0;
}
