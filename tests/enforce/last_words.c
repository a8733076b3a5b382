/* SPDX-License-Identifier: MIT */
/*
 * last_words WAY ADDRESS LIBRARY: accepts six connections with unread requests and ends in that way
 * (return, exit, exit-thread, quick_exit). What each connection is to say comes from a destructor
 * of a linked library, a handler that its constructor registered, a child that its destructor
 * forks; from the destructor and the handler of LIBRARY, opened later; from main's own handler.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 6, STATUS = 5 };

void words_say(int fd);
void words_linked(int fd, int handler, int forked);

static int fds[CONNECTIONS];

static void in_main_handler(void)
{
    words_say(fds[5]);
    close(fds[5]);
}

static void *end_in_thread(void *unused)
{
    (void)unused;
    exit(STATUS);
}

static int end(const char *way)
{
    pthread_t thread;

    if (strcmp(way, "exit") == 0)
        exit(STATUS);
    if (strcmp(way, "quick_exit") == 0)
        quick_exit(STATUS);
    if (strcmp(way, "exit-thread") == 0 && pthread_create(&thread, NULL, end_in_thread, NULL) == 0)
        pthread_join(thread, NULL);
    return STATUS;
}

int main(int argc, char **argv)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t length = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    char byte;

    if (argc != 4)
        return 2;
    name.sin_addr.s_addr = inet_addr(argv[2]);
    if (bind(listener, (struct sockaddr *)&name, length) != 0 || listen(listener, 16) != 0 ||
        getsockname(listener, (struct sockaddr *)&name, &length) != 0)
        return 1;
    printf("%u\n", ntohs(name.sin_port));
    fflush(stdout);
    for (int i = 0; i < CONNECTIONS; i++) {
        int size = 400000; /* nobody shall block at the end */
        fds[i] = accept(listener, NULL, NULL);
        setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        if (recv(fds[i], &byte, 1, MSG_PEEK) != 1)
            return 1;
    }
    void *library = dlopen(argv[3], RTLD_NOW);
    void (*opened)(int, int, int) =
        library ? (void (*)(int, int, int))dlsym(library, "words_opened") : NULL;
    if (opened == NULL)
        return 1;
    words_linked(fds[0], fds[1], fds[2]);
    opened(fds[3], fds[4], -1);
    atexit(in_main_handler);
    at_quick_exit(in_main_handler);
    return end(argv[1]);
}
