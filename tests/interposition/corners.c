/* SPDX-License-Identifier: MIT */
/*
 * Corner cases of closes and ends. Each prints what is the same natively and under softclose.
 *
 *   corners stdin        ends, with status 4, while a thread reads from standard input
 *   corners cancel       close() is cancelled; a dup of the descriptor is in use
 *   corners search       execvp() of a name that is in the working directory only
 *   corners anew         after shutdown(SHUT_RDWR) the socket is connected anew
 *   corners fork         a signal handler forks within close(), the child returns from it and ends
 *   corners linger       a signal ends a close that waits by SO_LINGER
 *   corners second HOW   a second thread calls exit(3), or _exit(3), while the first one ends
 *   corners listener     a handler on the smallest signal stack closes a listener where one waits
 *   corners environment  execve() with an environment that cannot be read
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pair.h"

static void begin(pthread_t *thread, void *(*function)(void *), void *argument)
{
    if (pthread_create(thread, NULL, function, argument) != 0)
        pair_fail("pthread_create");
}

static void spin(unsigned rounds)
{
    for (volatile unsigned i = 0; i < rounds; i++)
        ;
}

static void handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

    pair_must(sigaction(number, &action, NULL), "sigaction");
}

/* The first signal after `first` microseconds, then one each `interval`; 0, 0: none any more. */
static void alarms(suseconds_t first, suseconds_t interval)
{
    struct itimerval timer = {.it_interval.tv_usec = interval, .it_value.tv_usec = first};

    pair_must(setitimer(ITIMER_REAL, &timer, NULL), "setitimer");
}

/* What a write through the subject's connection does, and what the peer sees without one. */
static void print_use(const char *what, struct pair pair)
{
    const char *view = pair_view(pair.peer);
    ssize_t sent = send(pair.subject, "x", 1, MSG_NOSIGNAL);

    printf("%s: the peer sees %s, send %s\n", what, view, sent == 1 ? "works" : strerror(errno));
}

/* --- stdin --- */

static void *read_line(void *unused)
{
    char line[100];

    return fgets(line, sizeof line, stdin) == NULL ? unused : NULL;
}

static int end_while_reading(void)
{
    pthread_t thread;
    int ends[2];

    pair_must(pipe(ends), "pipe");
    pair_must(dup2(ends[0], 0), "dup2"); /* nobody ever writes */
    begin(&thread, read_line, NULL);
    while (ftrylockfile(stdin) == 0) /* until the reader has it */
        funlockfile(stdin);
    puts("the end, while a thread reads");
    return 4;
}

/* --- cancel --- */

enum { ROUNDS = 400 };

static volatile bool at_close;

static void *close_cancelled(void *fd)
{
    at_close = true;
    close(*(int *)fd);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    return NULL;
}

/* True if the connection is still in order after a close that a cancel met somewhere. */
static bool cancel_once(int listener, unsigned delay)
{
    struct pair pair = pair_through(listener, 0);
    int other = pair_must(dup(pair.subject), "dup");
    pthread_t thread;

    at_close = false;
    begin(&thread, close_cancelled, &pair.subject);
    while (!at_close)
        ;
    spin(delay);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    if (fcntl(pair.subject, F_GETFD) >= 0)
        close(pair.subject);
    bool in_order = strcmp(pair_view(pair.peer), "none") == 0 && /* on loopback it would be here */
                    send(other, "x", 1, MSG_NOSIGNAL) == 1;
    close(other);
    close(pair.peer);
    return in_order;
}

static void cancel(void)
{
    int listener = pair_listen();
    unsigned in_order = 0;

    for (unsigned round = 0; round < ROUNDS; round++)
        in_order += cancel_once(listener, round * 40);
    printf("%u of %u in order\n", in_order, ROUNDS);
}

/* --- search --- */

static void search(void)
{
    char name[] = "here-only", *const arguments[] = {name, NULL};
    struct pair pair = pair_make(0);

    pair_must(fcntl(pair.subject, F_SETFD, FD_CLOEXEC), "FD_CLOEXEC");
    pair_must(symlink("/bin/true", name) == 0 || errno == EEXIST ? 0 : -1, name);
    setenv("PATH", "/nonexistent", 1);
    execvp(name, arguments);
    printf("execvp: %s\n", strerror(errno));
    print_use("afterwards", pair);
}

/* --- anew --- */

static void anew(void)
{
    int listener = pair_listen(), client;
    struct pair pair = pair_through(listener, 0);
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    char bytes[8];

    client = pair.peer;
    pair_must(getsockname(listener, (struct sockaddr *)&address, &length), "getsockname");
    pair_must(shutdown(client, SHUT_RDWR), "shutdown");
    pair_must(connect(client, &nobody, sizeof nobody), "disconnect");
    pair_must(connect(client, (struct sockaddr *)&address, length), "connect");
    pair = (struct pair){pair_must(accept(listener, NULL, NULL), "accept"), client};
    print_use("the first", pair);
    printf("the first read: %zd\n", read(client, bytes, sizeof bytes));
    /* Nothing is to come: longer than close.drain_idle, until when a soft shutdown waits. */
    struct pollfd quiet = {.fd = client, .events = POLLIN | POLLRDHUP};
    printf("then: %s\n", poll(&quiet, 1, 400) == 0 ? "nothing" : pair_view(client));
    print_use("the second", pair);
    printf("the second read: %zd\n", read(client, bytes, sizeof bytes));
    close(client);
    printf("after the close: %s\n", pair_view_wait(pair.subject));
}

/* --- fork --- */

enum { CHILDREN = 1000 };

static bool is_child;
static unsigned children;

static void fork_here(int number)
{
    int saved = errno;

    (void)number;
    if (!is_child && children < CHILDREN) {
        is_child = pair_must(fork(), "fork") == 0;
        children += !is_child;
    }
    errno = saved;
}

/* How many ended otherwise than with status 0. */
static unsigned wait_for_children(void)
{
    unsigned failed = 0;
    int status;

    while (wait(&status) > 0)
        failed += status != 0;
    return failed;
}

static void forks(void)
{
    int listener = pair_listen();

    handle(SIGALRM, fork_here, SA_RESTART);
    for (unsigned round = 0; children < CHILDREN; round++) {
        struct pair pair = pair_through(listener, 0);
        alarms(1 + round % 40, 0);
        spin(round % 397 * 25);
        close(pair.subject);
        alarms(0, 0);
        if (is_child) {
            signal(SIGALRM, SIG_DFL);
            alarm(8); /* of which a child dies that waits for what is not there */
            exit(0);
        }
        close(pair.peer);
    }
    printf("%u children, %u failed\n", children, wait_for_children());
}

/* --- linger --- */

static void nothing(int number)
{
    (void)number;
}

static time_t seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void linger(void)
{
    static char bytes[1 << 20];
    struct linger five = {1, 5};
    struct pair pair = pair_make(0);

    while (send(pair.subject, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
    pair_must(setsockopt(pair.subject, SOL_SOCKET, SO_LINGER, &five, sizeof five), "SO_LINGER");
    handle(SIGALRM, nothing, 0);
    alarms(200000, 200000);
    time_t before = seconds();
    int result = close(pair.subject);
    time_t took = seconds() - before;
    alarms(0, 0);
    printf("close: %d, the wait was ended by %s\n", result, took < 4 ? "the signal" : "its time");
}

/* --- second --- */

/* Until it fails, which natively it never does. */
static void write_on(const struct pair *pair)
{
    while (send(pair->subject, "x", 1, MSG_NOSIGNAL) == 1)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void *write_and_exit(void *pair)
{
    write_on(pair);
    exit(3);
}

static void *write_and_exit_now(void *pair)
{
    write_on(pair);
    _exit(3);
}

static int second(const char *how)
{
    static struct pair pair;
    pthread_t thread;
    int alive[2];
    char byte;

    pair = pair_make(0);
    pair_must(pipe(alive), "pipe");
    if (pair_must(fork(), "fork") == 0) { /* the peer: does not end before the program has */
        close(alive[1]);
        close(pair.subject);
        pair_must((int)send(pair.peer, "r", 1, 0), "send");
        _exit(read(alive[0], &byte, 1) != 0);
    }
    close(alive[0]);
    close(pair.peer);
    pair_must((int)recv(pair.subject, &byte, 1, 0), "recv"); /* now we are the only holder */
    begin(&thread, strcmp(how, "exit") == 0 ? write_and_exit : write_and_exit_now, &pair);
    puts("the first thread ends the program");
    return 0;
}

/* --- listener --- */

static int waited_at;

static void close_listener(int number)
{
    (void)number;
    close(waited_at);
}

/* On a stack with a page below it that may not be touched. */
static void listener_closed(void)
{
    size_t size = (size_t)sysconf(_SC_MINSIGSTKSZ) + 2048, page = 4096;
    size_t rounded = (size + page - 1) / page * page;
    int protection = PROT_READ | PROT_WRITE;
    char *memory = mmap(NULL, rounded + page, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = {.ss_sp = memory + page, .ss_size = size};
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int client = pair_must(socket(AF_INET, SOCK_STREAM, 0), "socket");

    waited_at = pair_listen();
    pair_must(getsockname(waited_at, (struct sockaddr *)&address, &length), "getsockname");
    pair_must(connect(client, (struct sockaddr *)&address, length), "connect");
    pair_must((int)send(client, "a", 1, 0), "send");
    if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE) != 0)
        pair_fail("stack");
    memset(memory + page, 0x5A, rounded); /* nothing on it is 0 by chance */
    pair_must(sigaltstack(&stack, NULL), "sigaltstack");
    handle(SIGUSR1, close_listener, SA_ONSTACK);
    raise(SIGUSR1);
    printf("who waited sees: %s\n", pair_view_wait(client));
}

/* --- environment --- */

static void environment(void)
{
    char name[] = "true", *const arguments[] = {name, NULL};
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *const bad[] = {page, NULL};

    if (page == MAP_FAILED)
        pair_fail("mmap");
    execve("/bin/true", arguments, (char *const *)(void *)page);
    printf("a bad list: %s\n", strerror(errno));
    execve("/bin/true", arguments, bad);
    printf("a list of a bad string: %s\n", strerror(errno));
}

int main(int count, char **arguments)
{
    static const struct {
        const char *word;
        void (*run)(void);
    } cases[] = {{"cancel", cancel},
                 {"search", search},
                 {"anew", anew},
                 {"fork", forks},
                 {"linger", linger},
                 {"listener", listener_closed},
                 {"environment", environment}};
    const char *word = count > 1 ? arguments[1] : "";

    if (strcmp(word, "stdin") == 0)
        return end_while_reading();
    if (strcmp(word, "second") == 0 && count > 2)
        return second(arguments[2]);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (strcmp(word, cases[i].word) == 0) {
            cases[i].run();
            return 0;
        }
    return 2;
}
