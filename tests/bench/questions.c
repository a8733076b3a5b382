/* SPDX-License-Identifier: MIT */
/*
 * questions [ROUNDS]: what each system call costs that softclose makes of its own about a
 * connection, asked of a connected TCP socket with nothing unread, in ns, and what a look at one of
 * several threads costs: the median of ROUNDS rounds (default 9) of 20,000 calls.
 *
 * Prints "NAME NS" a line.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

enum { CALLS = 20000, ROUNDS_MOST = 99, LINE = 600 };

static int connection, log_fd;

static void option(int level, int name)
{
    char value[256];
    socklen_t length = sizeof value;
    must(getsockopt(connection, level, name, value, &length) == 0, "getsockopt");
}

static void ask_pid(void)
{
    syscall(SYS_getpid);
}

static void ask_cookie(void)
{
    option(SOL_SOCKET, SO_COOKIE);
}

static void ask_protocol(void)
{
    option(SOL_SOCKET, SO_PROTOCOL);
}

static void ask_info(void)
{
    option(IPPROTO_TCP, TCP_INFO);
}

static void ask_linger(void)
{
    option(SOL_SOCKET, SO_LINGER);
}

static void ask_linger2(void)
{
    option(IPPROTO_TCP, TCP_LINGER2);
}

static void ask_memory(void)
{
    option(SOL_SOCKET, SO_MEMINFO);
}

static void ask_addresses(void)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    getsockname(connection, (struct sockaddr *)&address, &length);
    length = sizeof address;
    getpeername(connection, (struct sockaddr *)&address, &length);
}

static void ask_log(void)
{
    struct stat status;
    struct rlimit limit;
    fstat(log_fd, &status);
    getrlimit(RLIMIT_FSIZE, &limit);
}

static void write_line(void)
{
    static char line[LINE];
    must(write(log_fd, line, sizeof line) == LINE, "write");
}

static pid_t waiting; /* a thread that waits in a call */

static void *wait_for_ever(void *unused)
{
    (void)unused;
    __atomic_store_n(&waiting, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
    for (;;)
        pause();
    return NULL;
}

static void start_thread(void)
{
    pthread_t thread;
    must(pthread_create(&thread, NULL, wait_for_ever, NULL) == 0, "pthread_create");
    while (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST) == 0)
        sched_yield();
}

/* As shim/tasks.c does: what call is it in? */
static void look_at_thread(void)
{
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", (int)waiting);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    must(read(file, text, sizeof text) > 0, path);
    close(file);
}

static const struct {
    const char *name;
    void (*ask)(void);
} questions[] = {
    {"getpid", ask_pid},
    {"SO_COOKIE", ask_cookie},
    {"SO_PROTOCOL", ask_protocol},
    {"TCP_INFO", ask_info},
    {"SO_LINGER", ask_linger},
    {"TCP_LINGER2", ask_linger2},
    {"SO_MEMINFO", ask_memory},
    {"getsockname+getpeername", ask_addresses},
    {"fstat+getrlimit", ask_log},
    {"write", write_line},
    {"/proc of a thread", look_at_thread},
};

static void connect_to_self(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    must(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 1) == 0 &&
             getsockname(listener, (struct sockaddr *)&address, &length) == 0,
         "listener");
    connection = socket(AF_INET, SOCK_STREAM, 0);
    must(connect(connection, (struct sockaddr *)&address, length) == 0, "connect");
    must(accept(listener, NULL, NULL) >= 0, "accept");
}

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median_ns(void (*ask)(void), int rounds)
{
    double each[ROUNDS_MOST];

    for (int round = 0; round < rounds; round++) {
        double before = now_ns();
        for (int i = 0; i < CALLS; i++)
            ask();
        each[round] = (now_ns() - before) / CALLS;
        must(ftruncate(log_fd, 0) == 0, "ftruncate");
    }
    qsort(each, (size_t)rounds, sizeof *each, ascending);
    return each[rounds / 2];
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 9;
    FILE *file = tmpfile();

    if (rounds < 1 || rounds > ROUNDS_MOST) {
        fprintf(stderr, "usage: questions [ROUNDS 1..%d]\n", ROUNDS_MOST);
        return 2;
    }
    must(file != NULL, "tmpfile");
    log_fd = fileno(file);
    must(fcntl(log_fd, F_SETFL, O_APPEND) == 0, "O_APPEND");
    connect_to_self();
    start_thread();
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        printf("%s %.0f\n", questions[i].name, median_ns(questions[i].ask, rounds));
    return 0;
}
