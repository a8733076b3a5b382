/* SPDX-License-Identifier: MIT */
#include "shim/holders.h"

#include <sched.h>
#include <stddef.h>
#include <sys/single_threaded.h>
#include <time.h>

#include "shim/drainer.h"
#include "shim/facts.h"
#include "shim/in_flight.h"
#include "shim/ledger.h"
#include "shim/procfs.h"
#include "shim/raw.h"
#include "shim/thread.h"
#include "shim/under_way.h"
#include "shim/unseen.h"

static uint32_t births;

uint32_t holders_births(void)
{
    return __atomic_load_n(&births, __ATOMIC_RELAXED);
}

/* Threads that are in it, and how often this one is. */
static unsigned splitting;
static _Thread_local unsigned splits_here;

void holders_splitting(int change)
{
    splits_here += (unsigned)change;
    __atomic_add_fetch(&splitting, (unsigned)change, __ATOMIC_SEQ_CST);
}

static void split(struct socket *socket, void *unused)
{
    (void)unused;
    socket->split = true;
}

void holders_split_all(void)
{
    sockets_each(split, NULL);
}

static enum holders judge(const struct socket *socket, enum ledger_answer answer)
{
    if (answer == LEDGER_SHARED || socket->split || socket->copying > 0 ||
        __atomic_load_n(&splitting, __ATOMIC_SEQ_CST) != 0)
        return HOLDERS_SHARED;
    if (answer == LEDGER_DOUBT || answer == LEDGER_SENT || socket->elsewhere || socket->travelled ||
        *ledger_rings() || socket->spawned != holders_generation())
        return HOLDERS_UNKNOWN;
    return HOLDERS_LAST;
}

enum holders holders_of(int fd, const struct socket *socket)
{
    if (socket->descriptors > socket->announced + 1)
        return HOLDERS_SHARED;
    return judge(socket, ledger_ask(socket->id, socket->opened, fd));
}

/* Who had it before may have sent it, and nobody received it yet: an exec forgets that. */
void holders_inherited(struct socket *socket)
{
    in_flight_start(false);
    socket->role = ROLE_INHERITED;
    socket->elsewhere = socket->inherited = true;
}

void holders_travelled(struct socket *socket, void *unused)
{
    (void)unused;
    socket->travelled = true;
    socket->elsewhere = true;
}

void holders_sent(struct socket *socket, void *unused)
{
    holders_travelled(socket, unused);
    socket->sent = true;
}

enum holders holders_presumed(const struct socket *socket)
{
    return socket->sent ? HOLDERS_SHARED : HOLDERS_UNKNOWN;
}

struct leaving {
    struct socket *socket;
    bool ending, perhaps, counted;
    uint64_t released;
};

/* Both at once, so that a fork finds either both done or neither. */
static void leave(struct socket *socket, void *context)
{
    struct leaving *leaving = context;

    sockets_announce(socket, 1);
    *leaving->socket = *socket;
    leaving->counted = true;
    /* Beside others that are just being closed: only when they are, see another_stays(). */
    if (!leaving->perhaps && socket->descriptors <= socket->announced &&
        (leaving->ending || socket->announced == 1))
        leaving->released = ledger_release(socket->id, socket->opened);
}

static void leave_at_last(struct socket *socket, void *context)
{
    ((struct leaving *)context)->released = ledger_release(socket->id, socket->opened);
}

/* No relative has it: should it stay open after all, only children that are born from here on get
 * it. */
static void is_alone(struct socket *socket, void *context)
{
    socket->opened = *(const uint64_t *)context;
}

static void stay(struct socket *socket, void *unused)
{
    (void)unused;
    if (socket->announced > 0)
        sockets_announce(socket, -1);
    ledger_keep(socket->id);
}

void holders_stay(uint64_t id)
{
    sockets_update(id, stay, NULL);
    ledger_keep(id); /* of one that the table has no memory for, too */
}

static bool another_open(int fd, const struct socket *socket)
{
    enum { MOST = 16 };
    int fds[MOST], count = sockets_descriptors(socket->id, fds, MOST);

    if (count > MOST)
        return true;
    for (int i = 0; i < count; i++)
        if (fds[i] != fd && facts_id(fds[i], socket->proto) == socket->id)
            return true;
    return false;
}

static void alone(struct socket *socket, void *context)
{
    (void)context;
    sockets_announce(socket, 1 - (int)socket->announced);
}

/* Other threads have said that they close theirs, and mostly have by now. One that was left by
 * siglongjmp() in between has not, and never will. */
static bool another_stays(int fd, const struct socket *socket)
{
    enum { TRIES = 200 };
    struct timespec pause = {0, 100000};

    for (int tries = 0; another_open(fd, socket); tries++) {
        if (under_way_below(socket->id))
            return true; /* goes on only after us */
        if (tries == TRIES) {
            sockets_update(socket->id, alone, NULL);
            return true;
        }
        raw_call(SYS_nanosleep, &pause, NULL);
    }
    return false;
}

enum holders holders_leave(int fd, struct socket *socket, bool ending, bool perhaps)
{
    struct leaving leaving = {.socket = socket, .ending = ending, .perhaps = perhaps};

    sockets_update(socket->id, leave, &leaving);
    if (!leaving.counted) {
        socket->announced = 1; /* the table has no memory for it */
        leaving.released = perhaps ? 0 : ledger_release(socket->id, socket->opened);
    }
    if (socket->descriptors > socket->announced)
        return HOLDERS_SHARED;
    if (!ending && socket->announced > 1) {
        if (another_stays(fd, socket))
            return HOLDERS_SHARED;
        sockets_update(socket->id, leave_at_last, &leaving);
    }
    enum ledger_answer answer = ledger_who(socket->id, socket->opened, leaving.released, fd);
    if (leaving.released != 0 && (answer == LEDGER_ALONE || answer == LEDGER_SENT))
        sockets_update(socket->id, is_alone, &leaving.released);
    if (answer == LEDGER_SENT && !socket->travelled) {
        /* The ledger forgets it with its last relative. */
        socket->travelled = socket->elsewhere = true;
        sockets_update(socket->id, holders_travelled, NULL);
    }
    return judge(socket, answer);
}

static void stay_all(struct socket *socket, void *unused)
{
    while (socket->announced > 0)
        stay(socket, unused);
}

void holders_all_stay(void)
{
    if (sockets_announced() > 0)
        sockets_each(stay_all, NULL);
}

/* Of all sockets together: a forked child looks at them only if there are some. */
static unsigned copies;

static void copy_begins(struct socket *socket, void *context)
{
    (void)context;
    socket->copying++;
    __atomic_add_fetch(&copies, 1, __ATOMIC_RELAXED);
}

static void copy_ends(struct socket *socket, void *context)
{
    (void)context;
    if (socket->copying == 0)
        return;
    socket->copying--;
    __atomic_sub_fetch(&copies, 1, __ATOMIC_RELAXED);
}

uint64_t holders_copying(int fd)
{
    struct socket socket;

    if (!sockets_find(fd, &socket))
        return 0;
    sockets_update(socket.id, copy_begins, NULL);
    return socket.id;
}

void holders_copied(uint64_t id)
{
    sockets_update(id, copy_ends, NULL);
}

static void ruled_out(struct socket *socket, void *context)
{
    socket->spawned = *(const uint32_t *)context;
    socket->elsewhere = false;
}

enum holders holders_search(int fd, const struct socket *socket, bool ending)
{
    uint32_t generation = holders_generation();
    /* Before the search: what is received meanwhile is found by it. What this process has sent is
     * likely to wait; other things do not wait long: softclose's own hand a descriptor to their
     * drain threads that way, too. */
    enum in_flight_patience patience = socket->sent ? IN_FLIGHT_HASTY
                                       : ending     ? IN_FLIGHT_ENDING
                                                    : IN_FLIGHT_PATIENT;
    bool in_flight =
        (socket->travelled || socket->inherited) && !in_flight_none(holders_one_thread(), patience);

    switch (procfs_held(facts_inode(fd), ending ? PROCFS_ALL_OWN : (int)socket->descriptors)) {
    case PROCFS_YES:
        return HOLDERS_SHARED;
    case PROCFS_NO:
        if (in_flight || *ledger_rings() || unseen_hidden() ||
            (socket->inherited && unseen_outside()))
            return HOLDERS_UNKNOWN;
        sockets_update(socket->id, ruled_out, &generation);
        return HOLDERS_LAST;
    case PROCFS_UNKNOWN:
        break;
    }
    return HOLDERS_UNKNOWN;
}

bool holders_one_thread(void)
{
    uint64_t before, after;
    unsigned ours = thread_count(&before), threads;

    /* The kernel lets only a process with one thread "leave" it, which changes nothing: unshare(2).
     * It needs no /proc, and no try where a thread of ours is there. */
    if (ours == 0)
        return raw_call(SYS_unshare, CLONE_THREAD) == 0;
    threads = procfs_threads();
    /* The same ones both times: then they are counted among the process's for certain. */
    thread_count(&after);
    if (before != after)
        return false;
    /* Without /proc there is libc's word (pthread_create(3)) alone. */
    return threads == 0 ? __libc_single_threaded : threads == 1 + ours;
}

enum holders holders_in_call(int fd, uint32_t max_draining)
{
    if (holders_one_thread())
        return HOLDERS_LAST;
    switch (drainer_ask(fd, max_draining)) {
    case IN_CALL_NO:
        return HOLDERS_LAST;
    case IN_CALL_YES:
        return HOLDERS_SHARED;
    case IN_CALL_UNKNOWN:
        break;
    }
    return HOLDERS_UNKNOWN;
}

void holders_spawned(void)
{
    __atomic_add_fetch(&births, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(ledger_generation(), 1, __ATOMIC_RELAXED);
}

uint32_t holders_generation(void)
{
    return __atomic_load_n(ledger_generation(), __ATOMIC_RELAXED);
}

static void leave_later(struct socket *socket, void *unused)
{
    (void)unused;
    if (socket->announced > 0)
        ledger_release_later(socket->id);
}

void holders_fork(int child)
{
    if (child < 0) {
        holders_spawned(); /* only a search can tell from now on */
        return;
    }
    __atomic_add_fetch(&births, 1, __ATOMIC_RELAXED);
    if (sockets_announced() > 0)
        sockets_each(leave_later, NULL);
}

void holders_forked_parent(void)
{
    /* What another thread has opened since holders_fork(), before the child was made. */
    __atomic_add_fetch(&births, 1, __ATOMIC_RELAXED);
}

/* What other threads were closing and copying in the parent nobody closes and copies here. */
static void only_ours(struct socket *socket, void *unused)
{
    (void)unused;
    socket->copying = 0;
    if (!under_way_here(socket->id))
        sockets_announce(socket, -(int)socket->announced);
}

void holders_forked_child(void)
{
    if (sockets_announced() > 0 || copies > 0)
        sockets_each(only_ours, NULL);
    copies = 0;
    /* Another thread was leaving the table and had not said so yet; it is not here to do it. */
    if (splitting != splits_here)
        holders_split_all();
    splitting = splits_here;
}
