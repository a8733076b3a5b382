/* SPDX-License-Identifier: MIT */
/*
 * The oracle: runs a scenario in a network namespace of its own and tells what the kernel really
 * sent: resets with their reason, counters, and what the peer received and how it ended.
 *
 * Needs root, tracefs and the reasons of tcp:tcp_send_reset (Linux 6.12). One thread; the calling
 * process moves to a new network namespace with every oracle_namespace().
 */
#ifndef SOFTCLOSE_TESTS_ORACLE_H
#define SOFTCLOSE_TESTS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

enum {
    ORACLE_SKIPPED = 77,   /* exit status of a test that cannot be run here */
    ORACLE_WAIT_MS = 5000, /* for a state that must come; far beyond any real delay */
    ORACLE_RESETS = 64,
};

/* For polling: true, after a moment, until `wait_ms` have passed since the first call with the
 * zeroed `since`. */
bool oracle_again(struct timespec *since, long wait_ms);

/* Why the oracle cannot be asked on this machine, NULL when it can. */
const char *oracle_missing(void);

/* tracer: resets, by name of reason ---------------------------------------------------------- */

struct reset {
    char reason[40];         /* the kernel's name, as in the tracepoint's format */
    uint16_t source, target; /* ports */
};

struct resets {
    struct reset list[ORACLE_RESETS];
    size_t count;
    bool lost; /* the ring buffer overflowed: the list cannot be trusted */
};

struct tracer {
    int fd;         /* trace_pipe of the instance */
    char rest[512]; /* of a line not yet read to its end */
    size_t length;
};

/* Make the tracefs instance NUMBER of this process; removed at exit and on INT, TERM, HUP, after
 * the workers named by tracer_worker() are gone. Instances of dead processes are removed too. */
bool tracer_make(int number);

/* Where instance NUMBER's program is to write its log: a file in a directory that is removed
 * together with the instances. */
const char *tracer_log(int number);

/* The process that made the instances, 0 = none. */
pid_t tracer_owner(void);

bool tracer_open(struct tracer *tracer, int number);
void tracer_worker(pid_t pid);
void tracer_worker_done(pid_t pid);
void tracer_remove_all(void);

/* Append the resets that have happened since, if they went from or to this address. */
void tracer_collect(struct tracer *tracer, const char *address, struct resets *out);

/* The same until `count` resets sent from `port` are there (0 = any port), or the time is over. */
void tracer_await(struct tracer *tracer, const char *address, uint16_t port, size_t count,
                  struct resets *out);

/* namespace and counters --------------------------------------------------------------------- */

/* A new network namespace with lo up and `address` (v4 or v6 text) on it. */
bool oracle_namespace(const char *address);

/* State of the TCP socket with that local port in this namespace as the kernel names it, LISTEN
 * sockets left out; "CLOSE" when there is none any more. */
const char *oracle_tcp_state(int family, uint16_t port);
bool oracle_await_tcp_state(int family, uint16_t port, const char *state);

/* Until none is left but in TIME_WAIT: both sides have finished, or one has reset. */
bool oracle_await_tcp_gone(int family, uint16_t port);

/* Answer a SYN that was dropped: SYN-ACK from address:source to address:target. */
bool oracle_send_syn_ack(int family, const char *address, uint16_t source, uint16_t target);

struct counters {
    long out_rsts;        /* Tcp: OutRsts */
    long abort_on_close;  /* TcpExt: TCPAbortOnClose */
    long abort_on_data;   /* TcpExt: TCPAbortOnData */
    long abort_on_linger; /* TcpExt: TCPAbortOnLinger */
    long fastclose_tx;    /* MPTcpExt: MPFastcloseTx */
};

/* Of this process's network namespace, in which they began at 0. */
void oracle_counters(struct counters *out);

#endif
