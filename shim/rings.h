/* SPDX-License-Identifier: MIT */
/*
 * io_uring(7): a ring holds the files that are registered with it, and those of requests under way.
 * No call tells which (a request is written to memory that the kernel shares), so a process with a
 * ring, or a relative of one, can never know that it is the last holder of a socket.
 *
 * A ring is known by syscall(SYS_io_uring_setup), by a ring among the descriptors that came from
 * outside, or presumed when liburing is loaded, whose system calls do not go through libc. Not seen
 * are rings made by system calls of the program's own code. Async-signal-safe.
 */
#ifndef SOFTCLOSE_SHIM_RINGS_H
#define SOFTCLOSE_SHIM_RINGS_H

#include <stdbool.h>

/* A ring was made. */
void rings_made(void);

/* A descriptor that came from outside, no socket: is it a ring? */
void rings_look(int fd);

/* May this process, or one that it is related to, have a ring? Looks for liburing among the loaded
 * modules: one process_vm_readv(2), and one for each module when they have changed. */
bool rings_any(void);

#endif
