/* SPDX-License-Identifier: MIT */
#include "shim/relatives.h"

#include "shim/facts.h"
#include "shim/procfs.h"
#include "shim/releases.h"

/* When the member released the socket; 0: it has not. Numbers from before the socket was opened, or
 * the member born, are about others. */
static uint64_t released_at(const struct query *query, int place, uint64_t birth)
{
    const struct member *member = members_at(place);
    uint64_t at_end = members_await(&member->left), number = 0;

    if ((__atomic_load_n(&member->flags, __ATOMIC_SEQ_CST) & MEMBER_RELEASED) != 0)
        number = releases_find(query->id, place);
    if (number <= query->opened || number <= birth)
        number = 0;
    return number == 0 || (at_end != 0 && at_end < number) ? at_end : number;
}

bool relatives_was_given(const struct query *query, int place, uint64_t birth)
{
    while (birth > query->opened && place > 0) {
        int parent = members_parent(place);
        uint64_t of_parent = members_birth(parent);
        uint64_t released = released_at(query, parent, of_parent);
        if (released != 0 && released < birth)
            return false;
        place = parent;
        birth = of_parent;
    }
    return place == query->origin;
}

bool relatives_may_have(const struct query *query, int place, uint64_t birth)
{
    return birth != 0 && place != query->self && (birth > query->opened || place == query->origin);
}

static enum ledger_answer ask_member(struct query *query, int place)
{
    bool known_dead = members_is_dead(place);
    uint64_t birth = members_birth(place);

    if (!relatives_may_have(query, place, birth))
        return LEDGER_ALONE;
    if (birth == NUMBER_PENDING)
        return LEDGER_DOUBT; /* stopped, just before it forked */
    uint64_t released = released_at(query, place, birth);
    if ((released != 0 && released < query->number) || !relatives_was_given(query, place, birth))
        return LEDGER_ALONE;
    switch (members_life(place, birth, query->died)) {
    case MEMBER_ALIVE:
        return LEDGER_SHARED;
    case MEMBER_ALIVE_EXECUTED:
        return procfs_holds(members_pid(place), facts_inode(query->fd)) == PROCFS_YES
                   ? LEDGER_SHARED
                   : LEDGER_DOUBT;
    case MEMBER_GONE:
        break;
    }
    query->deaths |= !known_dead || !query->again || birth > query->begun;
    return LEDGER_ALONE;
}

/* The one that it was opened in first: it is the likeliest. */
static enum ledger_answer ask_members(struct query *query)
{
    enum ledger_answer answer = ask_member(query, query->origin);

    for (int place = members_highest(); place >= 0 && answer != LEDGER_SHARED; place--) {
        if (place == query->origin || members_owner(place) <= query->opened)
            continue;
        enum ledger_answer one = ask_member(query, place);
        if (one > answer)
            answer = one;
    }
    return answer;
}

enum ledger_answer relatives_ask(struct query *query)
{
    enum { TRIES = 8 };

    query->begun = members_now();
    for (int tries = 0; tries < TRIES; tries++, query->again = true) {
        uint64_t before = members_now();
        query->deaths = false;
        enum ledger_answer answer = ask_members(query);
        /* One may have forked behind our back before it died. */
        if (answer != LEDGER_ALONE || !query->deaths || members_now() == before)
            return answer;
    }
    return LEDGER_DOUBT;
}

bool relatives_origin_has(const struct query *query, uint64_t *alive)
{
    uint64_t birth = members_birth(query->origin);

    if (!relatives_may_have(query, query->origin, birth) || birth == NUMBER_PENDING ||
        released_at(query, query->origin, birth) != 0)
        return false;
    if (birth != *alive && members_life(query->origin, birth, query->died) != MEMBER_ALIVE)
        return false;
    *alive = birth;
    return true;
}
