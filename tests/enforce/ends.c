/* SPDX-License-Identifier: MIT */
/*
 * ends WAY ADDRESS CONNECTIONS: answers so many connections without reading their requests, prints
 * "ready", and comes to its end: when it is sent SIGTERM (handler: _exit() within it; flag: return
 * from main after it; default: dies; restored: dies, having had a handler for a while), or when its
 * standard input ends (return, exit, _exit, _Exit, quick_exit, exec, abort; exit-thread: exit() by
 * another thread; pthread_exit: main as the last thread; pthread_exit-first: another one after it).
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER = 65536 };

static volatile sig_atomic_t told;

static void leave(int number)
{
    (void)number;
    _exit(7);
}

static void tell(int number)
{
    (void)number;
    told = 1;
}

static void prepare(const char *way)
{
    struct sigaction action = {.sa_handler = tell}; /* read() is interrupted */

    if (strcmp(way, "handler") == 0 || strcmp(way, "restored") == 0)
        signal(SIGTERM, leave);
    if (strcmp(way, "restored") == 0)
        sysv_signal(SIGTERM, SIG_DFL);
    if (strcmp(way, "flag") == 0)
        sigaction(SIGTERM, &action, NULL);
}

static bool main_runs(void)
{
    char state = 'R';
    FILE *file = fopen("/proc/self/stat", "re");

    if (file == NULL || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        exit(1);
    fclose(file);
    return state != 'Z';
}

static void *in_thread(void *way)
{
    if (strcmp(way, "exit-thread") == 0)
        exit(10);
    /* The main thread ends first: it is a zombie then (pthread_exit(3)). */
    while (main_runs())
        usleep(1000);
    return NULL;
}

static void end_with_thread(char *way)
{
    pthread_t thread;

    if (strcmp(way, "pthread_exit") != 0 && pthread_create(&thread, NULL, in_thread, way) != 0)
        exit(1);
    if (strcmp(way, "exit-thread") == 0)
        pthread_join(thread, NULL);
    pthread_exit(NULL);
}

static void answer(int listener)
{
    static const char data[ANSWER];
    int size = 2 * ANSWER, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (send(fd, data, sizeof data, MSG_NOSIGNAL) != (ssize_t)sizeof data)
        exit(1);
}

static int end(char *way)
{
    char byte;
    while (!told && read(STDIN_FILENO, &byte, 1) > 0)
        ;
    if (strcmp(way, "exit") == 0)
        exit(3);
    if (strcmp(way, "_exit") == 0)
        _exit(4);
    if (strcmp(way, "quick_exit") == 0)
        quick_exit(6);
    if (strcmp(way, "exec") == 0)
        execl("/bin/sh", "sh", "-c", "exit 8", (char *)NULL);
    if (strcmp(way, "_Exit") == 0)
        _Exit(9);
    if (strcmp(way, "abort") == 0)
        abort();
    if (strstr(way, "thread") != NULL)
        end_with_thread(way);
    return 5;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (argc != 4)
        return 2;
    prepare(argv[1]);
    address.sin_addr.s_addr = inet_addr(argv[2]);
    if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 1024) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        return 1;
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    for (long i = strtol(argv[3], NULL, 10); i > 0; i--)
        answer(listener);
    puts("ready");
    fflush(stdout);
    return end(argv[1]);
}
