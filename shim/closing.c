/* SPDX-License-Identifier: MIT */
#include "shim/closing.h"

#include <errno.h>

#include "shim/audit.h"
#include "shim/drainer.h"
#include "shim/epoll_sets.h"
#include "shim/facts.h"
#include "shim/holders.h"
#include "shim/log.h"
#include "shim/repair.h"
#include "shim/start.h"
#include "shim/under_way.h"

static uint64_t announced;

void closing_begin(struct closing *closing, int fd, const char *via, void *caller)
{
    closing_begin_stream(closing, fd, via, false, caller);
}

void closing_begin_stream(struct closing *closing, int fd, const char *via, bool unflushed,
                          void *caller)
{
    uint8_t state;

    closing->active = closing->was_closed = closing->epoll_set = closing->log = false;
    closing->fd = fd;
    closing->via = via;
    closing->caller = caller;
    state = sockets_state(fd);
    if (state == DESCRIPTOR_CLOSED) {
        closing->was_closed = true; /* the number is most likely a file's by now */
        return;
    }
    if (!start_enter())
        return;
    state = sockets_state(fd);
    closing->log = (state & DESCRIPTOR_LOG) != 0;
    closing->was_closed = (state & DESCRIPTOR_CLOSED) != 0;
    closing->epoll_set = (state & DESCRIPTOR_EPOLL) != 0;
    if (closing->epoll_set)
        closing->sets_made = epoll_sets_made();
    if ((state & (DESCRIPTOR_SOCKET | DESCRIPTOR_UNSURE)) == 0 ||
        !observation_identify(&closing->observation, fd))
        return;
    closing->was_closed = false;
    closing->active = true;
    closing->observation.via = via;
    under_way_begin(closing->observation.socket.id, closing, holders_stay);
    observation_decide(&closing->observation,
                       (struct question){.op = OP_CLOSE, .unflushed = unflushed}, caller);
    repair_close(&closing->observation);
}

static void let_stderr_go(void)
{
    if (log_stderr_gone())
        drainer_stderr_gone();
}

static int end(struct closing *closing, int result, bool closed)
{
    int error = errno;

    if (closing->log)
        let_stderr_go();
    if (closing->epoll_set && result >= 0)
        epoll_sets_closed(closing->fd, closing->sets_made);
    if (closing->active)
        under_way_end(closing->observation.socket.id, closing, holders_stay);
    if (closing->active && closed) {
        sockets_remove(closing->fd, closing->observation.socket.id);
        sockets_state_set(closing->fd, DESCRIPTOR_CLOSED);
        observation_tell(&closing->observation, result < 0 ? error : 0);
    } else if (closing->active) {
        holders_stay(closing->observation.socket.id);
    } else if (closing->was_closed) {
        sockets_state_clear(closing->fd, DESCRIPTOR_CLOSED);
        if (result < 0 && error == EBADF && start_enter())
            observation_bad_fd(closing->fd, closing->via, closing->caller);
    }
    errno = error;
    return result;
}

int closing_end(struct closing *closing, int result)
{
    /* Linux releases the descriptor even when close() fails (close(2)), except that it was not
     * open; then another thread has been faster and has told. */
    return end(closing, result, result >= 0 || errno != EBADF);
}

int closing_end_if_gone(struct closing *closing, int result)
{
    const struct socket *socket = &closing->observation.socket;
    bool gone = closing->active && facts_id(closing->fd, socket->proto) != socket->id;
    return end(closing, result, gone);
}

static bool at_end(struct observation *observation, int fd, bool at_exit, bool observe_only,
                   void *caller)
{
    if (!observation_identify(observation, fd))
        return false;
    observation->via = at_exit ? "exit" : "exec";
    observation_decide(
        observation,
        (struct question){
            .op = OP_CLOSE, .at_exit = at_exit, .awaited = true, .perhaps = observe_only},
        caller);
    if (!observe_only)
        repair_close(observation);
    observation_tell(observation, 0);
    return true;
}

void closing_at_exit(int fd, void *caller)
{
    struct observation observation;

    if (observation_goes_on(&observation, fd))
        observation_tell(&observation, 0);
    else if (at_end(&observation, fd, true, false, caller))
        sockets_remove(fd, observation.socket.id);
}

void closing_at_exec(int fd, bool observe_only, void *caller)
{
    struct observation observation;

    if (at_end(&observation, fd, false, observe_only, caller))
        __atomic_add_fetch(&announced, 1, __ATOMIC_RELAXED);
}

void closing_exec_failed(void)
{
    uint64_t count = __atomic_exchange_n(&announced, 0, __ATOMIC_RELAXED);

    holders_all_stay();
    if (count > 0)
        audit_note("exec-failed", "the program could not be executed: its sockets stay open", NULL,
                   count);
}
