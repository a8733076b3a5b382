/* SPDX-License-Identifier: MIT */
#include "shim/ledger.h"

#include <stddef.h>
#include <sys/mman.h>

#include "shim/members.h"
#include "shim/raw.h"
#include "shim/relatives.h"
#include "shim/releases.h"

struct ledger {
    struct members members;
    struct releases releases;
    uint64_t unwritten;
    uint64_t sends;
    uint32_t generation;
    bool rings;
    bool sends_lost; /* a send could not be noted: from then on every socket may have been sent */
};

static struct ledger *ledger;
static int self = -1;

/* Until it leaves; `self` stays then, for other threads may be using it just now. */
static bool is_here;

/* Of this process's birth and its children's births the last one: what was opened later has no
 * relatives. */
static uint64_t newest;

/* The number with which this process gave up everything, at its end. */
static uint64_t left;

/* At its end: the relative that it last found alive. */
static uint64_t found_alive;

/* Of the child that this thread is forking. */
static _Thread_local uint64_t child_birth;

/* Threads that are executing another program. */
static unsigned executing;

/* Threads that are within ledger_fork(). */
static unsigned forking;

bool ledger_start(void)
{
    long memory = raw_call(SYS_mmap, NULL, sizeof *ledger, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if ((unsigned long)memory > -4096UL)
        return false;
    ledger = (struct ledger *)memory;
    members_start(&ledger->members);
    releases_start(&ledger->releases);
    self = 0;
    newest = members_now();
    is_here = true;
    return true;
}

static bool is_known(void)
{
    return __atomic_load_n(&is_here, __ATOMIC_RELAXED);
}

uint64_t ledger_now(void)
{
    return ledger == NULL ? 0 : members_now();
}

uint32_t *ledger_generation(void)
{
    static uint32_t alone;
    return ledger == NULL ? &alone : &ledger->generation;
}

bool *ledger_rings(void)
{
    static bool alone;
    return ledger == NULL ? &alone : &ledger->rings;
}

/* What the program that it executed has started may have inherited its sockets: from now on
 * everybody has to search. */
static void executed_one_died(void)
{
    __atomic_add_fetch(ledger_generation(), 1, __ATOMIC_SEQ_CST);
}

static bool is_leaving(void)
{
    return __atomic_load_n(&left, __ATOMIC_SEQ_CST) != 0;
}

static int claim_place(void)
{
    if (is_leaving())
        return -1;
    int child = members_claim(self, executed_one_died);
    if (child < 0)
        return -1;
    if (is_leaving()) { /* a child born after that would be taken to have inherited nothing */
        members_free(child);
        return -1;
    }
    child_birth = members_owner(child);
    __atomic_store_n(&newest, child_birth, __ATOMIC_SEQ_CST);
    return child;
}

int ledger_fork(void)
{
    if (!is_known())
        return -1;
    __atomic_add_fetch(&forking, 1, __ATOMIC_SEQ_CST);
    int child = claim_place();
    __atomic_sub_fetch(&forking, 1, __ATOMIC_SEQ_CST);
    return child;
}

void ledger_release_later(uint64_t id)
{
    if (is_known())
        releases_renumber(id, self, __atomic_load_n(&newest, __ATOMIC_SEQ_CST));
}

void ledger_child(int child)
{
    self = child;
    is_here = ledger != NULL && child >= 0;
    left = found_alive = 0;
    forking = executing = 0;
    if (!is_known() || members_child(child, newest))
        return;
    is_here = false;
    __atomic_add_fetch(ledger_generation(), 1, __ATOMIC_SEQ_CST);
}

void ledger_born(int child, pid_t pid)
{
    if (ledger != NULL && child >= 0)
        members_born(child, child_birth, pid);
}

void ledger_fork_failed(int child)
{
    if (ledger != NULL && child >= 0)
        members_free(child);
}

/* One load for what was opened after the last fork; otherwise a look at each birth. */
static bool has_relatives(uint64_t opened)
{
    if (opened >= __atomic_load_n(&newest, __ATOMIC_SEQ_CST))
        return false;
    if (members_origin(self, opened) != self)
        return true;
    for (int place = members_highest(); place >= 0; place--)
        if (place != self && members_owner(place) > opened)
            return true;
    return false;
}

static void mark_released(int place)
{
    uint32_t *flags = &members_at(place)->flags;

    if ((__atomic_load_n(flags, __ATOMIC_SEQ_CST) & MEMBER_RELEASED) == 0)
        __atomic_or_fetch(flags, MEMBER_RELEASED, __ATOMIC_SEQ_CST);
}

uint64_t ledger_release(uint64_t id, uint64_t opened)
{
    bool noted;

    if (!is_known() || opened >= __atomic_load_n(&newest, __ATOMIC_SEQ_CST))
        return 0;
    /* At the end it was released some time ago: relatives may have come to an answer since. */
    uint64_t at_end = members_await(&left);
    if (at_end != 0)
        return at_end;
    if (!has_relatives(opened))
        return 0;
    mark_released(self);
    return releases_put(id, self, &noted);
}

static bool was_sent(const struct query *query)
{
    if (__atomic_load_n(&ledger->sends_lost, __ATOMIC_SEQ_CST))
        return true;
    return __atomic_load_n(&ledger->sends, __ATOMIC_SEQ_CST) != 0 &&
           releases_find(query->id, RELEASE_SENT) > query->opened;
}

static enum ledger_answer ask(struct query *query)
{
    enum ledger_answer answer = relatives_ask(query);
    return answer == LEDGER_ALONE && was_sent(query) ? LEDGER_SENT : answer;
}

static struct query query_of(uint64_t id, uint64_t opened, uint64_t number, int fd)
{
    return (struct query){.id = id,
                          .opened = opened,
                          .number = number,
                          .self = self,
                          .origin = members_origin(self, opened),
                          .fd = fd,
                          .died = executed_one_died};
}

enum ledger_answer ledger_ask(uint64_t id, uint64_t opened, int fd)
{
    if (!is_known() || opened >= __atomic_load_n(&newest, __ATOMIC_SEQ_CST))
        return LEDGER_ALONE;
    struct query query = query_of(id, opened, NUMBER_PENDING, fd);
    if (has_relatives(opened))
        return ask(&query);
    /* One that has ended may have sent it before. */
    return was_sent(&query) ? LEDGER_SENT : LEDGER_ALONE;
}

/* It has released all that it held, and looks around for each socket. */
static bool is_ending(int place)
{
    struct member *member = members_at(place);

    return __atomic_load_n(&member->left, __ATOMIC_SEQ_CST) != 0 &&
           (__atomic_load_n(&member->flags, __ATOMIC_SEQ_CST) & MEMBER_LEFT) == 0;
}

/*
 * Nobody has it any more: what was noted of it can go. With that goes the release of one that has
 * an earlier number but has not yet looked around: it finds its own release gone and knows that it
 * is not the last. One that releases it by ending has none, so it is given one to find.
 */
static bool take_as_last(const struct query *query)
{
    bool noted, at_end = query->number == __atomic_load_n(&left, __ATOMIC_SEQ_CST);
    uint64_t own = releases_remove(query->id, self);

    /* What an earlier owner of the place left behind is not its own. */
    if ((own > members_owner(self) && own > query->opened) == at_end)
        return false;
    for (int place = members_highest(); place >= 0; place--) {
        uint64_t birth = members_owner(place);
        if (birth == NUMBER_PENDING || !relatives_may_have(query, place, birth))
            continue;
        if (is_ending(place) && relatives_was_given(query, place, birth)) {
            mark_released(place);
            releases_put(query->id, place, &noted);
        } else {
            releases_remove(query->id, place);
        }
    }
    if (__atomic_load_n(&ledger->sends, __ATOMIC_SEQ_CST) != 0)
        releases_remove(query->id, RELEASE_SENT);
    return true;
}

enum ledger_answer ledger_who(uint64_t id, uint64_t opened, uint64_t released, int fd)
{
    if (!is_known())
        return LEDGER_ALONE;
    if (released == 0) { /* it had no relatives: unless one has been born meanwhile */
        enum ledger_answer answer = ledger_ask(id, opened, fd);
        if (answer == LEDGER_SENT)
            releases_remove(id, RELEASE_SENT); /* the caller's table remembers it */
        return answer;
    }
    struct query query = query_of(id, opened, released, fd);
    enum ledger_answer answer = ask(&query);
    bool last = answer == LEDGER_ALONE || answer == LEDGER_SENT;
    return last && !take_as_last(&query) ? LEDGER_SHARED : answer;
}

void ledger_keep(uint64_t id)
{
    if (is_known())
        releases_remove(id, self);
}

void ledger_sent(uint64_t id, uint64_t opened)
{
    bool noted;

    /* Its own entry in the table remembers it, and is copied to children. */
    if (!is_known() || !has_relatives(opened))
        return;
    __atomic_add_fetch(&ledger->sends, 1, __ATOMIC_SEQ_CST);
    releases_put(id, RELEASE_SENT, &noted);
    if (!noted)
        __atomic_store_n(&ledger->sends_lost, true, __ATOMIC_SEQ_CST);
}

void ledger_exec(bool under_way)
{
    if (!is_known())
        return;
    uint32_t *flags = &members_at(self)->flags;
    if (under_way) {
        __atomic_add_fetch(&executing, 1, __ATOMIC_SEQ_CST);
        __atomic_or_fetch(flags, MEMBER_EXECUTED, __ATOMIC_SEQ_CST);
    } else if (__atomic_sub_fetch(&executing, 1, __ATOMIC_SEQ_CST) == 0) {
        __atomic_and_fetch(flags, ~(uint32_t)MEMBER_EXECUTED, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&executing, __ATOMIC_SEQ_CST) != 0) /* another one began meanwhile */
            __atomic_or_fetch(flags, MEMBER_EXECUTED, __ATOMIC_SEQ_CST);
    }
}

void ledger_leaving(void)
{
    if (!is_known())
        return;
    uint64_t *shared = &members_at(self)->left;
    __atomic_store_n(&left, NUMBER_PENDING, __ATOMIC_SEQ_CST);
    __atomic_store_n(shared, NUMBER_PENDING, __ATOMIC_SEQ_CST);
    uint64_t number = members_number();
    __atomic_store_n(shared, number, __ATOMIC_SEQ_CST);
    __atomic_store_n(&left, number, __ATOMIC_SEQ_CST);
}

bool ledger_goes_on(uint64_t id, uint64_t opened)
{
    if (!is_known() || !is_leaving())
        return false;
    struct query query = query_of(id, opened, __atomic_load_n(&left, __ATOMIC_SEQ_CST), -1);
    return relatives_origin_has(&query, &found_alive);
}

void ledger_leave(void)
{
    if (!is_known())
        return;
    /* A child whose place another thread is just taking keeps this one. */
    if (__atomic_load_n(&forking, __ATOMIC_SEQ_CST) == 0)
        members_free(self);
    __atomic_store_n(&is_here, false, __ATOMIC_RELAXED);
}

uint64_t ledger_add_unwritten(uint64_t count)
{
    static uint64_t alone;
    return __atomic_add_fetch(ledger == NULL ? &alone : &ledger->unwritten, count,
                              __ATOMIC_RELAXED);
}
