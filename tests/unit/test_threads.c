/* SPDX-License-Identifier: MIT */
/*
 * The shim's tables among threads, without its entry points, so that ThreadSanitizer can watch:
 * descriptors and sockets, the relatives' ledger, the counters.
 */
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "shim/counters.h"
#include "shim/ledger.h"
#include "shim/sockets.h"

enum { THREADS = 8, ROUNDS = 20000, NUMBERS = 1 << 12, OWN = 64, SHARED = 16 };

/* Ids that several threads have descriptors of, and those that one has. */
static uint64_t shared_id(unsigned i)
{
    return 1000000 + i % SHARED;
}

static unsigned next(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void touch(struct socket *socket, void *context)
{
    socket->matched += *(unsigned *)context;
}

static void count(struct socket *socket, void *context)
{
    *(unsigned *)context += socket->descriptors;
}

/* A lock whose holder does not get to run is passed by (locks.h): "not found", never something
 * else.
 */
static unsigned wrong, passed_by;

static void must(bool right)
{
    if (!right)
        __atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
}

static bool unless_passed_by(bool right)
{
    if (!right)
        __atomic_add_fetch(&passed_by, 1, __ATOMIC_RELAXED);
    return right;
}

/* Each thread has numbers of its own, as descriptors are one's until they are closed. */
static void *open_and_close(void *argument)
{
    unsigned me = (unsigned)(uintptr_t)argument, seed = me + 1, one = 1;

    for (unsigned round = 0; round < ROUNDS; round++) {
        int fd = (int)(me * OWN + next(&seed) % OWN);
        bool shares = next(&seed) % 2;
        uint64_t id = shares ? shared_id(next(&seed)) : 1 + me * 1000 + (unsigned)fd;
        struct socket socket = {.id = id, .domain = 2}, found;

        sockets_add(fd, &socket);
        must(sockets_maybe(fd)); /* whatever else: its close asks the kernel */
        if (unless_passed_by(sockets_find(fd, &found)))
            must(found.id == id && found.descriptors >= 1 && sockets_id(fd) == id);
        sockets_update(id, touch, &one);
        sockets_remove(fd, id);
        must(sockets_id(fd) == 0);
        if (!shares)
            unless_passed_by(!sockets_known(id));
    }
    return NULL;
}

/* What a fork and the end of a process do beside them. */
static void *look_at_all(void *unused)
{
    for (unsigned round = 0; round < ROUNDS / 20; round++) {
        unsigned descriptors = 0, none = 0;
        struct socket found;

        sockets_each(count, &descriptors);
        must(descriptors <= THREADS * OWN); /* they move on while others are counted */
        if (sockets_lock_all()) {
            sockets_each(touch, &none);
            sockets_unlock_all();
        }
        for (int fd = 0; fd < THREADS * OWN; fd += 7) /* somebody else's: anything, but whole */
            if (sockets_find(fd, &found))
                must(found.domain == 2);
    }
    return unused;
}

static void run(void *(*each)(void *), void *(*beside)(void *))
{
    pthread_t threads[THREADS + 1];

    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, each, (void *)i), 0);
    assert_int_equal(pthread_create(&threads[THREADS], NULL, beside, NULL), 0);
    for (int i = 0; i <= THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void test_table(void **state)
{
    (void)state;
    assert_true(sockets_start(NUMBERS));
    run(open_and_close, look_at_all);
    assert_int_equal(wrong, 0);
    unsigned left = 0;
    sockets_each(count, &left);
    print_message("%d operations, %u passed by a lock, %u descriptors left\n", THREADS * ROUNDS,
                  passed_by, left);
    assert_true(left <= passed_by);
    assert_true(passed_by < THREADS * ROUNDS / 100);
}

/* --- a number given up by one thread while another enters the next socket of that number, for
 * which the table's lock is not to be had (as for a handler that comes in within it) --- */

enum { NUMBER = NUMBERS - 1, TURNS = 200000 };
static unsigned turn, arrived;

static void meet(unsigned at)
{
    if (__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST) == 2 * at)
        __atomic_store_n(&turn, at, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&turn, __ATOMIC_SEQ_CST) < at)
        if (__atomic_load_n(&arrived, __ATOMIC_RELAXED) % 64 == 0)
            sched_yield();
}

static void *enter_unsure(void *lost)
{
    for (unsigned at = 1; at <= 2 * TURNS; at += 2) {
        meet(at);
        sockets_state_set(NUMBER, DESCRIPTOR_SOCKET | DESCRIPTOR_UNSURE);
        meet(at + 1);
        *(unsigned *)lost += (sockets_state(NUMBER) & DESCRIPTOR_SOCKET) == 0;
        sockets_state_clear(NUMBER, DESCRIPTOR_SOCKET | DESCRIPTOR_UNSURE);
    }
    return NULL;
}

static void test_number_taken_again(void **state)
{
    struct socket socket = {.id = 77, .domain = 2};
    unsigned lost = 0;
    pthread_t thread;

    (void)state;
    assert_true(sockets_start(NUMBERS));
    assert_int_equal(pthread_create(&thread, NULL, enter_unsure, &lost), 0);
    for (unsigned at = 1; at <= 2 * TURNS; at += 2) {
        sockets_add(NUMBER, &socket);
        meet(at);
        sockets_remove(NUMBER, socket.id);
        meet(at + 1);
    }
    pthread_join(thread, NULL);
    print_message("%d turns, %u sockets lost\n", TURNS, lost);
    assert_int_equal(lost, 0);
}

/* --- the ledger: sockets that a child has are asked for, sent and given up by all --- */

static int child;

static void *share_and_ask(void *argument)
{
    unsigned me = (unsigned)(uintptr_t)argument;

    for (unsigned round = 0; round < ROUNDS / 40; round++) {
        uint64_t id = 1 + me * ROUNDS + round;
        uint64_t opened = 1; /* before the fork: the relative may have it */
        if (round % 3 == 0)
            ledger_sent(id, opened);
        ledger_ask(id, opened, -1);
        uint64_t released = ledger_release(id, opened);
        ledger_who(id, opened, released, -1);
        ledger_keep(id);
        ledger_release(id, opened);
    }
    return NULL;
}

static void *count_events(void *unused)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        counters_unseen();
        counters_unwritten();
    }
    return unused;
}

static void test_ledger(void **state)
{
    (void)state;
    wrong = 0;
    assert_true(ledger_start());
    child = ledger_fork();
    assert_true(child >= 0);
    ledger_born(child, getpid()); /* a relative that is alive */
    run(share_and_ask, count_events);
    assert_int_equal(wrong, 0);
    assert_int_equal(ledger_add_unwritten(0), ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_number_taken_again),
        cmocka_unit_test(test_ledger),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
