/* SPDX-License-Identifier: MIT */
/*
 * Starts a program that finds a connection with unread data at 3 and the peer's end at 4.
 *
 *   inherit alone|kept PROGRAM [ARGUMENT...]    with "kept" a copy stays here until it has ended
 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

int main(int count, char **arguments)
{
    struct pair pair = pair_make(100);
    int status = 1;

    if (count < 3)
        return 2;
    if (pair.subject == 3 || pair.peer == 4) { /* so that neither stands in the other's way */
        pair.subject = pair_must(dup2(pair.subject, 20), "dup2");
        pair.peer = pair_must(dup2(pair.peer, 21), "dup2");
    }
    pair_must(dup2(pair.subject, 3), "dup2");
    pair_must(dup2(pair.peer, 4), "dup2");
    closefrom(5);
    pid_t pid = strcmp(arguments[1], "kept") == 0 ? pair_must(fork(), "fork") : 0;
    if (pid == 0) {
        execv(arguments[2], arguments + 2);
        pair_fail(arguments[2]);
    }
    close(4);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
