/* SPDX-License-Identifier: MIT */
/*
 * A family of processes that share one connection with unread data, in which each closes it, dies
 * or becomes another program when it is told to. After each step the peer's end is looked at: the
 * close that really was the last one is the one after which the peer has been reset.
 *
 *   family STEP...       one line for each: STEP PID CLOSES VIEW, where CLOSES is how many closes
 *                        of the connection that process has made by it in a way that can be seen
 *   family -i FD STEP... the connection is FD, inherited; the peer's end is FD + 1
 *   family hold ...      what programs started by a step execute; for family itself
 *
 * Steps, where P, C are names of processes: "p" is the first one, others are single letters:
 *   fork:P:C _Fork:P:C syscall:P:C clone:P:C     P makes C
 *   spawn:P:C popen:P:C system:P:C vfork:P:C     P starts the program C; it inherits everything
 *   bare:P:C                                     like spawn, without any LD_PRELOAD
 *   exec:P  badexec:P  daemon:P                  P becomes another program, cannot, or a daemon
 *   close:P dup:P cloexec:P exit:P _exit:P quick:P kill:P reap:P
 *   vforkclose:P                                 P's vfork child closes everything and _exits
 *   send:P recv:P                                through a UNIX socket that all have
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

extern char **environ;

enum {
    PROCESSES = 26,
    HELD = 8,
    WAIT_MS = 20000,
    LIFE_S = 60, /* of a process whose first one is gone */
};

struct command {
    char verb[16];
    int child;
};

struct answer {
    int process, pid;
};

/* The same numbers in every process, programs that were executed included. */
static struct {
    int commands[PROCESSES][2];
    int answers[2];
    int rights[2];
    int peer;
} shared;

static int self;
static int held[HELD], held_count;

/* What the first process knows of the others. */
static struct {
    pid_t pid;
    int closes; /* descriptors of the connection */
    bool cloexec, bare, alive;
} processes[PROCESSES];

static int index_of(char name)
{
    return name == 'p' ? 0 : name - 'a' + 1;
}

static void answer(void)
{
    struct answer mine = {self, getpid()};
    if (write(shared.answers[1], &mine, sizeof mine) != sizeof mine)
        pair_fail("answer");
}

static char family[] = "family", hold_word[] = "hold";
static const char program_path[] = "/proc/self/exe";

static void arguments_of_holder(int child, char text[3][256], char *arguments[6])
{
    snprintf(text[0], sizeof text[0], "%d", child);
    snprintf(text[1], sizeof text[1], "%d", held_count > 0 ? held[0] : -1);
    snprintf(text[2], sizeof text[2], "%d,%d,%d,%d,%d", shared.commands[0][0], shared.answers[0],
             shared.rights[0], shared.peer, held_count);
    memcpy(arguments, (char *[]){family, hold_word, text[0], text[1], text[2], NULL},
           6 * sizeof *arguments);
}

static void start_by_shell(int child, bool with_popen)
{
    char text[3][256], *arguments[6], path[256], command[1536];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);

    arguments_of_holder(child, text, arguments);
    path[length < 0 ? 0 : length] = '\0';
    if (with_popen) {
        snprintf(command, sizeof command, "exec '%s' hold %s %s %s", path, text[0], text[1],
                 text[2]);
        if (popen(command, "w") == NULL)
            pair_fail("popen");
        return;
    }
    snprintf(command, sizeof command, "'%s' hold %s %s %s &", path, text[0], text[1], text[2]);
    if (system(command) != 0)
        pair_fail("system");
}

static void start_by_vfork(int child)
{
    char text[3][256], *arguments[6];
    arguments_of_holder(child, text, arguments);
    pid_t pid = vfork();

    if (pid == 0) {
        /* What a careful child does, and what must not reach the parent's table. */
        dup2(held[0], 200);
        dup2(200, held[0]);
        close(200);
        execv(program_path, arguments);
        _exit(127);
    }
    pair_must(pid, "vfork");
}

static void start_program(const char *verb, int child)
{
    char text[3][256], *arguments[6], *bare[] = {NULL};
    pid_t pid;

    arguments_of_holder(child, text, arguments);

    if (strcmp(verb, "vfork") == 0)
        start_by_vfork(child);
    else if (strcmp(verb, "popen") == 0 || strcmp(verb, "system") == 0)
        start_by_shell(child, verb[0] == 'p');
    else if (posix_spawn(&pid, program_path, NULL, NULL, arguments,
                         strcmp(verb, "bare") == 0 ? bare : environ) != 0)
        pair_fail("posix_spawn");
}

static void serve(void);

static int begin_child(void *child)
{
    self = *(int *)child;
    answer();
    serve();
    return 0;
}

static bool make_child(const char *verb, int child)
{
    static char stack[256 * 1024] __attribute__((aligned(16)));
    pid_t pid;

    if (strcmp(verb, "fork") == 0)
        pid = fork();
    else if (strcmp(verb, "_Fork") == 0)
        pid = _Fork();
    else if (strcmp(verb, "syscall") == 0)
        pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    else if (strcmp(verb, "clone") == 0)
        pid = clone(begin_child, stack + sizeof stack, SIGCHLD, &child);
    else
        return false;
    if (pair_must(pid, verb) == 0)
        _exit(begin_child(&child));
    return true;
}

static void send_one(void)
{
    char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    *header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &held[held_count - 1], sizeof(int));
    if (sendmsg(shared.rights[0], &message, 0) != 1)
        pair_fail("sendmsg");
}

static void receive_one(void)
{
    char control[CMSG_SPACE(sizeof(int))], byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};

    if (recvmsg(shared.rights[1], &message, 0) != 1 || CMSG_FIRSTHDR(&message) == NULL)
        pair_fail("recvmsg");
    memcpy(&held[held_count++], CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
}

static void vfork_and_close(void)
{
    pid_t pid = vfork();

    if (pid == 0) {
        for (int fd = 0; fd < 300; fd++) {
            dup2(held[0], fd);
            close(fd);
        }
        close_range(3, ~0u, 0);
        _exit(0);
    }
    if (waitpid(pid, NULL, 0) != pid)
        pair_fail("waitpid");
}

/* True when the process answers itself: a child it made does so. */
static bool perform(const struct command *command)
{
    const char *verb = command->verb;
    char text[3][256], *arguments[6];

    if (make_child(verb, command->child))
        return true;
    if (strcmp(verb, "close") == 0) {
        pair_must(close(held[--held_count]), "close");
    } else if (strcmp(verb, "dup") == 0) {
        held[held_count] = pair_must(dup(held[held_count - 1]), "dup");
        held_count++;
    } else if (strcmp(verb, "cloexec") == 0) {
        for (int i = 0; i < held_count; i++)
            pair_must(fcntl(held[i], F_SETFD, FD_CLOEXEC), "F_SETFD");
    } else if (strcmp(verb, "exec") == 0) {
        arguments_of_holder(self, text, arguments);
        execv(program_path, arguments);
        pair_fail("execv");
    } else if (strcmp(verb, "badexec") == 0) {
        if (execl("/nowhere/at/all", "all", (char *)NULL) != -1 || errno != ENOENT)
            pair_fail("execl");
    } else if (strcmp(verb, "daemon") == 0) {
        pair_must(daemon(1, 1), "daemon");
    } else if (strcmp(verb, "vforkclose") == 0) {
        vfork_and_close();
    } else if (strcmp(verb, "send") == 0) {
        send_one();
    } else if (strcmp(verb, "recv") == 0) {
        receive_one();
    } else if (strcmp(verb, "exit") == 0) {
        exit(0);
    } else if (strcmp(verb, "_exit") == 0) {
        _exit(0);
    } else if (strcmp(verb, "quick") == 0) {
        quick_exit(0);
    } else {
        start_program(verb, command->child);
        return true;
    }
    return false;
}

static void serve(void)
{
    struct command command;

    alarm(LIFE_S);
    while (read(shared.commands[self][0], &command, sizeof command) == sizeof command)
        if (!perform(&command))
            answer();
    _exit(1); /* the first process is gone */
}

static void await_answer(void)
{
    struct pollfd wait = {.fd = shared.answers[0], .events = POLLIN};
    struct answer got;

    if (poll(&wait, 1, WAIT_MS) != 1 || read(wait.fd, &got, sizeof got) != sizeof got)
        pair_fail("no answer");
    processes[got.process].pid = got.pid;
    processes[got.process].alive = true;
}

/* Its descriptors are closed when the process can be waited for. */
static void await_death(int process)
{
    int pidfd = pair_must(pidfd_open(processes[process].pid, 0), "pidfd_open");
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};

    if (poll(&wait, 1, WAIT_MS) != 1)
        pair_fail("still alive");
    processes[process].alive = false;
    close(pidfd);
}

static void send_command(int process, const struct command *command)
{
    if (process == 0)
        perform(command);
    else if (write(shared.commands[process][1], command, sizeof *command) != sizeof *command)
        pair_fail("command");
}

/* Carries one step out; returns how many closes of the connection can have been seen. */
static int take_step(int process, const struct command *command)
{
    const char *verb = command->verb;
    int before = processes[process].closes, child = command->child;
    bool ends =
        strcmp(verb, "exit") == 0 || strcmp(verb, "_exit") == 0 || strcmp(verb, "quick") == 0;
    int pid = processes[process].pid;

    if (strcmp(verb, "kill") == 0 || strcmp(verb, "reap") == 0) {
        if (verb[0] == 'k')
            pair_must(kill(pid, SIGKILL), "kill");
        await_death(process);
        if (verb[0] == 'r' && waitpid(pid, NULL, 0) != pid)
            pair_fail("waitpid");
        return 0;
    }
    send_command(process, command);
    if (ends || strcmp(verb, "daemon") == 0)
        await_death(process);
    if (!ends && (process != 0 || child > 0))
        await_answer();
    if (child > 0) {
        bool spawned = strcmp(verb, "bare") == 0 || strcmp(verb, "spawn") == 0 ||
                       strcmp(verb, "popen") == 0 || strcmp(verb, "system") == 0 ||
                       strcmp(verb, "vfork") == 0;
        processes[child].closes = before;
        processes[child].bare = strcmp(verb, "bare") == 0 || (!spawned && processes[process].bare);
        return 0;
    }
    if (strcmp(verb, "close") == 0)
        processes[process].closes--;
    if (strcmp(verb, "dup") == 0 || strcmp(verb, "recv") == 0)
        processes[process].closes++;
    if (strcmp(verb, "cloexec") == 0)
        processes[process].cloexec = true;
    bool replaced = strcmp(verb, "exec") == 0 && processes[process].cloexec;
    if (ends || replaced)
        processes[process].closes = 0;
    if (processes[process].bare)
        return 0;
    if (strcmp(verb, "close") == 0)
        return 1;
    return ends || replaced || strcmp(verb, "daemon") == 0 ? before : 0;
}

static void step(const char *text)
{
    static const char *view = "none";
    struct command command = {.child = -1};
    const char *colon = strchr(text, ':');

    if (colon == NULL || (size_t)(colon - text) >= sizeof command.verb)
        pair_fail(text);
    memcpy(command.verb, text, (size_t)(colon - text));
    int process = index_of(colon[1]);
    if (colon[2] == ':')
        command.child = index_of(colon[3]);
    pid_t pid = processes[process].pid;
    int closes = take_step(process, &command);
    if (strcmp(view, "none") == 0)
        view = pair_view(shared.peer);
    printf("%s %d %d %s\n", text, (int)pid, closes, view);
    fflush(stdout);
}

static void open_pipes(void)
{
    for (int i = 0; i < PROCESSES; i++)
        pair_must(pipe(shared.commands[i]), "pipe");
    pair_must(pipe(shared.answers), "pipe");
    pair_must(socketpair(AF_UNIX, SOCK_STREAM, 0, shared.rights), "socketpair");
}

/* The numbers lie one after another, as open_pipes() got them. */
static void hold(char **arguments)
{
    int commands, answers, rights, peer;

    self = atoi(arguments[0]);
    held[0] = atoi(arguments[1]);
    if (sscanf(arguments[2], "%d,%d,%d,%d,%d", &commands, &answers, &rights, &peer, &held_count) !=
        5)
        pair_fail("arguments");
    for (int i = 0; i < PROCESSES; i++) {
        shared.commands[i][0] = commands + 2 * i;
        shared.commands[i][1] = commands + 2 * i + 1;
    }
    shared.answers[0] = answers;
    shared.answers[1] = answers + 1;
    shared.rights[0] = rights;
    shared.rights[1] = rights + 1;
    shared.peer = peer;
    answer();
    serve();
}

int main(int count, char **arguments)
{
    struct pair pair;

    if (count > 4 && strcmp(arguments[1], hold_word) == 0)
        hold(arguments + 2);
    if (count > 2 && strcmp(arguments[1], "-i") == 0) {
        pair.subject = atoi(arguments[2]);
        pair.peer = pair.subject + 1;
        arguments += 2;
        open_pipes();
    } else {
        open_pipes();
        pair = pair_make(100);
    }
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        pair_fail("PR_SET_CHILD_SUBREAPER");
    shared.peer = pair.peer;
    held[held_count++] = pair.subject;
    processes[0].pid = getpid();
    processes[0].closes = 1;
    printf("sock %llu\n", (unsigned long long)pair_cookie(pair.subject));
    fflush(stdout);
    for (char **text = arguments + 1; *text != NULL; text++)
        step(*text);
    /* Those left hold each other's pipes open. */
    for (int i = 1; i < PROCESSES; i++)
        if (processes[i].pid > 0 && processes[i].alive)
            kill(processes[i].pid, SIGKILL);
    return 0;
}
