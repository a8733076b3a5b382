/* SPDX-License-Identifier: MIT */
/*
 * The next function of each name in the chain of loaded libraries: libc's, or another preloaded
 * library's. Filled by real_start(); before that a name is looked up at its first call, except
 * for those that must work at any time, which begin as raw system calls (a memory allocator may
 * call close() within dlsym()).
 */
#ifndef SOFTCLOSE_SHIM_REAL_H
#define SOFTCLOSE_SHIM_REAL_H

#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef int clone_function(int (*fn)(void *), void *stack, int flags, void *arg, ...);
typedef int fcntl_function(int fd, int command, ...);
typedef int prctl_function(int option, ...);
typedef long syscall_function(long number, ...);
typedef void exit_function(int status);
typedef int quick_exit_function(void (*handler)(void *), void *library);
struct sigaction;
typedef int sigaction_function(int number, const struct sigaction *action, struct sigaction *old);
typedef void (*signal_function(int number, void (*handler)(int)))(int);

/* X(type, name): every function that softclose stands in front of and calls on. */
#define REAL_FUNCTIONS(X)                                                                          \
    X(typeof(close), close)                                                                        \
    X(typeof(close_range), close_range)                                                            \
    X(typeof(closefrom), closefrom)                                                                \
    X(typeof(dup), dup)                                                                            \
    X(typeof(dup2), dup2)                                                                          \
    X(typeof(dup3), dup3)                                                                          \
    X(fcntl_function, fcntl)                                                                       \
    X(fcntl_function, fcntl64)                                                                     \
    X(typeof(fclose), fclose)                                                                      \
    X(typeof(freopen), freopen)                                                                    \
    X(typeof(freopen64), freopen64)                                                                \
    X(typeof(shutdown), shutdown)                                                                  \
    X(typeof(setsockopt), setsockopt)                                                              \
    X(typeof(getsockopt), getsockopt)                                                              \
    X(sigaction_function, sigaction)                                                               \
    X(signal_function, signal)                                                                     \
    X(signal_function, sigset)                                                                     \
    X(signal_function, __sysv_signal)                                                              \
    X(typeof(epoll_create), epoll_create)                                                          \
    X(typeof(epoll_create1), epoll_create1)                                                        \
    X(typeof(socket), socket)                                                                      \
    X(typeof(socketpair), socketpair)                                                              \
    X(typeof(accept), accept)                                                                      \
    X(typeof(accept4), accept4)                                                                    \
    X(typeof(connect), connect)                                                                    \
    X(typeof(recvmsg), recvmsg)                                                                    \
    X(typeof(recvmmsg), recvmmsg)                                                                  \
    X(typeof(sendmsg), sendmsg)                                                                    \
    X(typeof(sendmmsg), sendmmsg)                                                                  \
    X(typeof(posix_spawn), posix_spawn)                                                            \
    X(typeof(posix_spawnp), posix_spawnp)                                                          \
    X(typeof(popen), popen)                                                                        \
    X(typeof(system), system)                                                                      \
    X(typeof(execv), execv)                                                                        \
    X(typeof(execve), execve)                                                                      \
    X(typeof(execvp), execvp)                                                                      \
    X(typeof(execvpe), execvpe)                                                                    \
    X(typeof(execveat), execveat)                                                                  \
    X(typeof(fexecve), fexecve)                                                                    \
    X(typeof(_Fork), _Fork)                                                                        \
    X(typeof(fork), fork)                                                                          \
    X(typeof(daemon), daemon)                                                                      \
    X(typeof(unshare), unshare)                                                                    \
    X(typeof(setns), setns)                                                                        \
    X(clone_function, clone)                                                                       \
    X(exit_function, _exit)                                                                        \
    X(quick_exit_function, __cxa_at_quick_exit)                                                    \
    X(exit_function, _Exit)                                                                        \
    X(exit_function, exit)                                                                         \
    X(prctl_function, prctl)                                                                       \
    X(syscall_function, syscall)

struct real {
#define X(type, name) type *name;
    REAL_FUNCTIONS(X)
#undef X
};

extern struct real real;

/* Looks every name up once. Not async-signal-safe (dlsym); called from the constructor. */
void real_start(void);

/* clock_gettime(2) without a system call once real_start() has run; needs no thread-local memory.
 */
extern int (*real_clock)(clockid_t clock, struct timespec *now);

/* Looks one name up when it is called before real_start(); ends the process when there is none. */
void *real_find(const char *name, void **slot);

/* The function itself: REAL(close)(fd). */
#define REAL(name)                                                                                 \
    ((typeof(real.name))(__builtin_expect(real.name != NULL, 1)                                    \
                             ? (void *)real.name                                                   \
                             : real_find(#name, (void **)&real.name)))

#endif
