/* SPDX-License-Identifier: MIT */
/*
 * holds WAY ADDRESS: accepts one connection, answers a part, and shares it with another holder in
 * that way; one of the two gives it up without reading what is unread. Prints "shared"; on the next
 * byte of its standard input the other sends the rest, if it can, and is the last to let it go.
 *
 *   holds serve               what `inetd` execs: the connection is descriptor 0
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PART = 50, GO = 20 }; /* GO: the driver's bytes, out of the way of 0, 1, 2 */

static int listener;

static void say_shared(void)
{
    if (write(GO + 1, "shared\n", 7) != 7)
        _exit(1);
}

static void await_go(void)
{
    char byte;
    if (read(GO, &byte, 1) != 1)
        _exit(1);
}

static void send_part(int fd)
{
    static const char part[PART];
    if (send(fd, part, sizeof part, MSG_NOSIGNAL) != (ssize_t)sizeof part)
        _exit(1);
}

/* Unread bytes are there before anybody gives it up. */
static int accept_one(void)
{
    char byte;
    int fd = accept(listener, NULL, NULL);
    if (recv(fd, &byte, 1, MSG_PEEK) != 1)
        _exit(1);
    send_part(fd);
    return fd;
}

static int status_of(pid_t pid)
{
    int status;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static void last_words(int fd)
{
    await_go();
    send_part(fd);
    close(fd);
}

static int parent_first(void)
{
    int fd = accept_one();
    pid_t pid = fork();
    if (pid == 0) {
        last_words(fd);
        _exit(0);
    }
    close(fd);
    say_shared();
    return status_of(pid);
}

static int child_first(void)
{
    int fd = accept_one();
    pid_t pid = fork();
    if (pid == 0) {
        close(fd);
        _exit(0);
    }
    int status = status_of(pid);
    say_shared();
    last_words(fd);
    return status;
}

/* The child ends without a close. */
static int child_exits(void)
{
    int fd = accept_one();
    pid_t pid = fork();
    if (pid == 0)
        exit(0);
    int status = status_of(pid);
    say_shared();
    last_words(fd);
    return status;
}

static int child_killed(void)
{
    int fd = accept_one(), alive[2];
    char byte;
    if (pipe(alive) != 0)
        return 1;
    pid_t pid = fork();
    if (pid == 0)
        while (write(alive[1], "a", 1) == 1)
            pause();
    if (read(alive[0], &byte, 1) != 1)
        return 1;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    say_shared();
    last_words(fd);
    return 0;
}

static int grandchild(void)
{
    int fd = accept_one();
    pid_t pid = fork();
    if (pid == 0) {
        pid_t inner = fork();
        if (inner == 0) {
            last_words(fd);
            _exit(0);
        }
        close(fd);
        _exit(status_of(inner));
    }
    close(fd);
    say_shared();
    return status_of(pid);
}

/* Children that accept by themselves; the parent only watches. */
static int prefork(void)
{
    pid_t pids[3];
    for (int i = 0; i < 3; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            int fd = accept_one();
            say_shared();
            last_words(fd);
            _exit(0);
        }
    }
    int status;
    pid_t served = wait(&status); /* the one that had the connection */
    for (int i = 0; i < 3; i++)
        if (pids[i] != served)
            kill(pids[i], SIGTERM);
    while (wait(NULL) > 0)
        ;
    return status;
}

static void pass(int to, int fd)
{
    char byte = 'f';
    struct iovec part = {&byte, 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.space};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    if (sendmsg(to, &message, 0) != 1)
        _exit(1);
}

static int take(int from)
{
    char byte;
    struct iovec part = {&byte, 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.space};
    int fd;
    if (recvmsg(from, &message, 0) != 1)
        _exit(1);
    memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
    return fd;
}

/* A privileged process accepts, another one serves. */
static int passed(void)
{
    int ends[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        last_words(take(ends[1]));
        _exit(0);
    }
    close(ends[1]);
    int fd = accept_one();
    pass(ends[0], fd);
    close(fd);
    say_shared();
    return status_of(pid);
}

static int inetd(void)
{
    int fd = accept_one();
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fd, 0);
        dup2(fd, 1);
        dup2(fd, 2);
        close(fd);
        execl("/proc/self/exe", "holds", "serve", (char *)NULL);
        _exit(1);
    }
    close(fd);
    say_shared();
    return status_of(pid);
}

/* A child of libc's holds everything until the driver's next byte ends it. */
static const char until_go[] = "read -r -n 1 byte <&20 || exit 1";

static int with_vfork(void)
{
    int fd = accept_one();
    pid_t pid = vfork();
    if (pid == 0) {
        execl("/bin/bash", "bash", "-c", until_go, (char *)NULL);
        _exit(1);
    }
    close(fd);
    say_shared();
    return status_of(pid);
}

static int spawned(void)
{
    char *const arguments[] = {(char[]){"bash"}, (char[]){"-c"}, strdup(until_go), NULL};
    extern char **environ;
    pid_t pid;
    int fd = accept_one();
    if (posix_spawn(&pid, "/bin/bash", NULL, NULL, arguments, environ) != 0)
        return 1;
    close(fd);
    say_shared();
    return status_of(pid);
}

static int popened(void)
{
    char command[64];
    int fd = accept_one();
    snprintf(command, sizeof command, "exec bash -c '%s'", until_go);
    FILE *stream = popen(command, "w");
    close(fd);
    say_shared();
    return stream ? pclose(stream) : 1;
}

/* The child stays behind in the background. */
static int by_system(void)
{
    char command[80];
    int fd = accept_one();
    snprintf(command, sizeof command, "bash -c '%s' &", until_go);
    if (system(command) != 0)
        return 1;
    close(fd);
    say_shared();
    return 0;
}

/* The child is gone when the program closes: it is the last. */
static int after_system(void)
{
    int fd = accept_one();
    if (system("exit 0") != 0)
        return 1;
    say_shared();
    last_words(fd);
    return 0;
}

static const struct {
    const char *name;
    int (*hold)(void);
} ways[] = {
    {"parent-first", parent_first},
    {"child-first", child_first},
    {"child-exits", child_exits},
    {"child-killed", child_killed},
    {"grandchild", grandchild},
    {"prefork", prefork},
    {"passed", passed},
    {"inetd", inetd},
    {"vfork", with_vfork},
    {"posix_spawn", spawned},
    {"popen", popened},
    {"system", by_system},
    {"after-system", after_system},
};

static bool listen_on(const char *where)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = inet_addr(where);
    if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 8) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        return false;
    return dprintf(GO + 1, "%u\n", ntohs(address.sin_port)) > 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "serve") == 0) {
        last_words(0);
        return 0;
    }
    if (argc != 3 || dup2(STDIN_FILENO, GO) != GO || dup2(STDOUT_FILENO, GO + 1) != GO + 1 ||
        !listen_on(argv[2]))
        return 2;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (strcmp(ways[i].name, argv[1]) == 0)
            return ways[i].hold();
    return 2;
}
