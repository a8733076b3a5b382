/* SPDX-License-Identifier: MIT */
/*
 * A random program: a list of operations, one a line, that the subject carries out and that can
 * lose any of its lines and still be a program. Operands are slots: a slot keeps the number that
 * an operation returned, also after the descriptor is closed, so that a program closes twice, and
 * closes what has taken the number since.
 *
 * `fork WAY` and `thread` run what follows, up to their `end`, in a child or thread; the rest waits
 * for it, so that there is one actor at any time and every result is the same in every run.
 */
#ifndef SOFTCLOSE_TESTS_PROGRAM_H
#define SOFTCLOSE_TESTS_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { SLOTS = 48, PROGRAM_MOST = 600, OPERANDS = 3, FIRST_NUMBER = 4242 };

/* X(name, operands): S, D, N, E, V, T stand for slots. A peer is named by the slot (T) into which
 * its connection was made by `connect`, or that `come` names. */
/* clang-format off */
#define OPERATIONS(X)                                                                              \
    X(socket, 3)       /* N proto flags(1 nonblocking, 2 close-on-exec, 4 by syscall) */           \
    X(connect, 3)      /* S proto manner: to the peer, which accepts and behaves so */             \
    X(listen, 2)       /* N proto: socket, bind, listen */                                         \
    X(come, 3)         /* T S manner: the peer connects to listener S */                           \
    X(accept, 3)       /* N S flags */                                                             \
    X(self, 3)         /* N S proto: socket, connect to listener S of one's own */                 \
    X(pair, 3)         /* N D type(0 stream, 1 seqpacket, 2 datagram) */                           \
    X(null, 1)         /* N: open /dev/null */                                                     \
    X(pipe, 2)         /* N D */                                                                   \
    X(send, 3)         /* S bytes flags(1 urgent) */                                               \
    X(write, 2)        /* S bytes */                                                               \
    X(recv, 3)         /* S bytes flags(1 peek, 2 urgent, 4 trunc) */                              \
    X(read, 2)         /* S bytes */                                                               \
    X(peer_send, 2)    /* T bytes */                                                               \
    X(peer_oob, 1)     /* T */                                                                     \
    X(peer_fin, 1)     /* T */                                                                     \
    X(peer_close, 1)   /* T */                                                                     \
    X(peer_reset, 1)   /* T */                                                                     \
    X(peer_read, 1)    /* T: all that is there */                                                  \
    X(close, 1)        /* S */                                                                     \
    X(sysclose, 1)     /* S */                                                                     \
    X(close_number, 1)                                                                             \
    X(close_range, 3)  /* S more flags(1 unshare, 2 cloexec, 4 a bad flag, 8 by syscall) */        \
    X(closefrom, 1)    /* S */                                                                     \
    X(dup, 3)          /* N S how(0 dup, 1 syscall) */                                             \
    X(dup2, 3)         /* S D how(0 dup2, 1 dup3, 2 dup3 cloexec, 3 syscall, 4 bad flag) */        \
    X(dup2_number, 3)  /* S number N */                                                            \
    X(dupfd, 3)        /* N S least: fcntl F_DUPFD, with least >= 500 F_DUPFD_CLOEXEC */           \
    X(fclose, 2)       /* S bytes: fdopen, fwrite, fclose */                                       \
    X(freopen, 3)      /* S bytes how(0 a file, 1 one that is missing): then fclose */             \
    X(shutdown, 3)     /* S how by(1 syscall) */                                                   \
    X(linger, 3)       /* S on seconds */                                                          \
    X(get_linger, 2)   /* S room */                                                                \
    X(set, 3)          /* S which value */                                                         \
    X(get, 2)          /* S which */                                                               \
    X(nonblock, 2)     /* S on */                                                                  \
    X(flags, 1)        /* S: F_GETFL, F_GETFD */                                                   \
    X(cloexec, 2)      /* S on */                                                                  \
    X(names, 1)        /* S: getsockname, getpeername */                                           \
    X(disconnect, 1)   /* S: connect AF_UNSPEC */                                                  \
    X(epoll, 1)        /* N */                                                                     \
    X(epoll_add, 3)    /* E S kind(0 in, 1 in edge, 2 out, 3 oneshot) */                           \
    X(epoll_mod, 3)    /* E S kind */                                                              \
    X(epoll_del, 2)    /* E S */                                                                   \
    X(epoll_wait, 1)   /* E */                                                                     \
    X(poll, 1)         /* S */                                                                     \
    X(give, 2)         /* V S: S in a message over V */                                            \
    X(take, 3)         /* V N flags(1 peek, 2 no room) */                                          \
    X(fork, 1)         /* way, see enum way */                                                     \
    X(reader, 2)       /* S how(0 close, 1 dup2): beside a thread in recv; peer sends, finishes */ \
    X(thread, 0)                                                                                   \
    X(end, 0)                                                                                      \
    X(exec, 0)         /* of itself, goes on with the next operation */                            \
    X(spawn, 1)        /* how(0 posix_spawn, 1 system, 2 popen, 3 vfork, 4 failing exec) */        \
    X(raise, 2)        /* S how(0 close, 1 dup2, 2 shutdown): a handler does it */                 \
    X(sigaction, 2)    /* which how: set, then read back */                                        \
    X(rlimit, 1)       /* soft limit of descriptors */                                             \
    X(get_rlimit, 0)
/* clang-format on */

#define X(name, operands) OP_##name,
enum operation { OPERATIONS(X) OPERATION_COUNT };
#undef X

enum way {
    WAY__EXIT,
    WAY_EXIT,
    WAY_QUICK_EXIT,
    WAY_UPPER_EXIT, /* _Exit */
    WAY_SYSCALL,    /* exit_group */
    WAY_EXEC,       /* /bin/true */
    WAY_KILL,
    WAY_TERM,
    WAYS
};

enum protocol { TCP, MPTCP, STREAM, SEQPACKET, PROTOCOLS };

/* What the peer does with a connection: */
enum {
    MANNER_READS = 1,    /* reads whenever something is there */
    MANNER_FINISHES = 2, /* when it sees the end, closes (otherwise: when the program is over) */
    MANNER_LATE = 4,     /* when it sees the end, sends something more before it closes */
    MANNERS = 8
};

struct step {
    enum operation operation;
    int operand[OPERANDS];
};

struct program {
    uint64_t seed;
    bool v6;
    int log; /* where SOFTCLOSE_LOG goes: 0 none, 1 a file, 2 stderr */
    size_t count;
    struct step steps[PROGRAM_MOST];
};

const char *operation_name(enum operation operation);
int operation_operands(enum operation operation);

void program_generate(struct program *program, uint64_t seed);

/* One step a line, without its line feed. */
void step_text(const struct step *step, char *text, size_t size);

void program_write(const struct program *program, FILE *file);

/* False, with the bad line's number in *line, for what is not a program. */
bool program_read(struct program *program, FILE *file, unsigned *line);

/* The step after the block that `at` opens. */
size_t program_skip(const struct program *program, size_t at);

#endif
