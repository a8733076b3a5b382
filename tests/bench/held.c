/* SPDX-License-Identifier: MIT */
/*
 * held SOCKETS [FORKS [KIB]]: opens that many connected TCP sockets (both ends here), then forks
 * FORKS children that end at once. It has KIB of memory besides that it has written to.
 *
 * Prints "RSS-KIB FORK-NS GROWN-KIB": what of this process is resident with all of them open
 * (VmRSS), the median time of a fork() until it has returned in the parent, and by how much all but
 * the first two made it grow.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median_fork(int forks)
{
    double *times = calloc((size_t)forks + 1, sizeof *times);

    must(times != NULL, "calloc");
    for (int i = 0; i < forks; i++) {
        double before = now_ns();
        pid_t child = fork();
        must(child >= 0, "fork");
        if (child == 0)
            _exit(0);
        times[i] = now_ns() - before;
        waitpid(child, NULL, 0);
    }
    qsort(times, (size_t)forks, sizeof *times, ascending);
    double middle = forks > 0 ? times[forks / 2] : 0;
    free(times);
    return middle;
}

static void allow_descriptors(rlim_t wanted)
{
    struct rlimit limit;

    must(getrlimit(RLIMIT_NOFILE, &limit) == 0, "RLIMIT_NOFILE");
    if (limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted;
    if (limit.rlim_max < wanted)
        limit.rlim_max = wanted;
    must(setrlimit(RLIMIT_NOFILE, &limit) == 0, "RLIMIT_NOFILE");
}

int main(int argc, char **argv)
{
    int sockets = argc > 1 ? atoi(argv[1]) : 0, forks = argc > 2 ? atoi(argv[2]) : 0;
    size_t more = argc > 3 ? (size_t)atoi(argv[3]) * 1024 : 0;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    long first = 0;

    must(argc > 1 && sockets >= 2, "usage: held SOCKETS [FORKS [KIB]]");
    allow_descriptors((rlim_t)sockets + 64);
    must(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 64) == 0 &&
             getsockname(listener, (struct sockaddr *)&address, &length) == 0,
         "listener");
    for (int i = 0; i < sockets / 2; i++) {
        int client = socket(AF_INET, SOCK_STREAM, 0);
        must(connect(client, (struct sockaddr *)&address, sizeof address) == 0, "connect");
        must(accept(listener, NULL, NULL) >= 0, "accept");
        if (i == 0)
            first = resident();
    }
    long grown = resident() - first;
    char *memory = mmap(NULL, more + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(memory != MAP_FAILED, "mmap");
    memset(memory, 1, more);
    double fork_ns = median_fork(forks);
    printf("%ld %.0f %ld\n", resident(), fork_ns, grown);
    return 0;
}
