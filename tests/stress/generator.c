/* SPDX-License-Identifier: MIT */
#include "generator.h"

/* splitmix64 */
static uint64_t draw(struct generator *g)
{
    uint64_t z = g->state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

int below(struct generator *g, int limit)
{
    return (int)(draw(g) % (uint64_t)limit);
}

bool one_in(struct generator *g, int n)
{
    return below(g, n) == 0;
}

void put(struct generator *g, enum operation operation, int a, int b, int c)
{
    struct program *program = g->program;

    if (program->count < PROGRAM_MOST)
        program->steps[program->count++] = (struct step){operation, {a, b, c}};
}

int any(struct generator *g)
{
    return below(g, g->slots_used == 0 || one_in(g, 16) || g->slots_used > SLOTS ? SLOTS
                                                                                 : g->slots_used);
}

int of_kind(struct generator *g, enum kind kind)
{
    int found[SLOTS], count = 0;

    if (one_in(g, 24))
        return any(g);
    for (int i = 0; i < SLOTS; i++)
        if (g->kinds[i] == kind)
            found[count++] = i;
    return count == 0 ? any(g) : found[below(g, count)];
}

bool none(const struct generator *g, enum kind kind)
{
    for (int i = 0; i < SLOTS; i++)
        if (g->kinds[i] == kind)
            return false;
    return true;
}

int fresh(struct generator *g, enum kind kind)
{
    int slot = g->slots_used++ % SLOTS;

    g->kinds[slot] = kind;
    return slot;
}

int stream(struct generator *g)
{
    if (none(g, CONNECTION)) {
        int slot = fresh(g, CONNECTION);
        put(g, OP_socket, slot, TCP, 0);
        put(g, OP_connect, slot, TCP, 7);
    }
    return of_kind(g, one_in(g, 4) ? LOCAL : CONNECTION);
}

void gone(struct generator *g, int slot)
{
    if (!one_in(g, 4))
        g->kinds[slot] = EMPTY;
}
