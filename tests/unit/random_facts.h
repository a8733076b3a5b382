/* SPDX-License-Identifier: MIT */
/* Facts and settings, those that make no sense together included. */
#ifndef SOFTCLOSE_TESTS_RANDOM_FACTS_H
#define SOFTCLOSE_TESTS_RANDOM_FACTS_H

#include "unit.h"

static inline bool coin(uint64_t *random)
{
    return next_random(random) >> 63;
}

static inline unsigned below(uint64_t *random, unsigned limit)
{
    return (unsigned)(next_random(random) >> 33) % limit;
}

static inline int64_t amount(uint64_t *random)
{
    return coin(random) ? 0 : (int64_t)below(random, 100000);
}

static inline struct facts random_facts(uint64_t *random)
{
    return (struct facts){
        .op = (enum operation)below(random, 4),
        .proto = (enum proto)below(random, 4),
        .type = (enum sock_type)below(random, 3),
        .role = (enum role)below(random, 4),
        .state = (enum tcp_state)below(random, 12),
        .holders = (enum holders)below(random, 3),
        .shut = (enum shut)below(random, 4),
        .how = (enum shut)below(random, 4),
        .unread = amount(random),
        .unsent = amount(random),
        .notsent = amount(random),
        .linger = (int32_t)below(random, 4) - 1,
        .linger2 = (int32_t)below(random, 3) - 1,
        .backlog = below(random, 3),
        .urgent = coin(random),
        .record = coin(random),
        .peer_fin = coin(random),
        .peer_gone = coin(random),
        .was_connected = coin(random),
        .pending_error = coin(random),
        .late_data = coin(random),
        .at_exit = coin(random),
        .awaited = coin(random),
        .bad_fd = below(random, 16) == 0,
        .unflushed = below(random, 8) == 0,
        .no_thread = below(random, 8) == 0,
        .epoll_uncertain = below(random, 8) == 0,
        .ended = coin(random) ? DRAIN_UNDER_WAY : (enum drain_result)below(random, 8),
    };
}

static inline struct settings random_settings(uint64_t *random)
{
    struct settings settings = builtin_settings(ROLE_ANY);

    settings.half_close = (enum half_close)below(random, 3);
    settings.drain = (enum drain_manner)below(random, 4);
    settings.linger_zero = (enum linger_zero)below(random, 4);
    settings.shutdown_both = (enum shutdown_both)below(random, 3);
    settings.backlog = (enum listener_backlog)below(random, 2);
    return settings;
}

#endif
