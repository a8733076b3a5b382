/* SPDX-License-Identifier: MIT */
#include "shim/drainer.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "shim/audit.h"
#include "shim/drain_table.h"
#include "shim/facts.h"
#include "shim/log.h"
#include "shim/own_fds.h"
#include "shim/process.h"
#include "shim/raw.h"
#include "shim/sockets.h"
#include "shim/thread.h"

enum { EVENTS = 64 }; /* looked at in one turn */

static const uint32_t QUEUE = UINT32_MAX; /* epoll's word for the queue itself */

static const uint64_t LEAVE_AFTER_NS = 2000000000;

/* How long a close may wait for the thread to be scheduled, on a machine that is overloaded. */
static const uint64_t PATIENCE_NS = 900000000;

/* What travels with the descriptor. */
struct handover {
    struct drain drain;
    struct socket socket;
    uint32_t max_draining;
};

enum phase { GONE, STARTING, RUNNING, LEAVING };

static int phase = GONE;
static unsigned under_way;   /* handed over and not over yet */
static unsigned stop;        /* drainer_wait() has given up: end what is left */
static bool queue_inherited; /* after a fork the queue is the parent's */
static bool stderr_gone;
static bool unfit;     /* the thread could not make its descriptor table: not tried again */
static bool dismissed; /* drainer_dismiss(): leave at once */

static int epoll_fd, queue_fd;

/* ---- the thread ---- */

static void one_less(void)
{
    if (__atomic_sub_fetch(&under_way, 1, __ATOMIC_SEQ_CST) == 0)
        raw_call(SYS_futex, &under_way, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void finish(uint32_t index, enum drain_result result)
{
    struct place *place = drain_table_place(index);
    struct drain *drain = &place->drain;
    uint64_t ms = (process_now() - drain->started) / 1000000;

    audit_drain(drain->fd, place->program_fd, &place->socket, drain_result_name(result),
                drain->bytes, ms);
    /* A softened shutdown that the program has not followed by a close: its reader wakes now. */
    if (drain->soften && sockets_known(place->socket.id))
        raw_call(SYS_shutdown, drain->fd, SHUT_RD);
    else
        drain_before_close(drain, result);
    /* The program may still have the connection: then closing our descriptor would leave it in the
     * set (epoll(7)), and its events would come for a place that is somebody else's by then. */
    raw_call(SYS_epoll_ctl, epoll_fd, EPOLL_CTL_DEL, drain->fd, NULL);
    raw_call(SYS_close, drain->fd);
    drain->fd = -1;
    drain_table_give(index);
    one_less();
}

static void read_one(uint32_t index)
{
    struct drain *drain = &drain_table_place(index)->drain;

    if (drain->fd < 0)
        return; /* finished earlier in this turn */
    enum drain_result result = drain_read(drain, process_now());
    if (result != DRAIN_UNDER_WAY)
        finish(index, result);
}

static void add(const struct handover *handover, int fd, uint32_t most)
{
    while (drain_table_count() >= most && drain_table_oldest() != DRAIN_TABLE_NONE)
        finish(drain_table_oldest(), DRAIN_EVICTED);
    uint32_t index = drain_table_take(&handover->drain, fd, &handover->socket);
    if (index == DRAIN_TABLE_NONE) {
        raw_call(SYS_close, fd);
        one_less();
        return;
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.u32 = index};
    if (raw_call(SYS_epoll_ctl, epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        finish(index, DRAIN_ERROR);
    else
        read_one(index);
}

static uint32_t room(void)
{
    struct rlimit limit;
    enum { KEPT = 16 };

    if (raw_call(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) != 0 ||
        limit.rlim_cur > DRAIN_TABLE_MOST)
        return DRAIN_TABLE_MOST - KEPT;
    return limit.rlim_cur > 2 * KEPT ? (uint32_t)limit.rlim_cur - KEPT : KEPT;
}

static void receive(void)
{
    struct handover handover;
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;

    for (;;) {
        struct iovec part = {&handover, sizeof handover};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof control};
        long got = raw_call(SYS_recvmsg, queue_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got < 0)
            return;
        if (got != (long)sizeof handover)
            continue; /* only to wake us */
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        int fd;
        if (rights == NULL || rights->cmsg_type != SCM_RIGHTS) {
            one_less(); /* no number left in this table: the kernel has closed it */
            continue;
        }
        memcpy(&fd, CMSG_DATA(rights), sizeof fd);
        uint32_t most = handover.max_draining, here = room();
        if (most > drain_table_room())
            most = drain_table_room(); /* another rule's, after the table was made */
        add(&handover, fd, most < here ? most : here);
    }
}

static void expire(uint64_t now)
{
    uint64_t deadline;

    for (uint32_t index; (index = drain_table_next(&deadline)) != DRAIN_TABLE_NONE;) {
        if (deadline > now)
            return;
        enum drain_result result = drain_expired(&drain_table_place(index)->drain, now);
        finish(index, result == DRAIN_UNDER_WAY ? DRAIN_IDLE : result);
    }
}

static void end_all(enum drain_result result)
{
    while (drain_table_oldest() != DRAIN_TABLE_NONE)
        finish(drain_table_oldest(), result);
}

/* Its own table: everything of the program's goes, so that no pipe and no connection of the program
 * stays open because of us. */
static bool table_of_own(void)
{
    const int keep[] = {own_fds_get(OWN_DRAIN_FAR), own_fds_get(OWN_LOG), log_on_stderr() ? 2 : -1};
    int next = 0;

    queue_fd = keep[0];
    for (;;) {
        int lowest = -1;
        for (size_t i = 0; i < sizeof keep / sizeof *keep; i++)
            if (keep[i] >= next && (lowest < 0 || keep[i] < lowest))
                lowest = keep[i];
        if (lowest < 0)
            break;
        if (lowest > next)
            raw_call(SYS_close_range, next, lowest - 1, 0);
        next = lowest + 1;
    }
    raw_call(SYS_close_range, next, ~0u, 0);
    epoll_fd = (int)raw_call(SYS_epoll_create1, EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = QUEUE};
    return epoll_fd >= 0 && raw_call(SYS_epoll_ctl, epoll_fd, EPOLL_CTL_ADD, queue_fd, &event) == 0;
}

/* libc changes the credentials of the threads that it knows. This one follows by itself: the
 * owner of /proc/PID is the process's effective user. */
static void follow_credentials(void)
{
    struct stat owner;

    if (raw_call(SYS_newfstatat, AT_FDCWD, "/proc/self", &owner, 0) != 0 ||
        owner.st_uid == (uid_t)raw_call(SYS_geteuid))
        return;
    raw_call(SYS_setgroups, 0, NULL);
    raw_call(SYS_setresgid, owner.st_gid, owner.st_gid, owner.st_gid);
    raw_call(SYS_setresuid, owner.st_uid, owner.st_uid, owner.st_uid);
}

static int turn_timeout(uint64_t now, uint64_t idle_since)
{
    uint64_t until;

    if (drain_table_next(&until) == DRAIN_TABLE_NONE)
        until = idle_since + LEAVE_AFTER_NS;
    if (until <= now)
        return 0;
    uint64_t ms = (until - now) / 1000000 + 1;
    return ms > 1000 ? 1000 : (int)ms; /* a second at most: stop and stderr_gone are looked at */
}

/* Nothing to do for a while: leave, unless something is just being handed over. */
static bool leave(void)
{
    int was = RUNNING;

    __atomic_compare_exchange_n(&phase, &was, LEAVING, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&under_way, __ATOMIC_SEQ_CST) == 0)
        return true;
    __atomic_store_n(&phase, RUNNING, __ATOMIC_SEQ_CST);
    return false;
}

static void run(void)
{
    struct epoll_event events[EVENTS];
    uint64_t idle_since = process_now();

    raw_call(SYS_prctl, 15 /* PR_SET_NAME */, "softclose");
    if (!table_of_own()) {
        __atomic_store_n(&unfit, true, __ATOMIC_SEQ_CST);
        __atomic_store_n(&phase, GONE, __ATOMIC_SEQ_CST);
        return;
    }
    __atomic_store_n(&phase, RUNNING, __ATOMIC_SEQ_CST);
    for (;;) {
        uint64_t now = process_now();
        long count = raw_call(SYS_epoll_pwait, epoll_fd, events, EVENTS,
                              turn_timeout(now, idle_since), NULL, 8);
        for (long i = 0; i < count; i++)
            if (events[i].data.u32 != QUEUE)
                read_one(events[i].data.u32);
        follow_credentials();
        /* New ones last: a place that became free in this turn is given away only now. */
        receive();
        now = process_now();
        expire(now);
        if (__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
            end_all(DRAIN_EXIT);
        if (__atomic_exchange_n(&stderr_gone, false, __ATOMIC_ACQ_REL))
            raw_call(SYS_close, 2);
        if (__atomic_load_n(&dismissed, __ATOMIC_SEQ_CST)) {
            end_all(DRAIN_EXIT);
            if (leave())
                break;
        }
        if (drain_table_count() > 0)
            idle_since = now;
        else if (now - idle_since >= LEAVE_AFTER_NS && leave())
            break;
    }
    __atomic_store_n(&phase, GONE, __ATOMIC_SEQ_CST);
}

/* ---- the program's side ---- */

static bool make_queue(bool at_start)
{
    int ends[2];

    if (raw_call(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) !=
        0)
        return false;
    queue_inherited = false;
    return own_fds_keep(OWN_DRAIN, ends[0], at_start) >= 0 &&
           own_fds_keep(OWN_DRAIN_FAR, ends[1], at_start) >= 0;
}

bool drainer_start(void)
{
    return make_queue(true);
}

void drainer_forked(void)
{
    phase = GONE;
    under_way = stop = 0;
    queue_inherited = true;
    dismissed = stderr_gone = false;
    thread_forked();
}

static void leave_parents_queue(void)
{
    for (enum own_fd which = OWN_DRAIN; which <= OWN_DRAIN_FAR; which++) {
        int fd = own_fds_get(which);
        own_fds_lost(which);
        if (fd >= 0)
            raw_call(SYS_close, fd);
    }
    make_queue(false);
}

/* One attempt to get from GONE to STARTING; false when there can be no thread. */
static bool start_thread(uint32_t max_draining)
{
    int was = GONE;

    if (__atomic_load_n(&unfit, __ATOMIC_SEQ_CST))
        return false;
    if (!__atomic_compare_exchange_n(&phase, &was, STARTING, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST))
        return true;
    if (queue_inherited)
        leave_parents_queue();
    if (own_fds_get(OWN_DRAIN) >= 0 && own_fds_get(OWN_DRAIN_FAR) >= 0 &&
        drain_table_start(max_draining) && thread_start(run))
        return true;
    __atomic_store_n(&phase, GONE, __ATOMIC_SEQ_CST);
    return false;
}

/* Makes sure that the thread runs. The count is raised already, so one that runs stays. */
static bool ensure_thread(uint32_t max_draining, uint64_t until)
{
    struct timespec pause = {0, 50000};

    while (__atomic_load_n(&phase, __ATOMIC_SEQ_CST) != RUNNING) {
        if (!start_thread(max_draining) || process_now() >= until)
            return false;
        /* It is starting, or about to leave or to stay. */
        if (__atomic_load_n(&phase, __ATOMIC_SEQ_CST) != RUNNING)
            raw_call(SYS_nanosleep, &pause, NULL);
    }
    return true;
}

/* The queue holds some hundred; a burst can outrun the thread for a moment. */
static void wait_for_room(uint64_t until)
{
    struct pollfd queue = {.fd = own_fds_get(OWN_DRAIN), .events = POLLOUT};
    uint64_t now = process_now();
    struct timespec left = {0, now < until ? (long)(until - now) : 0};

    raw_call(SYS_ppoll, &queue, 1, &left, NULL, 8);
}

static bool send_over(const struct handover *handover)
{
    struct iovec part = {(void *)handover, sizeof *handover};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {.bytes = {0}};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);

    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &handover->drain.fd, sizeof(int));
    return raw_call(SYS_sendmsg, own_fds_get(OWN_DRAIN), &message, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
}

bool drainer_take(const struct observation *observation, const struct drain *drain)
{
    struct handover handover = {.drain = *drain,
                                .socket = observation->socket,
                                .max_draining = observation->settings.max_draining};

    /* The process event and, in a forked child, the log of its own: not from the thread's table. */
    audit_introduce();
    __atomic_add_fetch(&under_way, 1, __ATOMIC_SEQ_CST);
    uint64_t until = process_now() + PATIENCE_NS;
    while (ensure_thread(handover.max_draining, until)) {
        if (send_over(&handover))
            return true;
        if (process_now() >= until)
            break;
        wait_for_room(until);
    }
    one_less();
    return false;
}

unsigned drainer_count(void)
{
    return __atomic_load_n(&under_way, __ATOMIC_SEQ_CST);
}

static void wait_until(uint64_t until)
{
    for (;;) {
        unsigned count = drainer_count();
        uint64_t now = process_now();
        if (count == 0 || now >= until)
            break;
        uint64_t left = until - now;
        struct timespec time = {(time_t)(left / 1000000000), (long)(left % 1000000000)};
        raw_call(SYS_futex, &under_way, FUTEX_WAIT_PRIVATE, count, &time, NULL, 0);
    }
}

void drainer_wait(uint32_t ms)
{
    enum { LAST_WORDS_MS = 200 };

    wait_until(process_now() + ms * 1000000ull);
    if (drainer_count() == 0)
        return;
    /* Time is up: the thread tells of each how far it came. An empty message wakes it. */
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    raw_call(SYS_sendto, own_fds_get(OWN_DRAIN), "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
    wait_until(process_now() + LAST_WORDS_MS * 1000000ull);
    __atomic_store_n(&stop, 0, __ATOMIC_RELEASE);
}

bool drainer_idle(void)
{
    return __atomic_load_n(&phase, __ATOMIC_SEQ_CST) == GONE;
}

void drainer_dismiss(void)
{
    struct timespec pause = {0, 100000};

    __atomic_store_n(&dismissed, true, __ATOMIC_SEQ_CST);
    for (unsigned tries = 0; tries < 10000 && !drainer_idle(); tries++) {
        raw_call(SYS_sendto, own_fds_get(OWN_DRAIN), "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
        raw_call(SYS_nanosleep, &pause, NULL);
    }
    thread_wait();
    __atomic_store_n(&dismissed, false, __ATOMIC_SEQ_CST);
}

void drainer_stderr_gone(void)
{
    __atomic_store_n(&stderr_gone, true, __ATOMIC_RELEASE);
}
