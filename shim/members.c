/* SPDX-License-Identifier: MIT */
#include "shim/members.h"

#include <stddef.h>

#include "shim/process.h"
#include "shim/procfs.h"
#include "shim/raw.h"

/* A child that has not shown its pid after this time was never born (a fork within libc failed). */
static const uint64_t BIRTH_LIMIT_NS = 10ull * 1000 * 1000 * 1000;

enum { PID_BITS = 22 }; /* PID_MAX_LIMIT, linux/threads.h */

static struct members *members;
static uint64_t own_space;

/* What stands in member.pid: for a process that is being born the pid is 0. */
static uint64_t word_of(uint64_t birth, pid_t pid)
{
    return birth << PID_BITS | (uint64_t)pid;
}

static pid_t pid_in(uint64_t word)
{
    return (pid_t)(word & ((1u << PID_BITS) - 1));
}

pid_t members_pid(int place)
{
    return pid_in(__atomic_load_n(&members->places[place].pid, __ATOMIC_SEQ_CST));
}

void members_start(struct members *shared)
{
    members = shared;
    own_space = procfs_pid_space();
    members->clock = 1;
    members->births[0] = 1;
    members->places[0] = (struct member){
        .pid = word_of(1, process_pid()), .since = process_now(), .space = own_space};
}

uint64_t members_number(void)
{
    return __atomic_add_fetch(&members->clock, 1, __ATOMIC_SEQ_CST);
}

uint64_t members_now(void)
{
    return __atomic_load_n(&members->clock, __ATOMIC_SEQ_CST);
}

bool members_wait(int tries)
{
    enum { SPINS = 200, TRIES = 2000 };

    if (tries >= SPINS)
        raw_call(SYS_sched_yield);
    return tries + 1 < TRIES;
}

uint64_t members_await(const uint64_t *number)
{
    int tries = 0;

    do {
        uint64_t value = __atomic_load_n(number, __ATOMIC_SEQ_CST);
        if (value != NUMBER_PENDING)
            return value;
    } while (members_wait(tries++));
    return NUMBER_PENDING;
}

struct member *members_at(int place)
{
    return &members->places[place];
}

int members_parent(int place)
{
    return __atomic_load_n(&members->places[place].parent, __ATOMIC_SEQ_CST);
}

int members_highest(void)
{
    return (int)__atomic_load_n(&members->highest, __ATOMIC_SEQ_CST);
}

static uint64_t number_of(uint64_t birth)
{
    return birth == NUMBER_PENDING ? birth : birth & ~BIRTH_DEAD;
}

uint64_t members_owner(int place)
{
    return number_of(__atomic_load_n(&members->births[place], __ATOMIC_SEQ_CST));
}

bool members_is_dead(int place)
{
    uint64_t birth = __atomic_load_n(&members->births[place], __ATOMIC_SEQ_CST);
    return birth != NUMBER_PENDING && (birth & BIRTH_DEAD) != 0;
}

uint64_t members_birth(int place)
{
    uint64_t birth = __atomic_load_n(&members->births[place], __ATOMIC_SEQ_CST);

    if (birth == NUMBER_PENDING) {
        uint64_t since = __atomic_load_n(&members->places[place].since, __ATOMIC_SEQ_CST);
        /* One that was killed on the way is not waited for again and again. */
        if (process_now() - since > BIRTH_LIMIT_NS)
            return 0;
        birth = members_await(&members->births[place]);
    }
    return number_of(birth);
}

int members_origin(int place, uint64_t number)
{
    while (place != 0 && members_birth(place) > number)
        place = members_parent(place);
    return place;
}

static bool take(int place, int parent)
{
    struct member *member = &members->places[place];
    uint64_t none = 0;

    if (__atomic_load_n(&members->births[place], __ATOMIC_RELAXED) != 0)
        return false;
    __atomic_store_n(&member->since, process_now(), __ATOMIC_SEQ_CST);
    if (!__atomic_compare_exchange_n(&members->births[place], &none, NUMBER_PENDING, false,
                                     __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
        return false;
    __atomic_store_n(&member->pid, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&member->flags, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&member->parent, parent, __ATOMIC_RELAXED);
    __atomic_store_n(&member->children, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&member->space, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&member->left, 0, __ATOMIC_RELAXED);
    __atomic_add_fetch(&members->places[parent].children, 1, __ATOMIC_SEQ_CST);
    uint32_t highest = __atomic_load_n(&members->highest, __ATOMIC_RELAXED);
    while (highest < (uint32_t)place &&
           !__atomic_compare_exchange_n(&members->highest, &highest, (uint32_t)place, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
    }
    /* Whoever takes a later number finds this place taken, and waits for its number. */
    uint64_t birth = members_number();
    __atomic_store_n(&member->pid, word_of(birth, 0), __ATOMIC_SEQ_CST);
    __atomic_store_n(&members->births[place], birth, __ATOMIC_SEQ_CST);
    return true;
}

static int take_any(int parent)
{
    for (int place = 1; place < MEMBERS; place++)
        if (take(place, parent))
            return place;
    return -1;
}

static bool has_ended(int place, uint64_t owner)
{
    return (owner & BIRTH_DEAD) != 0 ||
           (__atomic_load_n(&members->places[place].flags, __ATOMIC_SEQ_CST) & MEMBER_LEFT) != 0;
}

/* `owner` is what stood there when the place could not be given away yet: so it is freed once, and
 * never when it is somebody else's by now. Upwards as far as nobody but this child was left. */
static void free_place(int place, uint64_t owner)
{
    while (place != 0) {
        int parent = members_parent(place);
        uint64_t above = __atomic_load_n(&members->births[parent], __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&members->places[place].children, __ATOMIC_SEQ_CST) != 0 ||
            !__atomic_compare_exchange_n(&members->births[place], &owner, 0, false,
                                         __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
            return;
        __atomic_sub_fetch(&members->places[parent].children, 1, __ATOMIC_SEQ_CST);
        if (!has_ended(parent, above))
            return;
        place = parent;
        owner = above;
    }
}

void members_free(int place)
{
    uint64_t owner = __atomic_load_n(&members->births[place], __ATOMIC_SEQ_CST);

    __atomic_or_fetch(&members->places[place].flags, MEMBER_LEFT, __ATOMIC_SEQ_CST);
    free_place(place, owner);
}

static bool shows_life(const struct member *member, pid_t pid)
{
    if (pid == 0)
        return process_now() - __atomic_load_n(&member->since, __ATOMIC_SEQ_CST) < BIRTH_LIMIT_NS;
    /* A number of another namespace says nothing here: in doubt, alive. */
    uint64_t space = __atomic_load_n(&member->space, __ATOMIC_SEQ_CST);
    return own_space == 0 || space != own_space || procfs_alive(pid);
}

/* Only of that owner, not of one who has got the place meanwhile. */
static bool declare_dead(int place, uint64_t owner, pid_t pid)
{
    uint64_t dead = owner | BIRTH_DEAD, expected = owner;

    if (!__atomic_compare_exchange_n(&members->births[place], &expected, dead, false,
                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return true;
    if (pid != 0) {
        free_place(place, dead);
        return true;
    }
    /* Unless it was born after all in this moment: members_child() looks in the other order. */
    return members_pid(place) == 0 ||
           !__atomic_compare_exchange_n(&members->births[place], &dead, owner, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

enum member_life members_life(int place, uint64_t owner, members_died *died)
{
    struct member *member = &members->places[place];
    bool executed = (__atomic_load_n(&member->flags, __ATOMIC_SEQ_CST) & MEMBER_EXECUTED) != 0;
    pid_t pid = members_pid(place);

    if (__atomic_load_n(&members->births[place], __ATOMIC_SEQ_CST) != owner)
        return MEMBER_GONE; /* dead already, or the place is somebody else's */
    if (shows_life(member, pid))
        return executed ? MEMBER_ALIVE_EXECUTED : MEMBER_ALIVE;
    if (executed)
        died();
    return declare_dead(place, owner, pid) ? MEMBER_GONE : MEMBER_ALIVE;
}

/* Those that died without a word, and have no children that are left. */
static void free_the_dead(int except, members_died *died)
{
    for (int place = 1; place < MEMBERS; place++) {
        uint64_t owner = __atomic_load_n(&members->births[place], __ATOMIC_SEQ_CST);
        if (place == except || owner == 0 || owner == NUMBER_PENDING)
            continue;
        if (!has_ended(place, owner))
            members_life(place, owner, died);
        owner = __atomic_load_n(&members->births[place], __ATOMIC_SEQ_CST);
        if (owner != 0 && owner != NUMBER_PENDING && has_ended(place, owner))
            free_place(place, owner);
    }
}

int members_claim(int parent, members_died *died)
{
    int place = take_any(parent);

    if (place >= 0)
        return place;
    free_the_dead(parent, died);
    return take_any(parent);
}

static bool show_pid(struct member *member, uint64_t birth, pid_t pid)
{
    uint64_t unknown = word_of(birth, 0);
    return __atomic_compare_exchange_n(&member->pid, &unknown, word_of(birth, pid), false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

bool members_child(int place, uint64_t birth)
{
    struct member *member = &members->places[place];

    own_space = procfs_pid_space();
    if (__atomic_load_n(&member->space, __ATOMIC_SEQ_CST) == 0)
        __atomic_store_n(&member->space, own_space, __ATOMIC_SEQ_CST);
    show_pid(member, birth, process_pid());
    return __atomic_load_n(&members->births[place], __ATOMIC_SEQ_CST) == birth;
}

void members_born(int place, uint64_t birth, pid_t pid)
{
    struct member *member = &members->places[place];

    /* By now the place can be another child's. */
    if (show_pid(member, birth, pid))
        __atomic_store_n(&member->space, own_space, __ATOMIC_SEQ_CST);
}
