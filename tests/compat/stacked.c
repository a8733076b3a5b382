/* SPDX-License-Identifier: MIT */
/*
 * A program with sockets, to be run with several libraries preloaded: it ends connections by every
 * road, with 100 bytes unread and 200,000 written, and tells each return value on standard output.
 *
 * usage: stacked PORT: a listener of the peer, which is called back once
 *
 * It prints `port N`; the peer connects once for each road, in their order, and sends 100 bytes.
 * After each close it prints `closed ROAD` and waits for a line on standard input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { UNREAD = 100, ANSWER = 200000, ROADS = 6 };

static const char *const roads[ROADS] = {"close", "fclose", "dup2", "fork", "thread", "exit"};

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static void tell(const char *what, int result)
{
    printf("%s %d %s\n", what, result, result < 0 ? strerror(errno) : "-");
    fflush(stdout);
}

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int listening(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) != 0 || listen(fd, 8) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        die("listen");
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

/* A connection with all of the peer's bytes unread and the answer written. */
static int served(int listener)
{
    char *answer = malloc(ANSWER);
    char peeked[UNREAD];
    int fd = accept(listener, NULL, NULL);

    if (fd < 0 || answer == NULL)
        die("accept");
    if (recv(fd, peeked, UNREAD, MSG_PEEK | MSG_WAITALL) != UNREAD)
        die("recv");
    memset(answer, 'a', ANSWER);
    if (write(fd, answer, ANSWER) != ANSWER)
        die("write");
    free(answer);
    return fd;
}

static void *closing(void *fd)
{
    tell("close", close(*(int *)fd));
    return NULL;
}

static void call_back(int port)
{
    struct sockaddr_in address = loopback(port);
    char buffer[8];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    tell("connect", connect(fd, (struct sockaddr *)&address, sizeof address));
    tell("send", (int)send(fd, "hello", 5, MSG_NOSIGNAL));
    tell("recv", (int)recv(fd, buffer, 5, MSG_WAITALL));
    tell("close", close(fd));
    tell("close again", close(fd));
}

static void in_child(int fd)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0)
        _exit(close(fd) == 0 ? 5 : 6);
    if (child < 0 || waitpid(child, &status, 0) != child)
        die("fork");
    tell("child", WEXITSTATUS(status));
    tell("close", close(fd));
}

static void take(int road, int fd)
{
    pthread_t thread;

    switch (road) {
    case 0:
        tell("close", close(fd));
        break;
    case 1:
        tell("fclose", fclose(fdopen(fd, "w")));
        break;
    case 2:
        tell("dup2", dup2(STDERR_FILENO, fd) == fd ? 0 : -1);
        close(fd);
        break;
    case 3:
        in_child(fd);
        break;
    case 4:
        if (pthread_create(&thread, NULL, closing, &fd) != 0 || pthread_join(thread, NULL) != 0)
            die("thread");
        break;
    default:
        exit(0);
    }
}

int main(int argc, char **argv)
{
    int listener, lowest;
    char line[16];

    if (argc != 2)
        return 2;
    listener = listening();
    call_back(atoi(argv[1]));
    for (int road = 0; road < ROADS; road++) {
        int fd = served(listener);

        tell("descriptor", fd);
        take(road, fd);
        printf("closed %s\n", roads[road]);
        fflush(stdout);
        if (fgets(line, sizeof line, stdin) == NULL)
            return 1;
        lowest = dup(listener);
        tell("lowest", lowest);
        close(lowest);
    }
    return 1;
}
