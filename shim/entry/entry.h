/* SPDX-License-Identifier: MIT */
/*
 * What every entry point shares. The files of this folder hold the exported functions, one family
 * each, every one the same few lines: is it ours, the logic, the real function, done.
 */
#ifndef SOFTCLOSE_SHIM_ENTRY_H
#define SOFTCLOSE_SHIM_ENTRY_H

#include <sched.h>

#include "shim/closing.h"
#include "shim/real.h"
#include "shim/sockets.h"
#include "shim/start.h"
#include "shim/tracking.h"

#define EXPORT __attribute__((visibility("default")))

/* Can dup2(from, to) succeed and close what `to` is? Nothing may be done to a connection for a call
 * that fails. Two system calls. */
bool entry_replaces(int from, int to);

/* Around what makes a copy of a descriptor, whatever that returns: the copy is counted, or, when a
 * signal handler leaves it in between, the socket has a holder more for good. */
uint64_t entry_copying(int from);
int entry_copied(uint64_t copying, int from, int to);

/* Is it a number of softclose's, which the program has not opened? Sets errno to EBADF, as close()
 * of it does. */
bool entry_not_open(int fd);

/*
 * The logic of wrappers that syscall(2) shares. `call` is the last step: the next function of that
 * name, or the system call itself; never an exported name, which another preloaded library may have
 * made of syscall().
 */
int entry_close_range(unsigned first, unsigned last, int flags, typeof(close_range) *call,
                      void *caller);
int entry_shutdown(int fd, int how, typeof(shutdown) *call, void *caller);
int entry_setsockopt(int fd, int level, int name, const void *value, socklen_t length,
                     typeof(setsockopt) *call, void *caller);
int entry_getsockopt(int fd, int level, int name, void *value, socklen_t *length,
                     typeof(getsockopt) *call);
int entry_socket(int domain, int type, int protocol, typeof(socket) *call);
int entry_socketpair(int domain, int type, int protocol, int fds[2], typeof(socketpair) *call);
int entry_prctl(int option, const unsigned long words[4], prctl_function *call);
int entry_unshare(int flags, typeof(unshare) *call);
int entry_setns(int fd, int type, typeof(setns) *call);
int entry_epoll_made(int fd);
void entry_sent(const struct msghdr *message);
void entry_received(const struct msghdr *message);
int entry_sent_many(struct mmsghdr *messages, int sent);
int entry_received_many(struct mmsghdr *messages, int received);

/* Who called the program's function of libc: the innermost site of an event. */
#define CALLER __builtin_return_address(0)

#endif
