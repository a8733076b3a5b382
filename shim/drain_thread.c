/* SPDX-License-Identifier: MIT */
#include "shim/drain_thread.h"

#include <linux/close_range.h>
#include <linux/futex.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "shim/audit.h"
#include "shim/drain_table.h"
#include "shim/facts.h"
#include "shim/handover.h"
#include "shim/in_call.h"
#include "shim/log.h"
#include "shim/own_fds.h"
#include "shim/process.h"
#include "shim/raw.h"
#include "shim/tasks.h"
#include "shim/thread.h"

enum { EVENTS = 64 }; /* looked at in one turn */

static const uint32_t QUEUE = UINT32_MAX; /* epoll's word for the queue itself */

static const uint64_t SECOND = 1000000000;

struct drain_shared drain_shared;

static int epoll_fd, queue_fd;

void drain_thread_one_less(void)
{
    uint32_t load = __atomic_load_n(&drain_shared.load, __ATOMIC_SEQ_CST);

    /* Never below nothing: what a child forked in the middle of a hand-over sent into its parent's
     * queue was not counted here. */
    do {
        if ((load & DRAIN_NUMBER) == 0)
            return;
    } while (!__atomic_compare_exchange_n(&drain_shared.load, &load, load - 1, false,
                                          __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    if ((load & DRAIN_NUMBER) == 1)
        raw_call(SYS_futex, &drain_shared.load, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void release(uint32_t index, int fd)
{
    /* The program may still have the connection: then closing our descriptor would leave it in the
     * set (epoll(7)), and its events would come for a place that is somebody else's by then. */
    if (drain_table_watched(index))
        raw_call(SYS_epoll_ctl, epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    raw_call(SYS_close, fd);
    drain_table_give(index);
    drain_thread_one_less();
}

static void both_halves_down(struct socket *socket, void *segments)
{
    socket->softened = false;
    socket->shut_segments = *(const uint32_t *)segments;
}

static void ask_softened(struct socket *socket, void *softened)
{
    *(bool *)softened = socket->softened;
}

/* A softened shutdown that the program has not followed by a close: its reader wakes now. Not if it
 * has connected the socket anew meanwhile. */
static void shut_reading_half(const struct draining *draining)
{
    uint32_t segments = facts_data_segments(draining->drain.fd) + 1;
    bool softened = false;

    sockets_update(draining->socket.id, ask_softened, &softened);
    if (!softened)
        return;
    raw_call(SYS_shutdown, draining->drain.fd, SHUT_RD);
    sockets_update(draining->socket.id, both_halves_down, &segments);
}

static void tell(const struct draining *draining, enum drain_result result)
{
    audit_drain(draining->drain.fd, draining->program_fd, &draining->socket, &draining->drain,
                result);
}

static void finish(uint32_t index, enum drain_result result)
{
    struct draining draining;

    drain_table_get(index, &draining);
    if (draining.drain.soften && sockets_known(draining.socket.id))
        shut_reading_half(&draining);
    else
        drain_before_close(&draining.drain, result);
    tell(&draining, result);
    release(index, draining.drain.fd);
}

/* True: it is over. */
static bool read_one(uint32_t index)
{
    struct drain drain;

    drain_table_drain(index, &drain);
    if (drain.fd < 0)
        return true; /* finished earlier in this turn */
    enum drain_result result = drain_read(&drain, process_now());
    drain_table_progress(index, &drain);
    if (result == DRAIN_UNDER_WAY)
        return false;
    finish(index, result);
    return true;
}

/* The program has closed, or is about to, what it shut before: the drain that began then gives way.
 * One connection has one drain. */
static void end_softening(uint64_t id, enum drain_result result)
{
    uint32_t index = drain_table_softening(id);
    struct draining draining;

    if (index == DRAIN_TABLE_NONE)
        return;
    drain_table_get(index, &draining);
    if (result != DRAIN_UNDER_WAY)
        tell(&draining, result);
    release(index, draining.drain.fd);
}

/* What came without a descriptor, or finds no place: at least it is told. What was here when it was
 * decided upon has been read by then. */
static void drop(const struct handover *handover, int fd)
{
    audit_drain(fd, handover->drain.fd, &handover->socket, &handover->drain, DRAIN_ERROR);
    if (fd >= 0)
        raw_call(SYS_close, fd);
    drain_thread_one_less();
}

/* For one more beside `most` - 1. */
static void make_room(uint32_t most)
{
    while (drain_table_count() >= most && drain_table_oldest() != DRAIN_TABLE_NONE)
        finish(drain_table_oldest(), DRAIN_EVICTED);
}

static void add(const struct handover *handover, int fd)
{
    uint32_t most = handover->max_draining;

    if (most > drain_table_room())
        most = drain_table_room(); /* another rule's, after the table was made */
    if (handover->socket.softened)
        end_softening(handover->socket.id, DRAIN_UNDER_WAY);
    make_room(most);
    struct draining draining = {handover->drain, handover->socket, handover->drain.fd};
    draining.drain.fd = fd;
    uint32_t index = drain_table_take(&draining);
    if (index == DRAIN_TABLE_NONE) {
        drop(handover, fd);
        return;
    }
    /* Most peers have finished by now. Softened ones: see read_some(). */
    if (!draining.drain.soften && read_one(index))
        return;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.u32 = index};
    if (raw_call(SYS_epoll_ctl, epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        drain_table_watch(index);
    else
        finish(index, DRAIN_ERROR); /* epoll(7): max_user_watches */
}

/* Numbers for the files of threads, if there are many; how many drains leave one free for the next
 * one: the kernel throws away what it has no number for. */
static uint32_t share_out_numbers(void)
{
    enum { KEPT = 16, FEW = 4, MANY = 1024 };
    struct rlimit limit;

    if (raw_call(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) != 0 ||
        limit.rlim_cur > DRAIN_TABLE_MOST)
        limit.rlim_cur = DRAIN_TABLE_MOST;
    bool many = limit.rlim_cur >= MANY;
    tasks_keep_open(many);
    uint32_t kept = many ? KEPT + TASKS_OPEN_FILES : limit.rlim_cur > 2 * KEPT ? KEPT : FEW;
    return limit.rlim_cur > kept ? (uint32_t)limit.rlim_cur - kept : 1;
}

/* How many connections came. */
static unsigned receive(void)
{
    struct handover handover;
    uint32_t most = share_out_numbers();
    unsigned count = 0;
    int fd;

    for (;;) {
        make_room(most);
        long got = handover_receive(queue_fd, &handover, &fd);
        if (got < 0)
            return count;
        if (got != (long)sizeof handover)
            continue; /* only to wake us */
        if (handover.kind == HANDOVER_LET_GO) {
            end_softening(handover.socket.id, handover.result);
            continue;
        }
        count++;
        if (fd >= 0) {
            add(&handover, fd);
            continue;
        }
        __atomic_store_n(&drain_shared.crowded_until, process_now() + SECOND, __ATOMIC_RELAXED);
        drop(&handover, -1);
    }
}

void drain_thread_drop_queue(int fd)
{
    struct handover handover;

    /* Without room for it, the kernel closes the descriptor that comes along. */
    for (long got; (got = raw_call(SYS_recvfrom, fd, &handover, sizeof handover, MSG_DONTWAIT, NULL,
                                   NULL)) >= 0;)
        if (got == (long)sizeof handover && handover.kind == HANDOVER_DRAIN)
            drop(&handover, -1);
}

static void expire(uint64_t now)
{
    uint64_t deadline;

    for (uint32_t index; (index = drain_table_next(&deadline)) != DRAIN_TABLE_NONE;) {
        if (deadline > now)
            return;
        struct drain drain;
        drain_table_drain(index, &drain);
        enum drain_result result = drain_expired(&drain, now);
        finish(index, result == DRAIN_UNDER_WAY ? DRAIN_IDLE : result);
    }
}

static void end_all(enum drain_result result)
{
    while (drain_table_oldest() != DRAIN_TABLE_NONE)
        finish(drain_table_oldest(), result);
}

/* Descriptor 2 is the log. Where it was gone before the thread began, a connection has that number.
 */
static bool keeps_stderr;

/*
 * Its own table: everything of the program's goes, so that no pipe and no connection of the program
 * stays open because of us. The thread begins with the program's own table and leaves it here, in
 * one call: with a copy made by clone(2) it would hold everything until it is scheduled. The flag
 * stands in each call: without it, a first call that failed would let the next one close the
 * program's descriptors.
 */
static bool leave_table(int first, int last)
{
    return raw_call(SYS_close_range, first, last, CLOSE_RANGE_UNSHARE) == 0;
}

static bool table_of_own(void)
{
    const int proc = own_fds_get(OWN_PROC);
    keeps_stderr = log_on_stderr();
    const int keep[] = {own_fds_get(OWN_DRAIN_FAR), own_fds_get(OWN_LOG), keeps_stderr ? 2 : -1,
                        proc};
    int next = 0;

    queue_fd = keep[0];
    for (;;) {
        int lowest = -1;
        for (size_t i = 0; i < sizeof keep / sizeof *keep; i++)
            if (keep[i] >= next && (lowest < 0 || keep[i] < lowest))
                lowest = keep[i];
        if (lowest < 0)
            break;
        if (lowest > next && !leave_table(next, lowest - 1))
            return false;
        next = lowest + 1;
    }
    if (!leave_table(next, -1))
        return false;
    log_own_table(keep[1]);
    tasks_start(proc);
    if (proc >= 0)
        raw_call(SYS_close, proc);
    epoll_fd = (int)raw_call(SYS_epoll_create1, EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = QUEUE};
    return epoll_fd >= 0 && raw_call(SYS_epoll_ctl, epoll_fd, EPOLL_CTL_ADD, queue_fd, &event) == 0;
}

static int turn_timeout(uint64_t now, uint64_t idle_since)
{
    uint64_t until;

    if (drain_table_next(&until) == DRAIN_TABLE_NONE)
        until = idle_since + 2 * SECOND; /* then it leaves */
    if (until <= now)
        return 0;
    uint64_t ms = (until - now) / 1000000 + 1;
    return ms > 1000 ? 1000 : (int)ms; /* a second at most: stop and stderr_gone are looked at */
}

/* Unless something is just being handed over. */
static bool leave(void)
{
    uint32_t forks = __atomic_load_n(&drain_shared.load, __ATOMIC_SEQ_CST) & DRAIN_FORKS;
    uint32_t alone = forks | DRAIN_THREAD_ALIVE;

    return __atomic_compare_exchange_n(&drain_shared.load, &alone, forks, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

/* Some may have been handed over before anybody could know: they are told, and nothing else. */
static void leave_unfit(void)
{
    struct pollfd queue = {.fd = own_fds_get(OWN_DRAIN_FAR), .events = POLLIN};
    struct timespec most = {1, 0};

    __atomic_store_n(&drain_shared.unfit, true, __ATOMIC_SEQ_CST);
    for (unsigned tries = 0; tries < 10 && !leave(); tries++) {
        drain_thread_drop_queue(queue.fd);
        if (leave())
            return;
        raw_call(SYS_ppoll, &queue, 1, &most, NULL, 8);
    }
    __atomic_and_fetch(&drain_shared.load, ~(uint32_t)DRAIN_THREAD_ALIVE, __ATOMIC_SEQ_CST);
}

/* Softened ones in a second pass, after the queue: the program may have closed such a connection
 * before the peer's end came, and then the drain of that close is the one to tell of it. */
static void read_some(const struct epoll_event *events, long count, bool softened)
{
    for (long i = 0; i < count; i++)
        if (events[i].data.u32 != QUEUE && drain_table_softens(events[i].data.u32) == softened)
            read_one(events[i].data.u32);
}

/* What the program's side has asked for by a flag. True: the thread is to leave. */
static bool follow_orders(void)
{
    bool dismissed = __atomic_load_n(&drain_shared.dismissed, __ATOMIC_SEQ_CST);

    if (dismissed || __atomic_load_n(&drain_shared.stop, __ATOMIC_ACQUIRE))
        end_all(DRAIN_EXIT);
    if (__atomic_exchange_n(&drain_shared.stderr_gone, false, __ATOMIC_ACQ_REL) && keeps_stderr) {
        keeps_stderr = false;
        raw_call(SYS_close, 2);
    }
    return dismissed;
}

/*
 * While many connections come, a turn for each would cost more than their drains: being woken,
 * three calls of epoll and four that are made once in a turn. What gathers in a pause is taken in
 * one turn, and most peers have finished by then. Who asks or dismisses us ends the pause
 * (drainer.c); the end of a program may wait 0.7 ms longer.
 */
static void pause_if_busy(unsigned received, uint64_t now, uint64_t elapsed)
{
    enum { MANY_IN_A_MS = 4, SHORTEST = 300000, VARIES = 400000 };
    /* Not always the same: who looks whether the queue is ever empty (in_flight.h) may do so in
     * step. */
    struct timespec pause = {0, SHORTEST + (long)(now % VARIES)};
    uint32_t calm = PAUSE_NONE;

    if ((uint64_t)received * 1000000 < MANY_IN_A_MS * elapsed || received < 2)
        return;
    if (__atomic_compare_exchange_n(&drain_shared.pause, &calm, PAUSE_UNDER_WAY, false,
                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        raw_call(SYS_futex, &drain_shared.pause, FUTEX_WAIT_PRIVATE, PAUSE_UNDER_WAY, &pause, NULL,
                 0);
}

void drain_thread_run(void)
{
    struct epoll_event events[EVENTS];
    uint64_t idle_since = process_now(), last_turn = idle_since;

    raw_call(SYS_prctl, PR_SET_NAME, "softclose");
    raw_call(SYS_prctl, PR_SET_TIMERSLACK, 1000); /* ns: its pauses are short */
    if (!table_of_own()) {
        leave_unfit();
        return;
    }
    for (;;) {
        uint64_t now = process_now();
        __atomic_store_n(&drain_shared.pause, PAUSE_NONE, __ATOMIC_SEQ_CST);
        long count = raw_call(SYS_epoll_pwait, epoll_fd, events, EVENTS,
                              turn_timeout(now, idle_since), NULL, 8);
        in_call_answer(); /* somebody waits for that */
        read_some(events, count, false);
        thread_follow_credentials(tasks_directory());
        /* New ones last: a place that became free in this turn is given away only now. */
        unsigned received = receive();
        in_call_answer(); /* its message may just have been taken */
        read_some(events, count, true);
        now = process_now();
        expire(now);
        bool dismissed = follow_orders();
        if (drain_table_count() > 0)
            idle_since = now;
        if ((dismissed || now - idle_since >= 2 * SECOND) && leave())
            return;
        pause_if_busy(received, now, now - last_turn);
        last_turn = now;
    }
}
