/* SPDX-License-Identifier: MIT */
#include "shim/ledger.h"

#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>

#include "shim/facts.h"
#include "shim/process.h"
#include "shim/procfs.h"
#include "shim/raw.h"

enum {
    PROCESSES = 1024,
    SLOTS = 16384,
    WORDS = PROCESSES / 64,
    PROBES = 64, /* a slot further from its home than this counts as "full" */
};

enum process_flag {
    FLAG_USED = 1,
    FLAG_EXECUTED = 2, /* runs another program: it can no longer tell us what it closes */
};

static const uint64_t EMPTY = 0, DELETED = UINT64_MAX;

/* A child that has not shown its pid after this time was never born (a fork within libc failed). */
static const uint64_t BIRTH_LIMIT_NS = 10ull * 1000 * 1000 * 1000;

struct member {
    int32_t pid; /* 0: being born */
    uint32_t flags;
    uint64_t since; /* CLOCK_MONOTONIC ns */
    uint64_t space; /* the pid namespace in which `pid` is a number: inode of /proc/PID/ns/pid */
};

struct slot {
    uint64_t id;
    uint64_t holders[WORDS];
};

struct ledger {
    uint64_t unwritten;
    uint32_t generation;
    struct member members[PROCESSES];
    struct slot slots[SLOTS];
};

/* Never given to a process: whoever got the socket in a message and cannot be known. */
enum { UNKNOWN_MEMBER = PROCESSES - 1 };

static struct ledger *ledger;
static int self = -1;
static uint64_t own_space;

bool ledger_start(void)
{
    long memory = raw_call(SYS_mmap, NULL, sizeof *ledger, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if ((unsigned long)memory > -4096UL)
        return false;
    ledger = (struct ledger *)memory;
    self = 0;
    own_space = procfs_pid_space();
    ledger->members[0] = (struct member){process_pid(), FLAG_USED, process_now(), own_space};
    return true;
}

static uint64_t *word_of(struct slot *slot, int member)
{
    return &slot->holders[member / 64];
}

static uint64_t bit_of(int member)
{
    return 1ull << (member % 64);
}

static bool holds(struct slot *slot, int member)
{
    return (__atomic_load_n(word_of(slot, member), __ATOMIC_ACQUIRE) & bit_of(member)) != 0;
}

static void strike(struct slot *slot, int member)
{
    __atomic_and_fetch(word_of(slot, member), ~bit_of(member), __ATOMIC_RELEASE);
}

static bool nobody_holds(struct slot *slot)
{
    for (int i = 0; i < WORDS; i++)
        if (__atomic_load_n(&slot->holders[i], __ATOMIC_ACQUIRE) != 0)
            return false;
    return true;
}

static struct slot *slot_find(uint64_t id, bool make)
{
    size_t home = (size_t)(id * 0x9e3779b97f4a7c15ull >> 32) % SLOTS;

    for (size_t i = 0; i < PROBES; i++) {
        struct slot *slot = &ledger->slots[(home + i) % SLOTS];
        uint64_t found = __atomic_load_n(&slot->id, __ATOMIC_ACQUIRE);
        if (found == id)
            return slot;
        if (found == EMPTY)
            break;
    }
    for (size_t i = 0; make && i < PROBES; i++) {
        struct slot *slot = &ledger->slots[(home + i) % SLOTS];
        uint64_t found = __atomic_load_n(&slot->id, __ATOMIC_ACQUIRE);
        if ((found == EMPTY || found == DELETED) &&
            __atomic_compare_exchange_n(&slot->id, &found, id, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED))
            return slot;
    }
    return NULL;
}

/* The slot of a socket that nobody holds any more is free, unless another process was faster and it
 * is already somebody else's. */
static void give_back(struct slot *slot, uint64_t id)
{
    if (nobody_holds(slot))
        __atomic_compare_exchange_n(&slot->id, &id, DELETED, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED);
}

/* A process that was killed leaves its bits behind: they go before its place is given away. */
static void strike_everywhere(int member)
{
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &ledger->slots[i];
        uint64_t id = __atomic_load_n(&slot->id, __ATOMIC_ACQUIRE);
        if (id == EMPTY || id == DELETED || !holds(slot, member))
            continue;
        strike(slot, member);
        give_back(slot, id);
    }
}

static bool is_alive(const struct member *member)
{
    int32_t pid = __atomic_load_n(&member->pid, __ATOMIC_ACQUIRE);

    if (pid == 0)
        return process_now() - member->since < BIRTH_LIMIT_NS;
    /* A number of another namespace says nothing here: in doubt, alive. */
    return own_space == 0 || member->space != own_space || procfs_alive(pid);
}

static bool claim(int index)
{
    uint32_t unused = 0;
    return __atomic_compare_exchange_n(&ledger->members[index].flags, &unused, FLAG_USED, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static void birth(int index)
{
    ledger->members[index].since = process_now();
    ledger->members[index].space = 0;
    __atomic_store_n(&ledger->members[index].pid, 0, __ATOMIC_RELEASE);
}

int ledger_fork(void)
{
    if (ledger == NULL || self < 0)
        return -1;
    for (int i = 1; i < UNKNOWN_MEMBER; i++) {
        if (__atomic_load_n(&ledger->members[i].flags, __ATOMIC_RELAXED) == 0 && claim(i)) {
            birth(i);
            return i;
        }
    }
    /* Full: look for one that died without a word. */
    for (int i = 1; i < UNKNOWN_MEMBER; i++) {
        struct member *member = &ledger->members[i];
        uint32_t flags = __atomic_load_n(&member->flags, __ATOMIC_ACQUIRE);
        if (i == self || is_alive(member))
            continue;
        strike_everywhere(i);
        if (__atomic_compare_exchange_n(&member->flags, &flags, 0, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED) &&
            claim(i)) {
            birth(i);
            return i;
        }
    }
    return -1;
}

bool ledger_share(uint64_t id, int child)
{
    if (ledger == NULL || self < 0 || child < 0)
        return false;
    struct slot *slot = slot_find(id, true);
    if (slot == NULL)
        return false;
    __atomic_or_fetch(word_of(slot, self), bit_of(self), __ATOMIC_RELEASE);
    __atomic_or_fetch(word_of(slot, child), bit_of(child), __ATOMIC_RELEASE);
    return true;
}

void ledger_child(int child)
{
    self = child;
    if (ledger == NULL || self < 0)
        return;
    int32_t unknown = 0;
    own_space = procfs_pid_space();
    if (ledger->members[self].space == 0)
        ledger->members[self].space = own_space;
    __atomic_compare_exchange_n(&ledger->members[self].pid, &unknown, process_pid(), false,
                                __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

void ledger_born(int child, pid_t pid)
{
    int32_t unknown = 0;

    if (ledger != NULL && child >= 0 &&
        __atomic_compare_exchange_n(&ledger->members[child].pid, &unknown, pid, false,
                                    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        ledger->members[child].space = own_space;
}

void ledger_fork_failed(int child)
{
    if (ledger == NULL || child < 0)
        return;
    strike_everywhere(child);
    __atomic_store_n(&ledger->members[child].flags, 0, __ATOMIC_RELEASE);
}

uint32_t *ledger_generation(void)
{
    static uint32_t alone;
    return ledger == NULL ? &alone : &ledger->generation;
}

static enum ledger_answer ask_member(struct slot *slot, int index, int fd)
{
    if (index == UNKNOWN_MEMBER)
        return LEDGER_DOUBT;
    struct member *member = &ledger->members[index];
    bool executed = (__atomic_load_n(&member->flags, __ATOMIC_ACQUIRE) & FLAG_EXECUTED) != 0;

    if (!is_alive(member)) {
        /* What the program that it executed has started may have inherited the socket: from now on
         * everybody has to search. */
        if (executed)
            __atomic_add_fetch(ledger_generation(), 1, __ATOMIC_RELAXED);
        strike(slot, index);
        return executed ? LEDGER_DOUBT : LEDGER_ALONE;
    }
    if (!executed)
        return LEDGER_SHARED;
    return procfs_holds(member->pid, facts_inode(fd)) == PROCFS_YES ? LEDGER_SHARED : LEDGER_DOUBT;
}

/* What the members in `word` (number `index`) say. */
static enum ledger_answer ask_word(struct slot *slot, int index, uint64_t word, int fd)
{
    enum ledger_answer answer = LEDGER_ALONE;

    for (; word != 0; word &= word - 1) {
        enum ledger_answer one = ask_member(slot, index * 64 + __builtin_ctzll(word), fd);
        if (one == LEDGER_SHARED)
            return one;
        if (one == LEDGER_DOUBT)
            answer = one;
    }
    return answer;
}

/* `own` is the word that holds this process's bit, without that bit. */
static enum ledger_answer ask_slot(struct slot *slot, uint64_t own, int fd)
{
    enum ledger_answer answer = LEDGER_ALONE;

    for (int i = 0; i < WORDS; i++) {
        uint64_t word = i == self / 64 ? own : __atomic_load_n(&slot->holders[i], __ATOMIC_ACQUIRE);
        enum ledger_answer one = ask_word(slot, i, word, fd);
        if (one == LEDGER_SHARED)
            return one;
        if (one == LEDGER_DOUBT)
            answer = one;
    }
    return answer;
}

enum ledger_answer ledger_ask(uint64_t id, int fd)
{
    struct slot *slot = ledger == NULL || self < 0 ? NULL : slot_find(id, false);

    if (slot == NULL)
        return LEDGER_ALONE;
    uint64_t own = __atomic_load_n(word_of(slot, self), __ATOMIC_ACQUIRE) & ~bit_of(self);
    return ask_slot(slot, own, fd);
}

enum ledger_answer ledger_release(uint64_t id, int fd)
{
    struct slot *slot = ledger == NULL || self < 0 ? NULL : slot_find(id, false);

    if (slot == NULL)
        return LEDGER_ALONE;
    uint64_t own =
        __atomic_fetch_and(word_of(slot, self), ~bit_of(self), __ATOMIC_ACQ_REL) & ~bit_of(self);
    enum ledger_answer answer = ask_slot(slot, own, fd);
    give_back(slot, id);
    return answer;
}

void ledger_sent(uint64_t id)
{
    struct slot *slot = ledger == NULL || self < 0 ? NULL : slot_find(id, false);

    if (slot != NULL)
        __atomic_or_fetch(word_of(slot, UNKNOWN_MEMBER), bit_of(UNKNOWN_MEMBER), __ATOMIC_RELEASE);
}

void ledger_keep(uint64_t id)
{
    /* Without a slot nobody else is left, and none is needed. */
    struct slot *slot = ledger == NULL || self < 0 ? NULL : slot_find(id, false);

    if (slot != NULL)
        __atomic_or_fetch(word_of(slot, self), bit_of(self), __ATOMIC_RELEASE);
}

void ledger_exec(bool under_way)
{
    if (ledger == NULL || self < 0)
        return;
    if (under_way)
        __atomic_or_fetch(&ledger->members[self].flags, FLAG_EXECUTED, __ATOMIC_RELEASE);
    else
        __atomic_and_fetch(&ledger->members[self].flags, ~(uint32_t)FLAG_EXECUTED,
                           __ATOMIC_RELEASE);
}

void ledger_leave(void)
{
    if (ledger == NULL || self < 0)
        return;
    __atomic_store_n(&ledger->members[self].flags, 0, __ATOMIC_RELEASE);
    self = -1;
}

uint64_t ledger_add_unwritten(uint64_t count)
{
    static uint64_t alone;
    return __atomic_add_fetch(ledger == NULL ? &alone : &ledger->unwritten, count,
                              __ATOMIC_RELAXED);
}
