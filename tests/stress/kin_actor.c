/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kin.h"
#include "shim/holders.h"
#include "shim/ledger.h"
#include "shim/process.h"
#include "shim/real.h"
#include "shim/sockets.h"

static int self;
static int fds[SOCKETS]; /* 0: none */

static void must(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    _exit(3);
}

static void answer(void)
{
    uint8_t who = (uint8_t)self;
    must(write(kin_answers[1], &who, 1) == 1, "answer");
}

/* All that act together begin at the same moment, and wait for each other a second time somewhere.
 */
static void meet(int time)
{
    if (stage->expected == 0)
        return;
    __atomic_add_fetch(&stage->arrived[time], 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&stage->arrived[time], __ATOMIC_SEQ_CST) < stage->expected)
        sched_yield();
}

static void tell(int which, enum holders holders)
{
    stage->told[self][which] = holders == HOLDERS_LAST     ? TOLD_LAST
                               : holders == HOLDERS_SHARED ? TOLD_SHARED
                                                           : TOLD_UNKNOWN;
}

static void open_one(int which, bool cloexec)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | (cloexec ? SOCK_CLOEXEC : 0), 0);
    struct socket socket = {.id = stage->first_id + (uint64_t)which,
                            .spawned = holders_generation(),
                            .opened = ledger_now()};

    must(fd > 0, "socket");
    fds[which] = fd;
    sockets_add(fd, &socket);
}

static void close_one(int which)
{
    struct socket socket;

    must(sockets_find(fds[which], &socket), "not in the table");
    tell(which, holders_leave(fds[which], &socket, false, false));
    close(fds[which]);
    sockets_remove(fds[which], socket.id);
    fds[which] = 0;
}

/* As close_one(), but that everybody has released what is his before anybody asks. */
static void close_slowly(int which)
{
    struct socket socket;

    must(sockets_find(fds[which], &socket), "not in the table");
    uint64_t released = ledger_release(socket.id, socket.opened);
    meet(1);
    enum ledger_answer answer = ledger_who(socket.id, socket.opened, released, fds[which]);
    tell(which, answer == LEDGER_SHARED                                            ? HOLDERS_SHARED
                : answer == LEDGER_DOUBT || socket.spawned != holders_generation() ? HOLDERS_UNKNOWN
                                                                                   : HOLDERS_LAST);
    close(fds[which]);
    sockets_remove(fds[which], socket.id);
    fds[which] = 0;
}

static void try_one(int which)
{
    struct socket socket;

    must(sockets_find(fds[which], &socket), "not in the table");
    tell(which, holders_leave(fds[which], &socket, false, false));
    holders_stay(socket.id);
}

static void ask_one(int which)
{
    struct socket socket;

    must(sockets_find(fds[which], &socket), "not in the table");
    tell(which, holders_of(fds[which], &socket));
}

/* The others go on when it has begun to end, when it has told of each socket, or when it is gone
 * from the ledger. */
static void end(int manner)
{
    ledger_leaving();
    if (manner == 0)
        meet(1);
    for (int i = 0; i < SOCKETS; i++)
        if (fds[i] > 0)
            close_one(i);
    if (manner == 1)
        meet(1);
    ledger_leave();
    if (manner == 2)
        meet(1);
}

/* Another thread of the parent may have closed it, and not yet taken it out of the table. */
static enum has look_at(int which)
{
    uint64_t id = stage->first_id + (uint64_t)which;

    if (fds[which] == 0 || !sockets_known(id)) {
        fds[which] = 0;
        return HAS_NOT;
    }
    if (fcntl(fds[which], F_GETFD) >= 0)
        return HAS;
    sockets_remove(fds[which], id);
    fds[which] = 0;
    return HAS_ONLY_IN_TABLE;
}

/* As shim/start.c does it. */
static pid_t fork_one(int child)
{
    must(sockets_lock_all(), "the table's locks");
    int place = ledger_fork();
    must(place >= 0, "no place in the ledger");
    holders_fork(place);
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid > 0) {
        holders_forked_parent();
        sockets_unlock_all();
        ledger_born(place, pid);
        return pid;
    }
    process_adopt();
    ledger_child(place);
    holders_forked_child();
    sockets_unlock_all();
    self = child;
    stage->pids[self] = getpid();
    for (int i = 0; i < SOCKETS; i++)
        stage->has[self][i] = look_at(i);
    return 0;
}

static void *close_in_thread(void *which)
{
    meet(0);
    close_one((int)(intptr_t)which);
    meet(1);
    return NULL;
}

static void fork_beside(const struct command *command)
{
    pthread_t thread;

    must(pthread_create(&thread, NULL, close_in_thread, (void *)(intptr_t)command->socket) == 0,
         "pthread_create");
    meet(0);
    if (fork_one(command->child) == 0)
        return;
    meet(1);
    pthread_join(thread, NULL);
}

static void double_fork(const struct command *command)
{
    pid_t pid = fork_one(command->child);

    if (pid > 0) {
        must(waitpid(pid, NULL, 0) == pid, "waitpid");
        return;
    }
    if (fork_one(command->grandchild) > 0) {
        end(-1);
        _exit(0);
    }
}

static void execute(void)
{
    for (int i = 0; i < SOCKETS; i++)
        if (fds[i] > 0 && (fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0) {
            struct socket socket;
            must(sockets_find(fds[i], &socket), "not in the table");
            tell(i, holders_leave(fds[i], &socket, true, false));
        }
    ledger_exec(true);
    static char name[] = "sleep", seconds[] = "1000";
    char *arguments[] = {name, seconds, NULL};
    execv("/bin/sleep", arguments);
    must(false, "/bin/sleep");
}

/* Answers: a child for its parent, too, when both are there. */
static void perform(const struct command *command)
{
    if (command->verb != VERB_CLOSE_BESIDE)
        meet(0);
    switch (command->verb) {
    case VERB_OPEN:
        open_one(command->socket, command->cloexec);
        break;
    case VERB_CLOSE:
        if (command->manner == 0) {
            close_one(command->socket);
            meet(1);
        } else {
            close_slowly(command->socket);
        }
        break;
    case VERB_TRY:
        try_one(command->socket);
        break;
    case VERB_ASK:
        ask_one(command->socket);
        break;
    case VERB_FORK:
        if (fork_one(command->child) > 0)
            meet(1);
        break;
    case VERB_DOUBLE:
        double_fork(command);
        break;
    case VERB_CLOSE_BESIDE:
        fork_beside(command);
        break;
    case VERB_EXEC:
        execute();
        break;
    case VERB_END:
        end(command->manner);
        _exit(0);
    case VERB_KILL:
        break;
    }
    answer();
}

void kin_begin(void)
{
    struct command command;
    uint8_t order;

    real_start();
    must(process_start() && sockets_start(4096) && ledger_start(), "start");
    self = 0;
    stage->pids[0] = getpid();
    answer();
    while (read(kin_orders[self][0], &order, 1) == 1) {
        command = stage->commands[self];
        perform(&command);
    }
    _exit(0);
}
