/* SPDX-License-Identifier: MIT */
/*
 * One scenario: a program under test (tests/programs/closer), its peer (this process) and the
 * steps both take, in one order, each begun when the one before it is done. Nothing sleeps: every
 * step that another one depends on is awaited in the kernel's own state.
 *
 * Steps, separated by ';':
 *   open [accepted|connected]   a connection, the program's side made by accept() or connect()
 *   open inheriting             accepted from a listener with SO_LINGER {1, 0}
 *   open waiting N              a listener of the program with N connections nobody accepts
 *   open connecting             the program's connect() stays in SYN_SENT
 *   own COMMAND                 the program obeys it (see closer.h)
 *   peer small                  small receive buffers from here on
 *   peer send N | urgent | record | shut | reset | close
 *   peer end                    read until the end and note how it came
 *   peer late N                 send when the program has closed or shut; note what became of it
 *   peer flood MS               go on sending so long, each piece when the one before has arrived
 *   peer ping                   read until the holder's byte has arrived
 *   holder ping                 another holder of the socket sends a byte
 *   await STATE                 the program's TCP socket, as the kernel shows it
 *   syn-ack                     answer the SYN at last
 *   release                     tell the program and its child to end; they may take their time
 *   gone                        both sides of the program's connections have finished
 */
#ifndef SOFTCLOSE_TESTS_PLAY_H
#define SOFTCLOSE_TESTS_PLAY_H

#include "oracle.h"

enum proto_here { TCP4, TCP6, MPTCP, UNIX, SEQPACKET, UDP, UNIXGRAM, PROTOS_HERE };

const char *proto_here_name(enum proto_here proto);

/* Can sockets of that kind be made on this machine? */
bool proto_here_available(enum proto_here proto);

struct scenario {
    enum proto_here proto;
    const char *before, *after; /* steps before and after the close */
    const char *finally; /* steps while the program comes to its end, NULL = read if it was open */
    const char *road;    /* of closer.h */
    bool ends;           /* by that road the process ends */
    bool blocks;         /* the close may not come back before the steps after it are done */
    size_t resets_at_close; /* how many to wait for */
    size_t resets_late;
    unsigned number;  /* makes the address unique among those that run at the same time */
    const char *shim; /* preload this library, NULL = run natively */
    const char *mode; /* SOFTCLOSE, NULL = audit */
    const char *set;  /* SOFTCLOSE_SET, NULL = none */
    const char *log;  /* its log */
};

struct truth {
    char failure[200];                 /* the situation was not reached, and why; empty = it was */
    struct resets before, close, late; /* all that were sent from and to the address */
    struct resets last;                /* when the program ended: by other holders */
    uint16_t port;                     /* of the program */
    struct counters counters;
    size_t sent;       /* by the program */
    size_t received;   /* by the peer */
    char last_end[96]; /* the same, read again after the program's end */
    char end[96];      /* how the peer's connections ended: "eof", "ECONNRESET", ... */
    pid_t pid;
    int fd;             /* the descriptor that was closed */
    int status;         /* wait status of the program */
    char printed[4096]; /* what it wrote on stdout and stderr */
    char complained[1024];
};

/* Play it, with truth->failure empty if it went as written. */
bool play(const struct scenario *scenario, struct tracer *tracer, struct truth *truth);

/* "TCP_STATE*3 TCP_ABORT_ON_DATA" of those sent by (`from` true) or to that port, "-" for none. */
const char *resets_text(const struct resets *resets, uint16_t port, bool from, char *buffer,
                        size_t size);

/* the program ------------------------------------------------------------------------------- */

struct program {
    pid_t pid;
    int pid_fd, commands, answers, hold, out, err;
};

enum answer { ANSWER_OK, ANSWER_NO, ANSWER_GONE };

bool program_start(struct program *program, const struct scenario *scenario);
bool program_tell(const struct program *program, const char *command);
enum answer program_answer(const struct program *program, long *number);
enum answer program_ask(const struct program *program, const char *command, long *number);
void program_release(struct program *program); /* no more commands, no more holders */
bool program_finish(struct program *program, struct truth *truth);

/* the peer ---------------------------------------------------------------------------------- */

enum { PEERS = 4 };

struct peer {
    int family, type, protocol;
    const char *address;
    bool small;
    int listener, fds[PEERS];
    size_t count; /* of fds */
    size_t received;
    char *end; /* how they ended, 96 bytes of the caller */
};

void peer_start(struct peer *peer, enum proto_here proto, const char *address, char *end);
bool peer_listen(struct peer *peer, int backlog, uint16_t *port);
bool peer_accept(struct peer *peer);
bool peer_connect(struct peer *peer, uint16_t port);
bool peer_do(struct peer *peer, const char *verb, int number);
void peer_finish(struct peer *peer);

#endif
