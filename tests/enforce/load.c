/* SPDX-License-Identifier: MIT */
/*
 * load: many connections with random sizes, delays and roads to their close, 64 at a time. The
 * clients send more than the server reads, some of it late. Are all bytes there, and no reset?
 *
 *   load [--native] [--connections N] [--seed N]
 *
 * SOFTCLOSE_LIB names the library. Exit status 0: no reset, no byte lost, no descriptor leaked,
 * memory flat; 1: not so; 77: cannot be run here. With --native a loss is what is expected.
 */
#include "load.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <getopt.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oracle.h"

static struct {
    bool native;
    unsigned connections, seed;
    const char *shim;
    char address[20]; /* one of 127/8 that no other test of this machine uses */
} options = {.connections = 10000};

static struct server {
    pid_t pid, forking;
    int input;
    uint16_t port, forking_port;
} server;

static atomic_uint next, whole, broken;
static atomic_ulong lost;

static void become_server(const int in[2], const int out[2])
{
    char path[512];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 16);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    close_range(3, ~0U, 0);
    if (!options.native) {
        setenv("LD_PRELOAD", options.shim, 1);
        setenv("SOFTCLOSE", "enforce", 1);
        setenv("SOFTCLOSE_LOG", "none", 1);
    }
    snprintf(path + (length > 0 ? length : 0), 16, "_server");
    execl(path, "load_server", options.address, (char *)NULL);
    _exit(127);
}

static bool start_server(void)
{
    int in[2], out[2];
    char line[40] = "", *rest = line;

    if (pipe(in) != 0 || pipe(out) != 0)
        return false;
    server.pid = fork();
    if (server.pid == 0)
        become_server(in, out);
    close(in[0]);
    close(out[1]);
    server.input = in[1];
    bool started = read(out[0], line, sizeof line - 1) > 0;
    close(out[0]);
    server.port = (uint16_t)strtol(rest, &rest, 10);
    server.forking_port = (uint16_t)strtol(rest, &rest, 10);
    server.forking = (pid_t)strtol(rest, &rest, 10);
    return started;
}

static bool send_some(int fd, size_t size)
{
    static const char data[65536];
    return size == 0 || send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size;
}

/* One connection; how many bytes of the answer are missing. */
static size_t converse(unsigned *seed)
{
    const struct load_request request = {.size = (uint32_t)rand_r(seed) % 300000,
                                         .delay_us = (uint32_t)rand_r(seed) % 3000,
                                         .road = (uint32_t)rand_r(seed) % LOAD_ROADS};
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(request.road >= LOAD_BY_CHILD ? server.forking_port : server.port),
        .sin_addr.s_addr = inet_addr(options.address)};
    size_t early = (size_t)rand_r(seed) % 3 * ((size_t)rand_r(seed) % 20000);
    size_t late = (size_t)rand_r(seed) % 20000, received = 0;
    struct timespec pause = {.tv_nsec = rand_r(seed) % 3000000};
    static char data[LOAD_THREADS][65536];
    char *mine = data[atomic_load(&next) % LOAD_THREADS]; /* what is in it does not matter */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t n = 0;

    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        send(fd, &request, sizeof request, MSG_NOSIGNAL) != (ssize_t)sizeof request) {
        close(fd);
        return request.size + 1;
    }
    bool sent = send_some(fd, early);
    nanosleep(&pause, NULL);
    while (received < request.size / 2 && (n = recv(fd, mine, sizeof *data, 0)) > 0)
        received += (size_t)n;
    sent = send_some(fd, late) && sent;
    while ((n = recv(fd, mine, sizeof *data, 0)) > 0)
        received += (size_t)n;
    sent = send_some(fd, late) && sent;
    shutdown(fd, SHUT_WR);
    close(fd);
    if (n == 0 && sent && received == request.size)
        return 0;
    return received < request.size ? request.size - received : 1;
}

static void *client(void *nothing)
{
    unsigned number;
    while ((number = atomic_fetch_add(&next, 1)) < options.connections) {
        unsigned seed = options.seed * 1000003U + number;
        size_t missing = converse(&seed);
        atomic_fetch_add(missing ? &broken : &whole, 1);
        atomic_fetch_add(&lost, missing);
    }
    return nothing;
}

static unsigned descriptors_of_one(pid_t pid)
{
    char path[40];
    unsigned count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}

static unsigned descriptors(void)
{
    return descriptors_of_one(server.pid) + descriptors_of_one(server.forking);
}

static unsigned long resident_kib_of(pid_t pid)
{
    char path[40], line[128];
    unsigned long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %lu", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib;
}

static unsigned long resident_kib(void)
{
    return resident_kib_of(server.pid) + resident_kib_of(server.forking);
}

static void run_clients(unsigned count)
{
    pthread_t threads[LOAD_THREADS];
    unsigned all = options.connections;
    options.connections = count;
    for (int i = 0; i < LOAD_THREADS; i++)
        pthread_create(&threads[i], NULL, client, NULL);
    for (int i = 0; i < LOAD_THREADS; i++)
        pthread_join(threads[i], NULL);
    options.connections = all;
    atomic_store(&next, count);
}

/* The server has as many as before, once the drains are over. */
static unsigned settled_descriptors(unsigned before)
{
    struct timespec since = {0};
    unsigned now;
    do
        now = descriptors();
    while (now > before && oracle_again(&since, ORACLE_WAIT_MS));
    return now;
}

/* Resets sent by the server. A client whose socket is gone already, both sides having finished,
 * answers the server's very last ACK with a reset of its own (NO_SOCKET), which nobody sees. */
static size_t by_server(const struct resets *resets)
{
    size_t count = 0;
    for (size_t i = 0; i < resets->count; i++) {
        bool ours =
            resets->list[i].source == server.port || resets->list[i].source == server.forking_port;
        count += ours;
        if (!options.native && (ours || strcmp(resets->list[i].reason, "NO_SOCKET") != 0))
            printf("reset by the %s: %s, ports %u to %u\n", ours ? "server" : "client",
                   resets->list[i].reason, resets->list[i].source, resets->list[i].target);
    }
    return count;
}

static bool measure(struct tracer *tracer)
{
    struct resets resets = {.count = 0};

    run_clients(64 < options.connections ? 64 : options.connections);
    unsigned fds_before = settled_descriptors(descriptors());
    run_clients(options.connections / 2); /* until the tables are as large as they get */
    unsigned long kib_before = resident_kib();
    run_clients(options.connections);
    unsigned fds_after = settled_descriptors(fds_before);
    unsigned long kib_after = resident_kib();
    int status;
    close(server.input);
    waitpid(server.pid, &status, 0);
    tracer_collect(tracer, options.address, &resets);
    size_t sent = by_server(&resets);
    printf("load: %s: %u connections, seed %u: %u whole, %u not, %lu bytes lost, %s%zu resets "
           "by the server, descriptors %u then %u, memory %lu then %lu KiB, status %#x\n",
           options.native ? "natively" : "enforce", options.connections, options.seed,
           atomic_load(&whole), atomic_load(&broken), atomic_load(&lost),
           resets.lost ? "more than " : "", sent, fds_before, fds_after, kib_before, kib_after,
           (unsigned)status);
    return atomic_load(&broken) == 0 && sent == 0 && !resets.lost && fds_after <= fds_before &&
           kib_after < kib_before + 1024 && status == 0;
}

static bool read_options(int argc, char **argv)
{
    static const struct option names[] = {{"native", no_argument, NULL, 'n'},
                                          {"connections", required_argument, NULL, 'c'},
                                          {"seed", required_argument, NULL, 's'},
                                          {NULL, 0, NULL, 0}};
    int option;
    options.seed = (unsigned)time(NULL);
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (option == 'n')
            options.native = true;
        else if (option == 'c')
            options.connections = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 's')
            options.seed = (unsigned)strtoul(optarg, NULL, 10);
        else
            return false;
    }
    return optind == argc && options.connections > 0;
}

int main(int argc, char **argv)
{
    static struct tracer tracer;
    const char *missing = oracle_missing();

    options.shim = getenv("SOFTCLOSE_LIB");
    if (!read_options(argc, argv)) {
        fputs("usage: load [--native] [--connections N] [--seed N]\n", stderr);
        return 2;
    }
    if (missing) {
        printf("skipped: %s\n", missing);
        return ORACLE_SKIPPED;
    }
    if (!options.native && (!options.shim || access(options.shim, R_OK) != 0)) {
        fputs("load: SOFTCLOSE_LIB does not name the library\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    snprintf(options.address, sizeof options.address, "127.64.%u.%u", (unsigned)getpid() >> 8 & 255,
             (unsigned)getpid() & 255);
    if (!tracer_make(0) || !tracer_open(&tracer, 0) || !oracle_namespace(options.address) ||
        !start_server())
        return 2;
    bool clean = measure(&tracer);
    close(tracer.fd);
    return clean ? 0 : 1;
}
