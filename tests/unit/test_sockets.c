/* SPDX-License-Identifier: MIT */
/* The table of sockets: what it tells, with several descriptors, without memory, with threads and
 * forks at any moment, and how many bytes a socket takes. No socket is opened: ids are numbers. */
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"
#include "shim/sockets.h"

static int start(void **state)
{
    (void)state;
    return sockets_start(STATES_MOST) ? 0 : -1;
}

static void add(int fd, uint64_t id)
{
    const struct socket socket = {.id = id, .role = ROLE_ACCEPTED};
    sockets_add(fd, &socket);
}

static uint64_t find(int fd)
{
    struct socket socket = {.id = 0};
    return sockets_find(fd, &socket) ? socket.id : 0;
}

static uint32_t descriptors(int fd)
{
    struct socket socket = {.descriptors = 0};
    return sockets_find(fd, &socket) ? socket.descriptors : 0;
}

static void test_descriptors_of_one_socket(void **state)
{
    struct socket socket;

    (void)state;
    add(10, 77);
    add(11, 77);
    assert_int_equal(descriptors(10), 2);
    assert_true(sockets_find(11, &socket));
    assert_false(socket.renumbered);
    sockets_remove(10, 77);
    assert_int_equal(find(10), 0);
    assert_int_equal(sockets_state(10), 0);
    assert_true(sockets_find(11, &socket));
    assert_true(socket.renumbered);
    assert_int_equal(socket.descriptors, 1);
    sockets_remove(11, 76); /* another's: nothing happens */
    assert_int_equal(find(11), 77);
    assert_true(sockets_known(77));
    sockets_remove(11, 77);
    assert_false(sockets_known(77));
}

static void test_number_used_again(void **state)
{
    (void)state;
    add(20, 1);
    add(21, 1);
    add(20, 2); /* its close was not seen */
    assert_int_equal(find(20), 2);
    assert_int_equal(descriptors(21), 1);
    sockets_remove(20, 1); /* by a thread that comes late */
    assert_int_equal(find(20), 2);
    assert_int_equal(sockets_state(20), DESCRIPTOR_SOCKET);
    sockets_remove(20, 2);
    sockets_remove(21, 1);
}

/* Above the state bytes, and in every part of the ids. */
static void test_high_numbers(void **state)
{
    const int numbers[] = {0, 65535, 65536, STATES_MOST - 1, STATES_MOST, (1 << 30) - 1};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        assert_int_equal(find(numbers[i]), 0);
        add(numbers[i], 100 + i);
    }
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        assert_int_equal(find(numbers[i]), 100 + i);
        assert_true(sockets_maybe(numbers[i]));
        sockets_remove(numbers[i], 100 + i);
        assert_int_equal(find(numbers[i]), 0);
    }
    assert_int_equal(find(-1), 0);
    assert_int_equal(find(INT32_MAX), 0);
}

/* Among many sockets the epoll sets are found without a look at those: that would be a fault. */
static void test_epoll_sets(void **state)
{
    enum { MANY = 100000, PAGE = 4096 };
    const int sets[] = {5, 63, 64, 50000, 99999};
    uint8_t *bytes = socket_states.bytes;

    (void)state;
    for (int i = 0; i < MANY; i++)
        sockets_state_set(i, DESCRIPTOR_SOCKET);
    for (size_t i = 0; i < COUNT_OF(sets); i++)
        sockets_state_set(sets[i], DESCRIPTOR_EPOLL);
    for (int page = 0; page <= MANY / PAGE; page++)
        if (page != 0 && page != 50000 / PAGE && page != 99999 / PAGE)
            assert_int_equal(mprotect(bytes + page * PAGE, PAGE, PROT_NONE), 0);
    int found = -1;
    for (size_t i = 0; i < COUNT_OF(sets); i++) {
        found = sockets_next(found + 1, INT32_MAX, DESCRIPTOR_EPOLL);
        assert_int_equal(found, sets[i]);
    }
    assert_int_equal(sockets_next(found + 1, INT32_MAX, DESCRIPTOR_EPOLL), -1);
    assert_int_equal(sockets_next(65, 49999, DESCRIPTOR_EPOLL), -1);
    sockets_state_clear(63, DESCRIPTOR_EPOLL);
    assert_int_equal(sockets_next(0, 63, DESCRIPTOR_EPOLL), 5);
    assert_int_equal(sockets_next(6, 63, DESCRIPTOR_EPOLL), -1);
    sockets_state_clear(5, DESCRIPTOR_EPOLL);
    sockets_state_clear(50000, DESCRIPTOR_EPOLL);
    assert_int_equal(mprotect(bytes + 50000 / PAGE * PAGE, PAGE, PROT_NONE), 0);
    assert_int_equal(sockets_next(0, INT32_MAX, DESCRIPTOR_EPOLL), 64);
    assert_int_equal(sockets_next(65, INT32_MAX, DESCRIPTOR_EPOLL), 99999);
    assert_int_equal(mprotect(bytes, (MANY / PAGE + 1) * PAGE, PROT_READ | PROT_WRITE), 0);
    assert_int_equal(sockets_next(50000, 99999, DESCRIPTOR_SOCKET), 50000);
    for (int i = 0; i < MANY; i++)
        sockets_state_clear(i, DESCRIPTOR_SOCKET | DESCRIPTOR_EPOLL);
    assert_int_equal(sockets_next(0, INT32_MAX, 0xff), -1);
}

/* Returns the status of a child that runs `body`. */
static int in_child(void (*body)(void))
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        body();
        _exit(1);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void fill_without_memory(void)
{
    const struct rlimit none = {1 << 20, 1 << 20};
    enum { MOST = 100000, SHARDS = 16 };
    int fd = 0;

    setrlimit(RLIMIT_AS, &none);
    do {
        fd++;
        add(fd, (uint64_t)fd);
    } while (fd < MOST && (sockets_state(fd) & DESCRIPTOR_UNSURE) == 0);
    /* The first that found no room is known to be a socket, and nothing more; the others stay. */
    if (fd == MOST || fd < 1000 || find(fd) != 0 || find(fd - 1) != (uint64_t)fd - 1 ||
        sockets_state(fd) != (DESCRIPTOR_SOCKET | DESCRIPTOR_UNSURE))
        _exit(1);
    sockets_remove(fd - SHARDS, (uint64_t)(fd - SHARDS));
    add(fd, (uint64_t)fd); /* that made room */
    _exit(find(fd) == (uint64_t)fd && sockets_state(fd) == DESCRIPTOR_SOCKET ? 0 : 2);
}

static void test_without_memory(void **state)
{
    (void)state;
    if (!MEMORY_IS_OURS)
        skip();
    assert_int_equal(in_child(fill_without_memory), 0);
}

enum { RACES = 20000, FORKS = 20 };
enum { THREADS = 4, TURNS = 60000, SHARED = 4 };
static pthread_barrier_t begin;

static void bump(struct socket *socket, void *context)
{
    (void)context;
    socket->announced ^= 1;
}

/* Its own descriptors, some of them of sockets that others have, too. */
static void *work(void *argument)
{
    uint64_t number = *(const unsigned *)argument, wrong = 0;

    pthread_barrier_wait(&begin);
    for (uint64_t turn = 0; turn < TURNS; turn++) {
        int fd = 100 + (int)(number * 8 + turn % 8);
        uint64_t id = turn % 2 == 0 ? 1 + turn % SHARED : 1000 + number * TURNS + turn;
        add(fd, id);
        wrong += find(fd) != id;
        sockets_update(id, bump, NULL);
        sockets_update(id, bump, NULL);
        sockets_remove(fd, id);
        wrong += find(fd) != 0 || sockets_state(fd) != 0;
    }
    return (void *)(uintptr_t)wrong;
}

static void count_sockets(struct socket *socket, void *context)
{
    (void)socket;
    ++*(unsigned *)context;
}

/* Whatever the threads of the parent were doing: what a descriptor stands for is there. */
static void check_copy(void)
{
    unsigned count = 0;

    sockets_unlock_all();
    for (int fd = 100; fd < 100 + THREADS * 8; fd++)
        if (descriptors(fd) > THREADS)
            _exit(1);
    sockets_each(count_sockets, &count);
    add(5, 5);
    _exit(count <= THREADS + SHARED && find(5) == 5 && descriptors(5) == 1 ? 0 : 2);
}

static void check_forgotten(void)
{
    unsigned count = 0;

    sockets_forget();
    sockets_each(count_sockets, &count);
    for (int fd = 100; fd < 100 + THREADS * 8; fd++)
        count += sockets_id(fd) != 0;
    add(5, 5);
    _exit(count == 0 && find(5) == 5 ? 0 : 2);
}

/* With every lock, as fork(3) does it, and without: from a handler, or by a raw clone(2). */
static unsigned fork_beside(void)
{
    bool locked = sockets_lock_all();
    int status = -1;
    pid_t child = fork();

    if (child == 0)
        check_copy();
    if (locked)
        sockets_unlock_all();
    waitpid(child, &status, 0);
    return (locked && status != 0) + (in_child(check_forgotten) != 0);
}

static unsigned run_threads(bool with_forks)
{
    pthread_t threads[THREADS];
    unsigned numbers[THREADS], bad = 0;
    void *wrong;

    pthread_barrier_init(&begin, NULL, THREADS + 1);
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &numbers[i]), 0);
    }
    pthread_barrier_wait(&begin);
    for (unsigned i = 0; with_forks && i < FORKS; i++)
        bad += fork_beside();
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        bad += with_forks ? 0 : (unsigned)(uintptr_t)wrong;
    }
    return bad;
}

static void test_threads(void **state)
{
    unsigned left = 0;

    (void)state;
    assert_int_equal(run_threads(false), 0);
    sockets_each(count_sockets, &left);
    assert_int_equal(left, 0);
}

/* A fork that takes long has the threads give up waiting for a lock: they are not looked at. Last:
 * of what they gave up something may be left. */
static void test_threads_and_forks(void **state)
{
    (void)state;
    assert_int_equal(run_threads(true), 0);
}

/* Both threads go on from here within some tens of ns of each other, each a little later in turn.
 */
static void meet(unsigned who, uint64_t turn, unsigned delay)
{
    static uint64_t arrived[2];

    __atomic_store_n(&arrived[who], turn, __ATOMIC_RELEASE);
    for (unsigned spins = 0; __atomic_load_n(&arrived[1 - who], __ATOMIC_ACQUIRE) < turn; spins++)
        if (spins > 2000)
            sched_yield();
    for (volatile unsigned wait = delay; wait > 0; wait--)
        ;
}

/* One thread has closed a descriptor and comes late with its removal, when another one has the
 * number already: what it then stands for, and that it is a socket, must stay. */
static void *remove_late(void *unused)
{
    (void)unused;
    for (uint64_t turn = 1; turn <= RACES; turn++) {
        meet(1, 2 * turn, turn % 61);
        sockets_remove(7, 2 * turn);
        meet(1, 2 * turn + 1, 0);
    }
    return NULL;
}

static void test_number_given_away(void **state)
{
    pthread_t late;
    unsigned lost = 0;

    (void)state;
    assert_int_equal(pthread_create(&late, NULL, remove_late, NULL), 0);
    for (uint64_t turn = 1; turn <= RACES; turn++) {
        add(7, 2 * turn);
        meet(0, 2 * turn, turn % 67);
        add(7, 2 * turn + 1);
        meet(0, 2 * turn + 1, 0);
        lost += find(7) != 2 * turn + 1 || sockets_state(7) != DESCRIPTOR_SOCKET ||
                sockets_known(2 * turn);
        sockets_remove(7, 2 * turn + 1);
    }
    pthread_join(late, NULL);
    assert_int_equal(lost, 0);
}

static void begin_again(void)
{
    sockets_forget();
    if (sockets_id(30) != 0 || sockets_known(9))
        _exit(2);
    add(30, 9);
    add(31, 9);
    _exit(descriptors(30) == 2 && descriptors(31) == 2 ? 0 : 3);
}

static void test_unprepared_fork(void **state)
{
    (void)state;
    add(30, 9);
    add(31, 9);
    assert_int_equal(in_child(begin_again), 0);
    sockets_remove(30, 9);
    sockets_remove(31, 9);
}

/* 3 MiB for 10,000 sockets is the whole budget; a third is what the process has anyway. */
static void test_memory(void **state)
{
    enum { FEW = 10000, MANY = 100000, LIMIT = 168 };
    long before = memory_touched(), few;

    (void)state;
    if (!MEMORY_IS_OURS || before < 0)
        skip();
    for (int i = 1; i <= FEW; i++)
        add(i, (uint64_t)i);
    few = memory_touched();
    for (int i = FEW + 1; i <= MANY; i++)
        add(i, (uint64_t)i);
    long many = memory_touched();
    printf("# memory of an open socket: %.1f bytes with 10,000, %.1f with 100,000 (at most %d)\n",
           (double)(few - before) / FEW, (double)(many - before) / MANY, LIMIT);
    for (int i = 1; i <= MANY; i++)
        sockets_remove(i, (uint64_t)i);
    assert_true(few - before <= (long)FEW * LIMIT + (128 << 10)); /* first pages of 16 shards */
    assert_true(many - before <= (long)MANY * LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_memory), /* in a child: nothing is there yet */
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_descriptors_of_one_socket),
        cmocka_unit_test(test_number_used_again),
        cmocka_unit_test(test_high_numbers),
        cmocka_unit_test(test_epoll_sets),
        cmocka_unit_test(test_unprepared_fork),
        cmocka_unit_test(test_number_given_away),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_threads_and_forks),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
