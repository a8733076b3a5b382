/* SPDX-License-Identifier: MIT */
#include "shim/holders.h"

#include <stddef.h>

#include "shim/facts.h"
#include "shim/ledger.h"
#include "shim/procfs.h"

static uint32_t spawn_generation;

enum holders holders_of(int fd, const struct socket *socket)
{
    if (socket->descriptors > socket->announced + 1 || socket->sent)
        return HOLDERS_SHARED;
    switch (ledger_ask(socket->id, fd)) {
    case LEDGER_SHARED:
        return HOLDERS_SHARED;
    case LEDGER_DOUBT:
        return HOLDERS_UNKNOWN;
    case LEDGER_ALONE:
        break;
    }
    if (socket->elsewhere || socket->spawned != holders_generation())
        return HOLDERS_UNKNOWN;
    return HOLDERS_LAST;
}

static void ruled_out(struct socket *socket, void *context)
{
    socket->spawned = *(const uint32_t *)context;
    socket->elsewhere = false;
}

enum holders holders_search(int fd, const struct socket *socket)
{
    uint32_t generation = holders_generation();

    switch (procfs_held(facts_inode(fd))) {
    case PROCFS_YES:
        return HOLDERS_SHARED;
    case PROCFS_NO:
        sockets_update(socket->id, ruled_out, &generation);
        return HOLDERS_LAST;
    case PROCFS_UNKNOWN:
        break;
    }
    return HOLDERS_UNKNOWN;
}

void holders_spawned(void)
{
    __atomic_add_fetch(&spawn_generation, 1, __ATOMIC_RELAXED);
}

uint32_t holders_generation(void)
{
    return __atomic_load_n(&spawn_generation, __ATOMIC_RELAXED);
}

static void share(struct socket *socket, void *context)
{
    if (!ledger_share(socket->id, *(const int *)context))
        socket->elsewhere = true; /* only a search can tell from now on */
}

void holders_fork(int child)
{
    sockets_each(share, &child);
}
