/* SPDX-License-Identifier: MIT */
#include "shim/holders.h"

#include <stddef.h>

#include "shim/facts.h"
#include "shim/ledger.h"
#include "shim/procfs.h"

static uint32_t births;

uint32_t holders_births(void)
{
    return __atomic_load_n(&births, __ATOMIC_RELAXED);
}

static enum holders judge(const struct socket *socket, enum ledger_answer answer)
{
    if (answer == LEDGER_SHARED || socket->sent)
        return HOLDERS_SHARED;
    if (answer == LEDGER_DOUBT || socket->elsewhere || socket->spawned != holders_generation())
        return HOLDERS_UNKNOWN;
    return HOLDERS_LAST;
}

enum holders holders_of(int fd, const struct socket *socket)
{
    if (socket->descriptors > socket->announced + 1)
        return HOLDERS_SHARED;
    return judge(socket, ledger_ask(socket->id, fd));
}

static void leave(struct socket *socket, void *context)
{
    socket->announced++;
    *(struct socket *)context = *socket;
}

enum holders holders_leave(int fd, struct socket *socket)
{
    socket->announced = 1; /* as it is for a socket that the table has no memory for */
    sockets_update(socket->id, leave, socket);
    if (socket->descriptors > socket->announced)
        return HOLDERS_SHARED;
    return judge(socket, ledger_release(socket->id, fd));
}

static void stay(struct socket *socket, void *context)
{
    (void)context;
    if (socket->announced > 0)
        socket->announced--;
}

void holders_stay(const struct socket *socket)
{
    sockets_update(socket->id, stay, NULL);
    ledger_keep(socket->id);
}

static void ruled_out(struct socket *socket, void *context)
{
    socket->spawned = *(const uint32_t *)context;
    socket->elsewhere = false;
}

enum holders holders_search(int fd, const struct socket *socket, bool ending)
{
    uint32_t generation = holders_generation();

    switch (procfs_held(facts_inode(fd), ending ? PROCFS_ALL_OWN : (int)socket->descriptors)) {
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
    __atomic_add_fetch(&births, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(ledger_generation(), 1, __ATOMIC_RELAXED);
}

uint32_t holders_generation(void)
{
    return __atomic_load_n(ledger_generation(), __ATOMIC_RELAXED);
}

static void share(struct socket *socket, void *context)
{
    if (!ledger_share(socket->id, *(const int *)context))
        socket->elsewhere = true; /* only a search can tell from now on */
}

void holders_fork(int child)
{
    __atomic_add_fetch(&births, 1, __ATOMIC_RELAXED);
    sockets_each(share, &child);
}
