/* SPDX-License-Identifier: MIT */
/*
 * The message with which a connection goes from the program to the drain thread, which has a
 * descriptor table of its own: a UNIX message with the descriptor (SCM_RIGHTS, unix(7)).
 * Async-signal-safe; neither side waits.
 */
#ifndef SOFTCLOSE_SHIM_HANDOVER_H
#define SOFTCLOSE_SHIM_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/drain.h"
#include "shim/sockets.h"

/* What travels with a descriptor, or (HANDOVER_LET_GO) without one. */
struct handover {
    enum handover_kind {
        HANDOVER_DRAIN,
        HANDOVER_LET_GO, /* a softened socket: its close is to be the last */
    } kind;
    enum drain_result result; /* LET_GO: what its drain is told to have ended with, if anything */
    uint32_t max_draining;
    struct drain drain;
    struct socket socket;
};

/* With the descriptor handover->drain.fd. False: the queue is full, or the kernel has no memory. */
bool handover_send(int queue, const struct handover *handover);

/* The next message: its length (not that of a handover: only to wake the thread) or -errno, and its
 * descriptor, or -1 where the receiver's table had no number left. */
long handover_receive(int queue, struct handover *handover, int *fd);

#endif
