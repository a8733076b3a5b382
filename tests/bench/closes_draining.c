/* SPDX-License-Identifier: MIT */
/*
 * closes_draining COUNT: closes COUNT connections whose peers, in a process of their own that
 * softclose never sees, neither send nor end. Under enforce each of them goes on being drained.
 *
 * Prints "FIRST-NS LAST-NS RSS-BEFORE-KIB RSS-AFTER-KIB DRAINING": the mean time of the first and
 * of the last tenth of the closes, what of this process is resident before and after, and how many
 * descriptors softclose's thread has by then: its drains, and a few of its own.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

/* One address has ports for some 28,000 connections; the peers use as many as are needed. */
static void connect_all(const struct sockaddr_in *address, int count)
{
    enum { PER_ADDRESS = 20000 };

    for (int i = 0; i < count; i++) {
        struct sockaddr_in own = {.sin_family = AF_INET};
        int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
        own.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (unsigned)(i / PER_ADDRESS) + 1);
        must(fd >= 0, "socket");
        setsockopt(fd, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &on, sizeof on);
        must(bind(fd, (struct sockaddr *)&own, sizeof own) == 0, "bind");
        must(connect(fd, (const struct sockaddr *)address, sizeof *address) == 0, "connect");
    }
    pause();
}

/* Descriptors of the thread that softclose drains in, 0 when there is none. */
static int of_the_thread(void)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *task, *one;
    int count = 0;

    must(tasks != NULL, "/proc/self/task");
    while (count == 0 && (task = readdir(tasks)) != NULL) {
        char path[600], name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
        FILE *comm = fopen(path, "r");
        bool is = comm != NULL && fgets(name, sizeof name, comm) != NULL &&
                  strcmp(name, "softclose\n") == 0;
        if (comm != NULL)
            fclose(comm);
        snprintf(path, sizeof path, "/proc/self/task/%s/fd", task->d_name);
        DIR *fds = is ? opendir(path) : NULL;
        while (fds != NULL && (one = readdir(fds)) != NULL)
            count += one->d_name[0] != '.';
        if (fds != NULL)
            closedir(fds);
    }
    closedir(tasks);
    return count;
}

/* Until it has taken over all of them, or none for a second: a few may have found the queue full.
 */
static int settled(int expected)
{
    struct timespec pause = {.tv_nsec = 20000000};
    int count = of_the_thread();

    for (int idle = 0; count > 0 && count < expected && idle < 50; idle++) {
        nanosleep(&pause, NULL);
        int now = of_the_thread();
        if (now != count)
            idle = 0;
        count = now;
    }
    return count;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 0;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct rlimit limit = {(rlim_t)count + 64, (rlim_t)count + 64};
    double first = 0, last = 0;
    int tenth = count / 10;

    must(count >= 10, "usage: closes_draining COUNT (10 or more)");
    must(setrlimit(RLIMIT_NOFILE, &limit) == 0, "RLIMIT_NOFILE");
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    must(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 4096) == 0 &&
             getsockname(listener, (struct sockaddr *)&address, &length) == 0,
         "listener");
    pid_t peer = fork();
    must(peer >= 0, "fork");
    if (peer == 0) {
        close(listener);
        connect_all(&address, count);
        _exit(0);
    }
    int *fds = calloc((size_t)count, sizeof *fds);
    must(fds != NULL, "calloc");
    for (int i = 0; i < count; i++)
        must((fds[i] = accept(listener, NULL, NULL)) >= 0, "accept");
    long before = resident();
    for (int i = 0; i < count; i++) {
        double start = now_ns();
        close(fds[i]);
        double took = now_ns() - start;
        if (i < tenth)
            first += took;
        else if (i >= count - tenth)
            last += took;
    }
    int draining = settled(count);
    long after = resident();
    printf("%.0f %.0f %ld %ld %d\n", first / tenth, last / tenth, before, after, draining);
    fflush(stdout);
    kill(peer, SIGKILL);
    waitpid(peer, NULL, 0);
    _exit(0);
}
