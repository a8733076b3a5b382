/* SPDX-License-Identifier: MIT */
/*
 * takes WAY ADDRESS: accepts one connection whose request is unread and takes one of the roads that
 * need care. Prints what the calls returned, the same with and without softclose.
 *
 *   linger-ROAD       SO_LINGER {on, 1}, an answer that the peer does not read yet; prints "begin"
 *                     before the road (close, dup2, close_range, fclose, syscall, exec) and "done"
 *   cloexec, unshare  close_range(2) that leaves the connection open, here or for other threads
 *   dup               calls of dup2(2) and dup3(2) that fail or change nothing
 *   fclose, freopen   with an answer that the stream still holds
 *   shut-fclose, full-fclose, ...-freopen   with one that cannot be written
 *
 * Where the connection is left open it reads the request and answers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ANSWER = 100000, REQUEST = 4096 };

static char answer[ANSWER];

#define SAY(call) say(#call, call)

static void say(const char *what, long result)
{
    int error = errno;
    printf("%s = %ld %s\n", what, result, result < 0 ? strerrorname_np(error) : "");
    fflush(stdout);
}

static void converse(int fd)
{
    say("read", recv(fd, answer, REQUEST, MSG_WAITALL));
    say("answer", send(fd, answer, sizeof answer, MSG_NOSIGNAL));
    say("close", close(fd));
}

static void linger(const char *road, int fd)
{
    const struct linger one = {1, 1};
    int other = open("/dev/null", O_RDWR);
    FILE *stream = fdopen(fd, "r+");

    recv(fd, answer, REQUEST, MSG_WAITALL);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &one, sizeof one);
    send(fd, answer, sizeof answer, MSG_NOSIGNAL);
    puts("begin");
    fflush(stdout);
    if (strcmp(road, "close") == 0)
        close(fd);
    else if (strcmp(road, "dup2") == 0)
        dup2(other, fd);
    else if (strcmp(road, "close_range") == 0)
        close_range((unsigned)fd, (unsigned)fd, 0);
    else if (strcmp(road, "fclose") == 0)
        fclose(stream);
    else if (strcmp(road, "syscall") == 0)
        syscall(SYS_close, fd);
    else if (strcmp(road, "exec") == 0)
        execlp("echo", "echo", "done", (char *)NULL);
    puts("done");
}

static void *close_own(void *fd)
{
    unsigned number = (unsigned)*(int *)fd;
    SAY(close_range(number, number, CLOSE_RANGE_UNSHARE));
    return NULL;
}

static void unshare_thread(int fd)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, close_own, &fd) == 0)
        pthread_join(thread, NULL);
    converse(fd);
}

static void cloexec(int fd)
{
    unsigned number = (unsigned)fd;
    SAY(close_range(number, number, CLOSE_RANGE_CLOEXEC));
    SAY(fcntl(fd, F_GETFD));
    SAY(syscall(SYS_close_range, number, ~0U, CLOSE_RANGE_CLOEXEC));
    SAY(close_range(number, number - 1, 0));
    SAY(close_range(number, number, 0x100));
    converse(fd);
}

static void dup_fails(int fd)
{
    int other = open("/dev/null", O_RDWR);

    SAY(dup2(999, fd));
    SAY(dup2(-1, fd));
    SAY(dup2(fd, fd));
    SAY(dup2(fd, -1));
    SAY(dup2(fd, 1 << 30));
    SAY(dup3(999, fd, 0));
    SAY(dup3(fd, fd, 0));
    SAY(dup3(fd, fd, O_CLOEXEC));
    SAY(dup3(other, fd, 1));
    SAY(dup3(other, fd, O_CLOEXEC | O_NONBLOCK));
    SAY(dup3(fd, 1 << 30, O_CLOEXEC));
    SAY(syscall(SYS_dup3, other, fd, 1));
    SAY(syscall(SYS_dup3, 999, fd, 0));
    converse(fd);
}

static void stream(const char *way, int fd)
{
    static char buffer[2 * ANSWER];
    FILE *file = fdopen(fd, "r+");

    setvbuf(file, buffer, _IOFBF, sizeof buffer);
    if (strncmp(way, "shut-", 5) == 0)
        shutdown(fd, SHUT_WR);
    if (strncmp(way, "full-", 5) == 0) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
        while (send(fd, answer, sizeof answer, MSG_NOSIGNAL) > 0)
            ;
    }
    SAY((long)fwrite(answer, 1, sizeof answer, file));
    if (strstr(way, "fclose") != NULL)
        SAY(fclose(file));
    else
        say("freopen", freopen("/dev/null", "r", file) == NULL ? -1 : 0);
    SAY(fcntl(fd, F_GETFD) < 0 ? -1 : 0);
}

int main(int argc, char **argv)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t length = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), size = 2 * ANSWER;

    if (argc != 3)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    name.sin_addr.s_addr = inet_addr(argv[2]);
    setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (bind(listener, (struct sockaddr *)&name, length) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&name, &length) != 0)
        return 1;
    printf("%u\n", ntohs(name.sin_port));
    fflush(stdout);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (recv(fd, answer, REQUEST, MSG_PEEK | MSG_WAITALL) != REQUEST)
        return 1;
    if (strncmp(argv[1], "linger-", 7) == 0)
        linger(argv[1] + 7, fd);
    else if (strcmp(argv[1], "cloexec") == 0)
        cloexec(fd);
    else if (strcmp(argv[1], "unshare") == 0)
        unshare_thread(fd);
    else if (strcmp(argv[1], "dup") == 0)
        dup_fails(fd);
    else
        stream(argv[1], fd);
    return 0;
}
