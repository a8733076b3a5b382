/* SPDX-License-Identifier: MIT */
#include "shim/states.h"

#include <stddef.h>

#include "shim/pool.h"

struct socket_states socket_states = {.beyond = DESCRIPTOR_SOCKET};

/* The highest descriptor that ever had a bit, own ones apart: nothing is looked for above it. */
static int highest = -1;

/* A bit for each 64 descriptors among which an epoll set is: they are looked for at every close
 * that begins a drain, and all others are passed over. */
enum { BLOCK = 64, BLOCKS = STATES_MOST / BLOCK };
static uint64_t with_epoll[BLOCKS / 64];

static uint64_t *epoll_word(unsigned index)
{
    return &with_epoll[index / BLOCK / 64];
}

static uint64_t epoll_bit(unsigned index)
{
    return 1ull << (index / BLOCK % 64);
}

bool states_start(unsigned descriptors)
{
    uint8_t *bytes = descriptors <= STATES_MOST ? pool_reserve(descriptors) : NULL;

    if (bytes == NULL)
        return false;
    socket_states.bytes = bytes;
    __atomic_store_n(&socket_states.count, descriptors, __ATOMIC_RELEASE);
    return true;
}

void sockets_stop(void)
{
    __atomic_store_n(&socket_states.beyond, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&socket_states.count, 0, __ATOMIC_RELEASE);
}

uint8_t sockets_state(int fd)
{
    unsigned index = (unsigned)fd;
    return index < states_count() ? __atomic_load_n(&socket_states.bytes[index], __ATOMIC_ACQUIRE)
                                  : __atomic_load_n(&socket_states.beyond, __ATOMIC_RELAXED);
}

void sockets_state_set(int fd, uint8_t bits)
{
    int known = __atomic_load_n(&highest, __ATOMIC_RELAXED);

    if ((unsigned)fd >= states_count())
        return;
    __atomic_or_fetch(&socket_states.bytes[fd], bits, __ATOMIC_SEQ_CST);
    if ((bits & DESCRIPTOR_EPOLL) != 0)
        __atomic_or_fetch(epoll_word((unsigned)fd), epoll_bit((unsigned)fd), __ATOMIC_SEQ_CST);
    while (bits != DESCRIPTOR_OWN && fd > known &&
           !__atomic_compare_exchange_n(&highest, &known, fd, false, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED)) {
    }
}

static bool block_has_epoll(unsigned index)
{
    unsigned first = index / BLOCK * BLOCK;

    for (unsigned i = first; i < first + BLOCK && i < states_count(); i++)
        if ((__atomic_load_n(&socket_states.bytes[i], __ATOMIC_SEQ_CST) & DESCRIPTOR_EPOLL) != 0)
            return true;
    return false;
}

/* Another thread may be setting one of them: it does so before it sets the bit, and we look once
 * more after we have taken that away. */
static void clear_epoll(unsigned index)
{
    if (block_has_epoll(index))
        return;
    __atomic_and_fetch(epoll_word(index), ~epoll_bit(index), __ATOMIC_SEQ_CST);
    if (block_has_epoll(index))
        __atomic_or_fetch(epoll_word(index), epoll_bit(index), __ATOMIC_SEQ_CST);
}

void sockets_state_clear(int fd, uint8_t bits)
{
    if ((unsigned)fd >= states_count())
        return;
    uint8_t before = __atomic_fetch_and(&socket_states.bytes[fd], (uint8_t)~bits, __ATOMIC_SEQ_CST);
    if ((before & bits & DESCRIPTOR_EPOLL) != 0)
        clear_epoll((unsigned)fd);
}

void sockets_state_taken(int fd)
{
    if ((unsigned)fd >= states_count())
        return;
    uint8_t before = __atomic_load_n(&socket_states.bytes[fd], __ATOMIC_SEQ_CST);
    while ((before & DESCRIPTOR_UNSURE) == 0 &&
           !__atomic_compare_exchange_n(&socket_states.bytes[fd], &before,
                                        (uint8_t)(before & ~DESCRIPTOR_SOCKET), false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
    }
}

/* The next index, from `i` on, that may have one of the bits. */
static unsigned next_candidate(unsigned i, unsigned end, uint8_t bits)
{
    while (bits == DESCRIPTOR_EPOLL && i < end) {
        uint64_t word = __atomic_load_n(epoll_word(i), __ATOMIC_SEQ_CST);
        if ((word & epoll_bit(i)) != 0)
            break;
        unsigned step = word == 0 ? BLOCK * 64 : BLOCK;
        i = (i / step + 1) * step;
    }
    if (bits == DESCRIPTOR_EPOLL)
        return i;
    /* Eight at a time over the empty stretches. */
    while (i % 8 == 0 && i + 8 <= end &&
           __atomic_load_n((uint64_t *)(void *)&socket_states.bytes[i], __ATOMIC_RELAXED) == 0)
        i += 8;
    return i;
}

int sockets_next(int fd, int last, uint8_t bits)
{
    int known = __atomic_load_n(&highest, __ATOMIC_ACQUIRE);
    unsigned end = (unsigned)(last < known ? last : known) + 1;

    if (last < 0 || known < 0)
        return -1;
    if (end > states_count())
        end = states_count();
    for (unsigned i = fd < 0 ? 0 : (unsigned)fd; i < end; i++) {
        i = next_candidate(i, end, bits);
        if (i < end && (sockets_state((int)i) & bits) != 0)
            return (int)i;
    }
    return -1;
}
