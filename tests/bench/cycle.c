/* SPDX-License-Identifier: MIT */
/*
 * cycle SECONDS [THREADS] [first]: TCP connections over loopback, both ends in this process:
 * connect, accept, exchange a request of 64 bytes and an answer of 512, close, as often as the time
 * allows. The client closes first and the server reads the end of the stream, as it is usual;
 * `first`: the server closes first, before the client has finished.
 *
 * Prints "COUNT SECONDS CPU-SECONDS". In whole batches, so that the end costs nothing.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum { BATCH = 64, THREADS_MOST = 256, REQUEST = 64, ANSWER = 512 };

static double seconds;
static bool server_first;
static double started;

static void move(int from, int to, size_t length)
{
    static char out[ANSWER];
    char in[ANSWER];
    size_t got = 0;

    must(send(from, out, length, MSG_NOSIGNAL) == (ssize_t)length, "send");
    while (got < length) {
        ssize_t n = recv(to, in, sizeof in, 0);
        must(n > 0, "recv");
        got += (size_t)n;
    }
}

static void one(int listener, const struct sockaddr_in *address)
{
    char byte;
    int client = socket(AF_INET, SOCK_STREAM, 0);
    must(client >= 0, "socket");
    must(connect(client, (const struct sockaddr *)address, sizeof *address) == 0, "connect");
    int server = accept(listener, NULL, NULL);
    must(server >= 0, "accept");
    move(client, server, REQUEST);
    move(server, client, ANSWER);
    int early = server_first ? server : client, late = server_first ? client : server;
    close(early);
    must(recv(late, &byte, 1, 0) == 0, "recv of the end");
    close(late);
}

static void *work(void *count)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    unsigned long done = 0;

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    must(bind(listener, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    must(listen(listener, 16) == 0, "listen");
    must(getsockname(listener, (struct sockaddr *)&address, &length) == 0, "getsockname");
    while (clock_now(CLOCK_MONOTONIC) - started < seconds)
        for (int i = 0; i < BATCH; i++, done++)
            one(listener, &address);
    *(unsigned long *)count = done;
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS_MOST];
    unsigned long counts[THREADS_MOST], total = 0;
    int count = argc > 2 ? atoi(argv[2]) : 1;

    if (argc < 2 || (seconds = atof(argv[1])) <= 0 || count < 1 || count > THREADS_MOST) {
        fprintf(stderr, "usage: cycle SECONDS [THREADS 1..%d] [first]\n", THREADS_MOST);
        return 2;
    }
    server_first = argc > 3 && strcmp(argv[3], "first") == 0;
    started = clock_now(CLOCK_MONOTONIC);
    for (int i = 1; i < count; i++)
        must(pthread_create(&threads[i], NULL, work, &counts[i]) == 0, "pthread_create");
    work(&counts[0]);
    for (int i = 1; i < count; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < count; i++)
        total += counts[i];
    printf("%lu %.6f %.6f\n", total, clock_now(CLOCK_MONOTONIC) - started,
           clock_now(CLOCK_PROCESS_CPUTIME_ID));
    return 0;
}
