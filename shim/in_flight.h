/* SPDX-License-Identifier: MIT */
/*
 * Descriptors in flight: sent through a UNIX socket (SCM_RIGHTS) and not received yet. They hold
 * the open file description, and no /proc/PID/fd shows them. The kernel tells how much waits in
 * each socket's queue (sock_diag(7), UDIAG_SHOW_RQLEN), and how much memory each has in the queues
 * of others (UDIAG_SHOW_MEMINFO): where nothing waits, none is in flight.
 *
 * The question goes through a netlink socket of softclose's own, opened by the first descriptor of
 * a socket that the program sends, receives or inherits; programs without have none.
 * Async-signal-safe.
 */
#ifndef SOFTCLOSE_SHIM_IN_FLIGHT_H
#define SOFTCLOSE_SHIM_IN_FLIGHT_H

#include <stdbool.h>

/* The program sends or receives descriptors, or has a socket that it may have sent before an exec.
 * `at_start`: of the process, see own_fds_keep(). */
void in_flight_start(bool at_start);

/* In a forked child: the netlink socket is the parent's. */
void in_flight_forked(void);

/* How long what waits is waited for: 0.6 ms; 20 ms; or, at the end of a process, 200 ms in all as
 * long as only seqpacket sockets have something waiting: hand-overs to the drain threads of other
 * processes (drainer.h), which a busy machine lets run late. */
enum in_flight_patience { IN_FLIGHT_HASTY, IN_FLIGHT_PATIENT, IN_FLIGHT_ENDING };

/*
 * True when no descriptor is in flight in this network namespace: no UNIX socket has anything in
 * its queue, or (`alone`, for a process with one thread: carried.h) what waits there carries none.
 * What waits is mostly read at once, so it is asked more than once, for as long as `patience`. Not
 * seen are messages between sockets of other network namespaces, and datagrams of length
 * 0 whose sender's socket is closed or not connected. About 1 us for each UNIX socket each time,
 * and `alone` 20 us for each process.
 */
bool in_flight_none(bool alone, enum in_flight_patience patience);

#endif
