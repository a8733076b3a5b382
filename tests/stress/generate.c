/* SPDX-License-Identifier: MIT */
/* Programs from seeds: which operations come after each other, and how often. */
#include "generator.h"

#include <string.h>

static int protocol(struct generator *g)
{
    int p = below(g, 10);

    if (p == 0 && g->mptcp)
        return MPTCP;
    return p == 1 || p == 2 ? STREAM : p == 3 ? SEQPACKET : TCP;
}

/* Mostly peers that read and finish; one that holds on costs enforce its wait at the end. */
static int manner(struct generator *g)
{
    int m = below(g, 16);
    return m == 0 ? (one_in(g, 2) ? 0 : MANNER_READS) : m < 8 ? 3 : 7;
}

static void make_one(struct generator *g)
{
    int p = protocol(g), a, b;

    switch (below(g, 9)) {
    case 0:
    case 1:
    case 2:
        a = fresh(g, CONNECTION);
        g->protocols[a] = p;
        put(g, OP_socket, a, p, one_in(g, 3) ? below(g, 8) : 0);
        if (!one_in(g, 12))
            put(g, OP_connect, a, p, manner(g));
        break;
    case 3:
        a = fresh(g, LISTENER);
        g->protocols[a] = p;
        put(g, OP_listen, a, p, 0);
        /* fall through */
    case 4:
    case 5:
        if (none(g, LISTENER))
            put(g, OP_listen, fresh(g, LISTENER), p, 0);
        a = of_kind(g, LISTENER);
        b = fresh(g, CONNECTION);
        if (one_in(g, 4)) {
            put(g, OP_self, b, a, p);
            g->kinds[b] = LOCAL;
        } else {
            put(g, OP_come, b, a, manner(g));
        }
        if (!one_in(g, 8))
            put(g, OP_accept, g->kinds[b] == LOCAL ? fresh(g, LOCAL) : b, a, below(g, 8));
        break;
    case 6:
        a = fresh(g, LOCAL);
        put(g, OP_pair, a, fresh(g, LOCAL), below(g, 3));
        break;
    case 7:
        put(g, OP_epoll, fresh(g, EPOLL), 0, 0);
        break;
    default:
        if (one_in(g, 3)) {
            a = fresh(g, OTHER);
            put(g, OP_pipe, a, fresh(g, OTHER), 0);
        } else {
            put(g, OP_null, fresh(g, OTHER), 0, 0);
        }
        break;
    }
}

static void data(struct generator *g)
{
    int s = stream(g), n = one_in(g, 3) ? below(g, 4000) : below(g, 200);
    int kind = below(g, 10);

    if (kind >= 3 && kind <= 5 && !one_in(g, 3))
        s = g->sent_to;
    switch (kind) {
    case 0:
    case 1:
        put(g, OP_send, s, n, one_in(g, 10));
        break;
    case 2:
        put(g, OP_write, s, n, 0);
        break;
    case 3:
    case 4:
        put(g, OP_recv, s, n, one_in(g, 3) ? below(g, 4) : 0);
        break;
    case 5:
        put(g, OP_read, s, n, 0);
        break;
    default:
        g->sent_to = s;
        put(g, one_in(g, 12) ? OP_peer_oob : OP_peer_send, s, n, 0);
        break;
    }
}

static void peer(struct generator *g)
{
    static const enum operation operations[] = {OP_peer_fin,  OP_peer_fin,  OP_peer_fin,
                                                OP_peer_read, OP_peer_read, OP_peer_close,
                                                OP_peer_reset};
    put(g, operations[below(g, 7)], of_kind(g, CONNECTION), 0, 0);
}

static void close_one(struct generator *g)
{
    int s = one_in(g, 10) ? any(g) : stream(g), d;

    switch (below(g, 22)) {
    case 0:
        put(g, OP_sysclose, s, 0, 0);
        gone(g, s);
        break;
    case 1:
        put(g, OP_close_range, s, one_in(g, 3) ? below(g, 6) : 0, one_in(g, 3) ? below(g, 16) : 0);
        break;
    case 2:
        if (one_in(g, 4)) {
            put(g, OP_closefrom, s, 0, 0);
            for (int i = 0; i < SLOTS; i++)
                gone(g, i);
        } else {
            put(g, OP_close_number, one_in(g, 2) ? below(g, 30) : 1030 - below(g, 60), 0, 0);
        }
        break;
    case 3:
    case 4:
        put(g, OP_dup2, one_in(g, 2) ? of_kind(g, OTHER) : stream(g), s, below(g, 5));
        break;
    case 5:
    case 6:
        put(g, OP_fclose, s, below(g, 2000), 0);
        gone(g, s);
        break;
    case 7:
        put(g, OP_freopen, s, below(g, 2000), one_in(g, 3));
        gone(g, s);
        break;
    case 8:
        put(g, OP_raise, s, below(g, 3), 0);
        break;
    case 9:
        put(g, OP_dup2_number, s, one_in(g, 2) ? below(g, 40) : 980 + below(g, 60),
            fresh(g, OTHER));
        break;
    case 10:
    case 11:
    case 12:
    case 13:
        d = fresh(g, CONNECTION);
        g->kinds[d] = g->kinds[s];
        if (one_in(g, 2))
            put(g, OP_dup, d, s, one_in(g, 4));
        else
            put(g, OP_dupfd, d, s, one_in(g, 2) ? below(g, 40) : below(g, 1000));
        break;
    case 14:
    case 15:
    case 16:
        put(g, OP_shutdown, s, below(g, 7) == 0 ? 0 : 1 + below(g, 2), one_in(g, 4));
        break;
    default:
        put(g, OP_close, s, 0, 0);
        gone(g, s);
        break;
    }
}

static void option(struct generator *g)
{
    int s = one_in(g, 5) ? of_kind(g, LISTENER) : stream(g);

    switch (below(g, 12)) {
    case 0:
    case 1:
        put(g, OP_linger, s, !one_in(g, 4), one_in(g, 3) ? 1 + below(g, 3) : 0);
        if (one_in(g, 2))
            put(g, OP_get_linger, s, 8, 0);
        break;
    case 2:
    case 3:
        put(g, OP_get_linger, s, one_in(g, 4) ? below(g, 9) : 8, 0);
        break;
    case 4:
        put(g, OP_set, s, below(g, 9), one_in(g, 4) ? -1 : below(g, 3));
        break;
    case 5:
    case 6:
        put(g, OP_get, s, below(g, 12), 0);
        break;
    case 7:
        put(g, OP_nonblock, s, one_in(g, 2), 0);
        break;
    case 8:
        put(g, OP_flags, s, 0, 0);
        break;
    case 9:
        put(g, OP_cloexec, s, one_in(g, 2), 0);
        break;
    case 10:
        put(g, OP_names, s, 0, 0);
        break;
    default:
        put(g, one_in(g, 4) ? OP_disconnect : OP_poll, s, 0, 0);
        break;
    }
}

static void set_of(struct generator *g)
{
    if (none(g, EPOLL))
        put(g, OP_epoll, fresh(g, EPOLL), 0, 0);
    int e = of_kind(g, EPOLL), s = stream(g);
    int kind = below(g, 6);

    if (kind > 1 && !one_in(g, 4)) {
        e = g->set;
        s = g->set_member;
    }
    switch (kind) {
    case 0:
    case 1:
        g->set = e;
        g->set_member = s;
        put(g, OP_epoll_add, e, s, below(g, 4));
        break;
    case 2:
        put(g, OP_epoll_mod, e, s, below(g, 4));
        break;
    case 3:
        put(g, OP_epoll_del, e, s, 0);
        break;
    default:
        put(g, OP_epoll_wait, e, 0, 0);
        break;
    }
}

static void operations(struct generator *g, int count);

static void block(struct generator *g)
{
    enum kind before[SLOTS];
    bool thread = one_in(g, 3);

    if (g->depth >= 3 || g->blocks >= 4)
        return;
    g->depth++;
    g->blocks++;
    memcpy(before, g->kinds, sizeof before);
    put(g, thread ? OP_thread : OP_fork, below(g, WAYS), 0, 0);
    operations(g, 1 + below(g, 10));
    put(g, OP_end, 0, 0, 0);
    if (!thread)
        memcpy(g->kinds, before, sizeof before);
    g->depth--;
}

static void process(struct generator *g)
{
    switch (below(g, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        block(g);
        break;
    case 4:
        if (one_in(g, 2))
            put(g, OP_exec, 0, 0, 0);
        break;
    case 5:
        if (one_in(g, 3))
            put(g, OP_spawn, below(g, 6), 0, 0);
        break;
    case 6:
        put(g, OP_sigaction, below(g, 6), below(g, 8), 0);
        break;
    case 7:
        if (one_in(g, 8))
            put(g, OP_rlimit, below(g, 1000), 0, 0);
        put(g, OP_get_rlimit, 0, 0, 0);
        break;
    case 8:
    case 9:
        if (none(g, LOCAL)) {
            int a = fresh(g, LOCAL);
            put(g, OP_pair, a, fresh(g, LOCAL), below(g, 2));
        }
        put(g, OP_give, of_kind(g, LOCAL),
            one_in(g, 3) ? of_kind(g, LISTENER) : of_kind(g, CONNECTION), 0);
        break;
    case 10:
        put(g, OP_reader, stream(g), one_in(g, 3), 0);
        break;
    default:
        put(g, OP_take, of_kind(g, LOCAL), fresh(g, CONNECTION), one_in(g, 3) ? below(g, 4) : 0);
        break;
    }
}

static void operations(struct generator *g, int count)
{
    for (int i = 0; i < count; i++) {
        int p = below(g, 100);
        if (p < 18)
            make_one(g);
        else if (p < 44)
            data(g);
        else if (p < 50)
            peer(g);
        else if (p < 68)
            close_one(g);
        else if (p < 80)
            option(g);
        else if (p < 90)
            set_of(g);
        else
            process(g);
    }
}

/* With SOFTCLOSE_LOG=stderr, and a UNIX socket as descriptor 2, its events are the peer's to read:
 * for all the library knows, that is the journal. */
static bool runs_another(const struct program *program)
{
    for (size_t i = 0; i < program->count; i++) {
        const struct step *step = &program->steps[i];
        if (step->operation == OP_exec || step->operation == OP_spawn ||
            (step->operation == OP_fork && step->operand[0] % WAYS == WAY_EXEC))
            return true;
    }
    return false;
}

void program_generate(struct program *program, uint64_t seed)
{
    struct generator g = {.state = seed * 0x2545f4914f6cdd1dull + 1, .program = program};

    *program = (struct program){.seed = seed};
    program->v6 = one_in(&g, 3);
    program->log = below(&g, 3);
    g.mptcp = one_in(&g, 6);
    for (int i = 0; i < 3; i++)
        make_one(&g);
    operations(&g, 20 + below(&g, 60));
    if (program->log == 2 && runs_another(program))
        program->log = 1;
}
