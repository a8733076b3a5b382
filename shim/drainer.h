/* SPDX-License-Identifier: MIT */
/*
 * Drains in the background, on softclose's own thread.
 *
 * The thread (drain_thread.h) has a descriptor table of its own: a connection that is handed over
 * travels there in a UNIX message, so that the program's descriptors, their numbers and their limit
 * stay the program's, and a forked child inherits none of it. The thread is made with clone(2) and
 * not with pthread_create(3), which allocates memory and takes locks of libc's: close() has to stay
 * async-signal-safe. It starts at the first need and is gone two seconds after the last drain.
 */
#ifndef SOFTCLOSE_SHIM_DRAINER_H
#define SOFTCLOSE_SHIM_DRAINER_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/drain.h"
#include "shim/in_call.h"
#include "shim/observation.h"

/* Makes the queue; opens two own descriptors. Called at the start, in enforce mode only. */
bool drainer_start(void);

/* In a forked child: there is no thread, and the queue is the parent's. */
void drainer_forked(void);

/*
 * Hands the connection over. The descriptor stays open here; the caller closes it. Never waits for
 * the thread (except at exit and exec, for room in the queue): it may not have begun to run, and
 * finds the connection in the queue when it does. False: it could not be done (no thread, no
 * memory, queue full, no number left in the thread's table), nothing has changed.
 */
bool drainer_take(const struct observation *observation, const struct drain *drain);

/* The program closes a socket that it had shut (ACTION_SOFTENED) and that goes to no other drain:
 * the thread lets its descriptor go, and tells of the drain with `result` unless that is
 * DRAIN_UNDER_WAY. */
void drainer_let_go(uint64_t id, enum drain_result result);

/*
 * Is another thread inside a call on `fd`? Has the thread look; starts it if need be, and waits for
 * the answer a second at most (it takes some 50 us). UNKNOWN if there is none by then; for 31
 * ms to a second after that nobody waits.
 */
enum in_call drainer_ask(int fd, uint32_t max_draining);

/* How many drains are under way. */
unsigned drainer_count(void);

/* Waits until none is under way, at most `ms` milliseconds. The rest is given up then. */
void drainer_wait(uint32_t ms);

/* Is there no thread? One load. */
bool drainer_idle(void);

/* Sends the thread away; what it still drains is given up. Waits until it has gone. */
void drainer_dismiss(void);

/* Descriptor 2 is no longer the log: the thread lets its copy go. */
void drainer_stderr_gone(void);

#endif
