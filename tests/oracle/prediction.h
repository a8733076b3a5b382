/* SPDX-License-Identifier: MIT */
/* What softclose's log says of one socket. */
#ifndef SOFTCLOSE_TESTS_PREDICTION_H
#define SOFTCLOSE_TESTS_PREDICTION_H

#include <stdbool.h>
#include <sys/types.h>

struct prediction {
    pid_t pid;
    int fd;
    double sock;      /* the kernel's cookie */
    int closes;       /* close events of the descriptor; 1 is right */
    char outcome[48]; /* "reset/unread", "fin": outcome and cause */
    char via[24];
    char earlier[96]; /* resets told for what came before: "connect:disconnect" */
    char later[48];   /* outcome and cause when another holder closed it, the last of them */
    char others[96];  /* resets told of any other socket: false alarms */
    long unread, unsent, notsent; /* of the close */
    char line[1200];              /* the close event itself */
};

/*
 * Read the log; the socket is the one that process `pid` closed last at descriptor `fd`. False
 * when there is no log or a line of it is no JSON, with the reason in `line`.
 */
bool prediction_read(const char *log, pid_t pid, int fd, struct prediction *out);

#endif
