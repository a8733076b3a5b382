/* SPDX-License-Identifier: MIT */
#include "shim/drainer.h"

#include <errno.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <time.h>

#include "shim/audit.h"
#include "shim/drain_table.h"
#include "shim/drain_thread.h"
#include "shim/handover.h"
#include "shim/last_drains.h"
#include "shim/own_fds.h"
#include "shim/process.h"
#include "shim/raw.h"
#include "shim/thread.h"

/* A message of up to 192 bytes takes 768 of these in the kernel: room for a burst of some thousand,
 * or some hundred where net.core.wmem_max is the limit. */
enum { QUEUE_BYTES = 4 << 20 };

/* How long the end of a program may wait for room in the queue; a close() never does. */
static const uint64_t PATIENCE_NS = 900000000;
static uint64_t patient_until; /* of the whole end, not of each connection; 0 = not begun */

/* A close waits for an answer no longer than this, and then for a while not at all: the thread does
 * not get to run, and a close that is not repaired is better than one that blocks. The while is
 * short the first time, and doubles up to the wait itself as long as no answer comes. */
static const uint64_t ANSWER_NS = 1000000000, SILENCE_NS = 31250000;
enum { DOUBLED_MOST = 5 };

static bool queue_inherited; /* after a fork the queue is the parent's */

static bool has_own_queue(void)
{
    return !__atomic_load_n(&queue_inherited, __ATOMIC_ACQUIRE);
}

static bool make_queue(bool at_start)
{
    int ends[2];

    if (raw_call(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) !=
        0)
        return false;
    int bytes = QUEUE_BYTES;
    if (raw_call(SYS_setsockopt, ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0)
        raw_call(SYS_setsockopt, ends[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    bool kept = own_fds_keep(OWN_DRAIN, ends[0], at_start) >= 0;
    kept = own_fds_keep(OWN_DRAIN_FAR, ends[1], at_start) >= 0 && kept;
    if (kept) /* last: whoever sees it finds both ends */
        __atomic_store_n(&queue_inherited, false, __ATOMIC_RELEASE);
    return kept;
}

/* Never the parent's. */
static void drop_queue(void)
{
    if (has_own_queue())
        drain_thread_drop_queue(own_fds_get(OWN_DRAIN_FAR));
}

bool drainer_start(void)
{
    return make_queue(true);
}

void drainer_forked(void)
{
    in_call_forked();
    bool unfit = drain_shared.unfit;

    /* Counted in the load itself: a signal handler may fork in a hand-over, and whoever raised the
     * number is to know in which process. */
    uint32_t forks = ((drain_shared.load & DRAIN_FORKS) + DRAIN_ONE_FORK) & DRAIN_FORKS;
    drain_shared = (struct drain_shared){.unfit = unfit, .load = forks};
    queue_inherited = true;
    patient_until = 0;
    thread_forked();
    last_drains_forked();
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

static bool alive(void)
{
    return (__atomic_load_n(&drain_shared.load, __ATOMIC_SEQ_CST) & DRAIN_THREAD_ALIVE) != 0;
}

/* The thread leaves the program's descriptor table by close_range(2), Linux 5.9. Asked for a range
 * of nothing, a kernel that has the call, and a filter that lets it through, say EINVAL. */
static bool can_leave_table(void)
{
    if (raw_call(SYS_close_range, 1, 0, CLOSE_RANGE_UNSHARE) == -EINVAL)
        return true;
    __atomic_store_n(&drain_shared.unfit, true, __ATOMIC_SEQ_CST);
    return false;
}

/*
 * Makes sure that the thread runs, or will. The count is raised already, so one that runs stays.
 * Whoever finds another one just starting it relies on that: if it fails, the starter tells of what
 * has come into the queue meanwhile. Not while that one still makes a forked child's queue.
 */
static bool ensure_thread(uint32_t max_draining)
{
    uint32_t before;

    if (__atomic_load_n(&drain_shared.unfit, __ATOMIC_SEQ_CST))
        return false;
    if (alive())
        return has_own_queue();
    before = __atomic_fetch_or(&drain_shared.load, DRAIN_THREAD_ALIVE, __ATOMIC_SEQ_CST);
    if ((before & DRAIN_THREAD_ALIVE) != 0)
        return has_own_queue();
    if (!has_own_queue())
        leave_parents_queue();
    if (own_fds_get(OWN_DRAIN) >= 0 && own_fds_get(OWN_DRAIN_FAR) >= 0 && can_leave_table() &&
        drain_table_start(max_draining) && thread_start(drain_thread_run))
        return true;
    __atomic_and_fetch(&drain_shared.load, ~(uint32_t)DRAIN_THREAD_ALIVE, __ATOMIC_SEQ_CST);
    drop_queue();
    return false;
}

static void wait_for_room(uint64_t until)
{
    struct pollfd queue = {.fd = own_fds_get(OWN_DRAIN), .events = POLLOUT};
    uint64_t now = process_now();
    struct timespec left = {0, now < until ? (long)(until - now) : 0};

    raw_call(SYS_ppoll, &queue, 1, &left, NULL, 8);
}

static bool send_soon(const struct observation *observation, const struct handover *handover)
{
    bool sent = handover_send(own_fds_get(OWN_DRAIN), handover);

    if (sent || !observation->facts.awaited)
        return sent;
    if (patient_until == 0)
        patient_until = process_now() + PATIENCE_NS;
    while (!sent && process_now() < patient_until) {
        wait_for_room(patient_until);
        sent = handover_send(own_fds_get(OWN_DRAIN), handover);
    }
    return sent;
}

static uint32_t forks_so_far(void)
{
    return __atomic_load_n(&drain_shared.load, __ATOMIC_SEQ_CST) & DRAIN_FORKS;
}

bool drainer_take(const struct observation *observation, const struct drain *drain)
{
    struct handover handover = {.kind = HANDOVER_DRAIN,
                                .drain = *drain,
                                .socket = observation->socket,
                                .max_draining = observation->settings.max_draining};

    if (drain->started < __atomic_load_n(&drain_shared.crowded_until, __ATOMIC_RELAXED))
        return false;
    /* The process event and, in a forked child, the log of its own: not from the thread's table. */
    audit_introduce();
    uint32_t forks = __atomic_add_fetch(&drain_shared.load, 1, __ATOMIC_SEQ_CST) & DRAIN_FORKS;
    bool given = ensure_thread(handover.max_draining) && forks == forks_so_far() &&
                 send_soon(observation, &handover);
    if (forks != forks_so_far())
        return false; /* we are a child by now, whose count begins anew */
    if (!given) {
        drain_thread_one_less();
        return false;
    }
    /* Somebody else was just starting the thread, and could not: then perhaps we can. */
    if (!alive() && !ensure_thread(handover.max_draining))
        drop_queue();
    return true;
}

void drainer_let_go(uint64_t id, enum drain_result result)
{
    const struct handover handover = {.kind = HANDOVER_LET_GO, .result = result, .socket.id = id};

    if (alive() && has_own_queue())
        raw_call(SYS_sendto, own_fds_get(OWN_DRAIN), &handover, sizeof handover,
                 MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

static void wake(void)
{
    if (__atomic_exchange_n(&drain_shared.pause, PAUSE_REFUSED, __ATOMIC_SEQ_CST) ==
        PAUSE_UNDER_WAY)
        raw_call(SYS_futex, &drain_shared.pause, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    /* An empty message. With a full queue the thread has to come round anyway. */
    raw_call(SYS_sendto, own_fds_get(OWN_DRAIN), "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

static enum in_call ask(int fd)
{
    uint64_t until = process_now() + ANSWER_NS;
    enum in_call answer;
    int question = in_call_ask(fd);

    if (question < 0)
        return IN_CALL_UNKNOWN;
    wake();
    if (!in_call_wait(question, until, &answer)) {
        uint32_t before = __atomic_fetch_add(&drain_shared.unanswered, 1, __ATOMIC_RELAXED);
        uint64_t silence = SILENCE_NS << (before < DOUBLED_MOST ? before : DOUBLED_MOST);
        __atomic_store_n(&drain_shared.silent_until, until + silence, __ATOMIC_RELAXED);
        return IN_CALL_UNKNOWN;
    }
    __atomic_store_n(&drain_shared.unanswered, 0, __ATOMIC_RELAXED);
    return answer;
}

enum in_call drainer_ask(int fd, uint32_t max_draining)
{
    enum in_call answer = IN_CALL_UNKNOWN;
    uint64_t all = ~0ull, before;

    if (process_now() < __atomic_load_n(&drain_shared.silent_until, __ATOMIC_RELAXED))
        return answer;
    audit_introduce(); /* as in drainer_take() */
    /* A handler that leaves by siglongjmp() while the answer is waited for would leave the count
     * raised for good, and every end of the program would wait for that drain. */
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof before);
    __atomic_add_fetch(&drain_shared.load, 1, __ATOMIC_SEQ_CST);
    if (ensure_thread(max_draining))
        answer = ask(fd);
    drain_thread_one_less();
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
    return answer;
}

unsigned drainer_count(void)
{
    return __atomic_load_n(&drain_shared.load, __ATOMIC_SEQ_CST) & DRAIN_NUMBER;
}

static void wait_until(uint64_t until)
{
    for (;;) {
        uint32_t load = __atomic_load_n(&drain_shared.load, __ATOMIC_SEQ_CST);
        uint64_t now = process_now();
        if (drainer_count() == 0 || now >= until)
            break;
        uint64_t left = until - now;
        struct timespec time = {(time_t)(left / 1000000000), (long)(left % 1000000000)};
        raw_call(SYS_futex, &drain_shared.load, FUTEX_WAIT_PRIVATE, load, &time, NULL, 0);
    }
}

void drainer_wait(uint32_t ms)
{
    enum { LAST_WORDS_MS = 200 };

    wait_until(process_now() + ms * 1000000ull);
    if (drainer_count() == 0)
        return;
    /* Time is up: the thread tells of each how far it came. */
    __atomic_store_n(&drain_shared.stop, 1, __ATOMIC_RELEASE);
    wake();
    wait_until(process_now() + LAST_WORDS_MS * 1000000ull);
    __atomic_store_n(&drain_shared.stop, 0, __ATOMIC_RELEASE);
    if (drainer_count() > 0) /* the thread has not had a chance to run */
        drop_queue();
}

bool drainer_idle(void)
{
    return !alive() && !thread_running();
}

void drainer_dismiss(void)
{
    struct timespec pause = {0, 100000};

    __atomic_store_n(&drain_shared.dismissed, true, __ATOMIC_SEQ_CST);
    for (unsigned tries = 0; tries < 10000 && alive(); tries++) {
        wake();
        raw_call(SYS_nanosleep, &pause, NULL);
    }
    thread_wait();
    __atomic_store_n(&drain_shared.dismissed, false, __ATOMIC_SEQ_CST);
}

void drainer_stderr_gone(void)
{
    __atomic_store_n(&drain_shared.stderr_gone, true, __ATOMIC_RELEASE);
}
