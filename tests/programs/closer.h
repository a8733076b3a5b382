/* SPDX-License-Identifier: MIT */
/*
 * closer: an ordinary program which brings one socket into a situation and closes it by one road,
 * and prints what every call returned, so that two runs of it can be compared byte by byte.
 *
 *   closer PROTO          PROTO = tcp4 tcp6 mptcp unix seqpacket udp unixgram
 *   closer idle FD        what it execs: does nothing (FD = a holder to send from, or -1)
 *
 * It obeys one command a line on descriptor 3 and answers each on descriptor 4 with "ok", "ok N",
 * or "no" when an awaited state did not come. Descriptor 5 is a UNIX socket whose other end is
 * in the hands of whoever drives it: descriptors are sent there, a forked child waits on it.
 */
#ifndef SOFTCLOSE_TESTS_CLOSER_H
#define SOFTCLOSE_TESTS_CLOSER_H

#include <stdbool.h>
#include <sys/socket.h>

enum { COMMANDS = 3, ANSWERS = 4, HOLD = 5 };

enum { AWAIT_MS = 5000 }; /* how long an awaited state may take; far beyond any real delay */

struct closer {
    int family, type, protocol;
    int fd;       /* the socket in question, -1 = none yet */
    int listener; /* -1 = none */
    int holder;   /* another descriptor of the same socket, -1 = none */
};

/* What obey() asks of main(). */
enum next { NEXT_COMMAND, NEXT_RETURN };

/* Obey one command. */
enum next obey(struct closer *closer, char *line);

/* Close closer->fd by the road of that name. Some roads do not come back. */
enum next take_road(struct closer *closer, const char *road);

/* Print "WHAT = RESULT", with the name of errno if it failed; returns the result. */
int say(const char *what, long result);

/* Answer on descriptor 4: "ok", or "ok NUMBER" for a number >= 0. */
void answer_ok(long number);
void answer_no(void);

#endif
