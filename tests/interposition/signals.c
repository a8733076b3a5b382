/* SPDX-License-Identifier: MIT */
/*
 * Closes at moments and places where little is allowed.
 *
 *   signals stack      how much stack a close needs, on a painted one; by road
 *   signals small      a handler on the smallest legal stack closes sockets with unread data
 *   signals cancel     threads are cancelled in accept, connect, recvmsg and close, 400 times
 *   signals xfsz SIZE  RLIMIT_FSIZE is SIZE while 300 sockets are closed; default action
 *   signals errno      a handler that closes sockets interrupts loops that look at errno
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "pair.h"

enum { PAGE = 4096, PAINT = 0xA5, ROADS = 5 };

static int listener;
static struct pair prepared;
static FILE *prepared_stream;
static int road;

static const char *const roads[ROADS] = {"close, reset", "close, orderly", "close_range", "fclose",
                                         "_exit"};

/* --- stack --- */

static void prepare(void)
{
    prepared = pair_through(listener, road == 1 ? 0 : 10);
    if (road == 3)
        prepared_stream = fdopen(prepared.subject, "r+");
}

static void close_by_road(int number)
{
    (void)number;
    if (road == 2)
        close_range((unsigned)prepared.subject, (unsigned)prepared.subject, 0);
    else if (road == 3)
        fclose(prepared_stream);
    else if (road == 4)
        _exit(0);
    else
        close(prepared.subject);
}

/* A stack with a page below it that may not be touched. */
static char *make_stack(size_t size)
{
    size_t rounded = (size + PAGE - 1) / PAGE * PAGE;
    char *memory =
        mmap(NULL, rounded + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED || mprotect(memory, PAGE, PROT_NONE) != 0)
        pair_fail("stack");
    return memory + PAGE;
}

static void on_stack(char *stack, size_t size, void (*handler)(int))
{
    stack_t alternate = {.ss_sp = stack, .ss_size = size};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};

    pair_must(sigaltstack(&alternate, NULL), "sigaltstack");
    pair_must(sigaction(SIGUSR1, &action, NULL), "sigaction");
}

static void (*on_paint)(int);

static void enter_paint(void)
{
    on_paint(0);
}

static void nothing(int number)
{
    (void)number;
}

/* Bytes of a painted stack that a call has touched, from its upper end on. */
static size_t used_by(void (*function)(int))
{
    size_t size = 256 * 1024, used;
    char *stack = make_stack(size);
    ucontext_t here, there;

    memset(stack, PAINT, size);
    pair_must(getcontext(&there), "getcontext");
    there.uc_stack = (stack_t){.ss_sp = stack, .ss_size = size};
    there.uc_link = &here;
    on_paint = function;
    makecontext(&there, enter_paint, 0);
    pair_must(swapcontext(&here, &there), "swapcontext");
    for (used = size; used > 0 && (unsigned char)stack[size - used] == PAINT; used--)
        ;
    return used;
}

static void execute(int number)
{
    (void)number;
    execl("/nowhere/at/all", "all", (char *)NULL);
}

static void search_and_execute(int number)
{
    (void)number;
    execlp("no-such-program", "none", (char *)NULL);
}

static void stack(void)
{
    size_t frame = used_by(nothing);

    for (road = 0; road < ROADS - 1; road++) {
        prepare();
        printf("%s: %zu\n", roads[road], used_by(close_by_road) - frame);
    }
    printf("execl: %zu\n", used_by(execute) - frame);
    printf("execlp: %zu\n", used_by(search_and_execute) - frame);
    if (system("exit 0") == 0) { /* from now on others may hold what is open: a search */
        road = 0;
        prepare();
        if (system("exit 0") != 0)
            pair_fail("system");
        printf("close, reset, after a search: %zu\n", used_by(close_by_road) - frame);
    }
}

/* The smallest that sigaltstack() takes on this processor, and what a portable program adds. */
static void small(void)
{
    size_t size = (size_t)sysconf(_SC_MINSIGSTKSZ) + 2048;

    on_stack(make_stack(size), size, close_by_road);
    for (road = 0; road < ROADS - 2; road++) {
        prepare();
        raise(SIGUSR1);
        printf("%s: %s\n", roads[road], pair_view(prepared.peer));
    }
}

/* --- cancel --- */

static void *cancelled(void *argument)
{
    char control[256], byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    int kind = *(int *)argument, ends[2];

    pair_must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
    for (;;) {
        if (kind == 0) {
            accept(listener, NULL, NULL);
        } else if (kind == 1) {
            recvmsg(ends[0], &message, 0);
        } else if (kind == 2) {
            int fd = socket(AF_INET, SOCK_STREAM, 0);
            close(fd);
        } else {
            struct pair pair = pair_through(listener, 1);
            close(pair.subject);
            close(pair.peer);
        }
    }
    return NULL;
}

static void cancel(void)
{
    unsigned ended = 0;
    int kind, quiet, accepting = listener;

    for (int round = 0; round < 400; round++) {
        pthread_t thread;
        kind = round % 4;
        if (pthread_create(&thread, NULL, cancelled, &kind) != 0)
            pair_fail("pthread_create");
        nanosleep(&(struct timespec){.tv_nsec = 1000 * (round % 400)}, NULL);
        pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
    quiet = pair_listen(); /* nothing of the cancelled connects waits there */
    for (int i = 0; i < 50; i++) {
        struct pair pair = pair_through(quiet, 10);
        close(pair.subject);
        ended += pair_ended(pair_view(pair.peer));
        close(pair.peer);
    }
    printf("afterwards: port %d, %u %s\n", pair_port(quiet), ended, pair_endings());
    close(accepting);
}

/* --- limits --- */

static void file_size(const char *size)
{
    struct rlimit limit = {strtoul(size, NULL, 10), RLIM_INFINITY};
    unsigned ended = 0;

    pair_must(setrlimit(RLIMIT_FSIZE, &limit), "setrlimit");
    for (int i = 0; i < 300; i++) {
        struct pair pair = pair_through(listener, 10);
        close(pair.subject);
        ended += pair_ended(pair_view(pair.peer));
        close(pair.peer);
    }
    limit.rlim_cur = RLIM_INFINITY; /* for what is printed */
    pair_must(setrlimit(RLIMIT_FSIZE, &limit), "setrlimit");
    printf("alive, %u %s\n", ended, pair_endings());
}

static void on_alarm(int number)
{
    int ends[2];

    (void)number;
    /* Not saved: a handler whose calls succeed may rely on errno being left alone by them. */
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0) {
        shutdown(ends[0], SHUT_WR);
        close(ends[0]);
        close(ends[1]);
    }
}

static void error_number(void)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval timer = {.it_interval.tv_usec = 200, .it_value.tv_usec = 200};
    unsigned changed = 0;

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    for (int i = 0; i < 200000; i++) {
        errno = EDOM;
        for (int fd = 0; fd < 20; fd++)
            __asm__ volatile("" ::: "memory");
        changed += errno != EDOM;
    }
    memset(&timer, 0, sizeof timer);
    setitimer(ITIMER_REAL, &timer, NULL);
    printf("errno changed %u times\n", changed);
}

int main(int count, char **arguments)
{
    const char *what = count > 1 ? arguments[1] : "";

    listener = pair_listen();
    if (strcmp(what, "stack") == 0)
        stack();
    else if (strcmp(what, "small") == 0)
        small();
    else if (strcmp(what, "cancel") == 0)
        cancel();
    else if (strcmp(what, "xfsz") == 0 && count == 3)
        file_size(arguments[2]);
    else if (strcmp(what, "errno") == 0)
        error_number();
    else
        return 2;
    return 0;
}
