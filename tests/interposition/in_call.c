/* SPDX-License-Identifier: MIT */
/*
 * A thread is inside a system call on a connection while another thread closes the descriptor: the
 * kernel does nothing to the connection until the call returns.
 *
 *   in_call CALL      "closed VIEW": what the peer sees when the close has returned; "call RESULT"
 *                     when the peer has let the call go on; "end VIEW BYTES": how it ended for the
 *                     peer and how much it got. CALL is one of the table below; or, of a thread
 *                     that does not hold the connection: poll other busy none
 *   in_call --cost N    N threads wait elsewhere: what a close with unread data takes; --busy: they
 *                       compute
 *   in_call --woken N   N rounds in which the data that wakes the reader arrives just before the
 *                       close: how often the reader got it
 *   in_call --dropped CALL   as a process that was root's and has given that up
 *   in_call --unshare CALL   after an unshare(CLONE_FILES) that has failed
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "pair.h"

enum { SMALL = 5, LARGE = 1 << 18, WAIT_MS = 10000, ROUNDS = 200 };

static int subject = -1, other = -1, listener = -1, pipe_ends[2] = {-1, -1}, file;
static char bytes[LARGE];
static volatile int tid, stop;
static bool fails_to_leave;

static struct iovec small_part = {bytes, SMALL}, large_part = {bytes, LARGE};
static struct msghdr small_message = {.msg_iov = &small_part, .msg_iovlen = 1};
static struct msghdr large_message = {.msg_iov = &large_part, .msg_iovlen = 1};

static long call_read(void)
{
    return read(subject, bytes, SMALL);
}
static long call_readv(void)
{
    return readv(subject, &small_part, 1);
}
static long call_preadv2(void)
{
    return preadv2(subject, &small_part, 1, -1, 0);
}
static long call_recv(void)
{
    return recv(subject, bytes, SMALL, 0);
}
static long call_waitall(void)
{
    return recv(subject, bytes, 2 * SMALL, MSG_WAITALL);
}
static long call_recvmsg(void)
{
    return recvmsg(subject, &small_message, 0);
}
static long call_recvmmsg(void)
{
    struct mmsghdr one = {.msg_hdr = small_message};
    return recvmmsg(subject, &one, 1, 0, NULL);
}
static long call_splice_in(void)
{
    return splice(subject, NULL, pipe_ends[1], NULL, SMALL, 0);
}
static long call_write(void)
{
    return write(subject, bytes, LARGE);
}
static long call_writev(void)
{
    return writev(subject, &large_part, 1);
}
static long call_pwritev2(void)
{
    return pwritev2(subject, &large_part, 1, -1, 0);
}
static long call_send(void)
{
    return send(subject, bytes, LARGE, 0);
}
static long call_sendmsg(void)
{
    return sendmsg(subject, &large_message, 0);
}
static long call_sendmmsg(void)
{
    struct mmsghdr one = {.msg_hdr = large_message};
    return sendmmsg(subject, &one, 1, 0) == 1 ? (long)one.msg_len : -1;
}
static long call_sendfile(void)
{
    return sendfile(subject, file, NULL, LARGE);
}
static long call_splice_out(void)
{
    return splice(pipe_ends[0], NULL, subject, NULL, LARGE / 2, 0);
}
static long call_accept(void)
{
    return accept(listener, NULL, NULL) >= 0;
}
static long call_accept4(void)
{
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC) >= 0;
}
static long call_poll(void)
{
    struct pollfd one = {.fd = subject, .events = POLLPRI};
    return poll(&one, 1, 200);
}
static long call_other(void)
{
    return recv(other, bytes, SMALL, 0);
}
static long call_busy(void)
{
    while (!stop)
        ;
    return 0;
}

enum kind { READS, WRITES, ACCEPTS, ELSEWHERE };

static const struct way {
    const char *name;
    long (*call)(void);
    enum kind kind;
} ways[] = {
    {"read", call_read, READS},          {"readv", call_readv, READS},
    {"preadv2", call_preadv2, READS},    {"recv", call_recv, READS},
    {"waitall", call_waitall, READS},    {"recvmsg", call_recvmsg, READS},
    {"recvmmsg", call_recvmmsg, READS},  {"splice-in", call_splice_in, READS},
    {"write", call_write, WRITES},       {"writev", call_writev, WRITES},
    {"pwritev2", call_pwritev2, WRITES}, {"send", call_send, WRITES},
    {"sendmsg", call_sendmsg, WRITES},   {"sendmmsg", call_sendmmsg, WRITES},
    {"sendfile", call_sendfile, WRITES}, {"splice-out", call_splice_out, WRITES},
    {"accept", call_accept, ACCEPTS},    {"accept4", call_accept4, ACCEPTS},
    {"poll", call_poll, ELSEWHERE},      {"other", call_other, ELSEWHERE},
    {"busy", call_busy, ELSEWHERE},      {"none", NULL, ELSEWHERE},
};

static void *in_thread(void *way)
{
    tid = (int)syscall(SYS_gettid);
    return (void *)((const struct way *)way)->call();
}

/* Until the thread waits within a call. */
static void await_call(bool runs)
{
    char path[64], text[64] = "";
    unsigned long first;
    long number;

    for (int i = 0; i < WAIT_MS; i++) {
        if (tid != 0 && runs)
            return;
        if (tid != 0) {
            snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
            int fd = open(path, O_RDONLY);
            if (fd < 0) {
                snprintf(path, sizeof path, "/proc/self/task/%d/wchan", tid);
                fd = pair_must(open(path, O_RDONLY), path);
            }
            ssize_t length = read(fd, text, sizeof text - 1);
            close(fd);
            text[length < 0 ? 0 : length] = '\0';
            if (strstr(path, "wchan") != NULL && text[0] != '0')
                return;
            if (sscanf(text, "%ld %lx", &number, &first) == 2 &&
                (number == SYS_poll || (int)first == subject || (int)first == other ||
                 (int)first == listener || (int)first == pipe_ends[0]))
                return;
        }
        usleep(1000);
    }
    pair_fail("the thread is in no call");
}

static struct pair small_buffers(int at)
{
    struct pair pair = pair_through(at, 0);
    int size = 16384;

    setsockopt(pair.subject, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    setsockopt(pair.peer, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return pair;
}

static void fill_sources(void)
{
    file = pair_must(memfd_create("source", 0), "memfd_create");
    pair_must(ftruncate(file, LARGE), "ftruncate");
    pair_must(pipe2(pipe_ends, 0), "pipe");
    pair_must(fcntl(pipe_ends[1], F_SETPIPE_SZ, LARGE), "F_SETPIPE_SZ");
}

/* All that comes, and how it ended. */
static void tell_end(int peer)
{
    long total = 0;
    ssize_t got;
    struct timeval patience = {WAIT_MS / 1000, 0};

    setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    while ((got = recv(peer, bytes, sizeof bytes, 0)) > 0)
        total += got;
    printf("end %s %ld\n", got == 0 ? "eof" : strerrorname_np(errno), total);
}

static void let_go_on(const struct way *way, int peer)
{
    if (way->kind == READS && send(peer, bytes, SMALL, MSG_NOSIGNAL) != SMALL)
        printf("the peer cannot send\n");
}

static int one(const struct way *way)
{
    pthread_t thread;
    void *result = NULL;
    int far;

    fill_sources();
    if (way->call == call_splice_out && write(pipe_ends[1], bytes, LARGE / 2) != LARGE / 2)
        pair_fail("pipe");
    int held = pair_listen();
    struct pair pair = small_buffers(held), aside = pair_through(held, 0);
    subject = pair.subject;
    other = aside.subject;
    listener = way->kind == ACCEPTS ? held : -1;
    if (way->kind == ELSEWHERE || way->call == call_waitall)
        if (send(pair.peer, bytes, SMALL, 0) != SMALL)
            pair_fail("send");
    if (way->call != NULL) {
        if (pthread_create(&thread, NULL, in_thread, (void *)way) != 0)
            pair_fail("pthread_create");
        await_call(way->call == call_busy);
    }
    if (way->kind == ACCEPTS) {
        struct sockaddr_in address;
        socklen_t length = sizeof address;
        pair_must(getsockname(held, (struct sockaddr *)&address, &length), "getsockname");
        pair_must(close(held), "close");
        far = pair_must(socket(AF_INET, SOCK_STREAM, 0), "socket");
        printf("closed %s\n", connect(far, (struct sockaddr *)&address, sizeof address) == 0
                                  ? "listens"
                                  : "refuses");
    } else {
        close(held);
        if (fails_to_leave && unshare(CLONE_FILES | 1) == 0)
            pair_fail("unshare has not failed");
        pair_must(close(subject), "close");
        if (way->kind == WRITES)
            shutdown(pair.peer, SHUT_WR); /* nothing else comes from there */
        printf("closed %s\n", way->kind == WRITES ? "-" : pair_view(pair.peer));
    }
    let_go_on(way, pair.peer);
    if (way->kind == WRITES || way->kind == ELSEWHERE)
        tell_end(pair.peer);
    stop = 1;
    close(aside.peer);
    if (way->call != NULL)
        pthread_join(thread, &result);
    printf("call %ld\n", (long)result);
    if (way->kind == READS)
        tell_end(pair.peer);
    return 0;
}

static void *wait_elsewhere(void *unused)
{
    char byte;
    (void)unused;
    return recv(other, &byte, 1, 0) < 0 ? NULL : &subject;
}

static double now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static int cost(int threads, bool busy)
{
    double took[ROUNDS];
    int resets = 0;
    int held = pair_listen();
    other = pair_through(held, 0).subject;

    for (int i = 0; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, busy ? in_thread : wait_elsewhere, (void *)&ways[20]) !=
            0)
            pair_fail("pthread_create");
    }
    usleep(100000); /* so that the first ones are waiting: only the figure depends on it */
    for (int i = 0; i < ROUNDS; i++) {
        struct pair pair = pair_through(held, 10);
        double before = now_us();
        close(pair.subject);
        took[i] = now_us() - before;
        resets += strcmp(pair_view(pair.peer), "reset") == 0;
        close(pair.peer);
    }
    qsort(took, ROUNDS, sizeof *took, by_size);
    printf("%d other threads, %s: close with unread data, median %.0f us, 90th percentile %.0f us, "
           "%d resets\n",
           threads, busy ? "busy" : "waiting", took[ROUNDS / 2], took[ROUNDS * 9 / 10], resets);
    return 0;
}

static int woken(int rounds)
{
    int held = pair_listen(), whole = 0;

    for (int i = 0; i < rounds; i++) {
        struct pair pair = pair_through(held, 0);
        pthread_t thread;
        void *result;
        subject = pair.subject;
        tid = 0;
        if (pthread_create(&thread, NULL, in_thread, (void *)&ways[3]) != 0)
            pair_fail("pthread_create");
        await_call(false);
        if (send(pair.peer, bytes, SMALL, MSG_NOSIGNAL) != SMALL)
            pair_fail("send");
        close(subject);
        shutdown(pair.peer, SHUT_WR);
        pthread_join(thread, &result);
        whole += (long)result == SMALL;
        close(pair.peer);
    }
    printf("%d of %d readers got what woke them\n", whole, rounds);
    return whole != rounds;
}

int main(int count, char **arguments)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (count == 3 && strcmp(arguments[1], "--dropped") == 0) {
        pair_must(setgid(65534), "setgid");
        pair_must(setuid(65534), "setuid");
        arguments++;
        count--;
    }
    if (count == 3 && strcmp(arguments[1], "--unshare") == 0) {
        fails_to_leave = true;
        arguments++;
        count--;
    }
    if (count == 3 && strcmp(arguments[1], "--cost") == 0)
        return cost(atoi(arguments[2]), false);
    if (count == 3 && strcmp(arguments[1], "--busy") == 0)
        return cost(atoi(arguments[2]), true);
    if (count == 3 && strcmp(arguments[1], "--woken") == 0)
        return woken(atoi(arguments[2]));
    for (size_t i = 0; count == 2 && i < sizeof ways / sizeof *ways; i++)
        if (strcmp(ways[i].name, arguments[1]) == 0)
            return one(&ways[i]);
    return 2;
}
