/* SPDX-License-Identifier: MIT */
/*
 * Runs a program as a child that notices as little as possible of its parent, and behaves towards
 * the outside like that program: signals are passed on, stops are joined in, its end is ours.
 */
#ifndef SOFTCLOSE_TOOLS_LAUNCH_H
#define SOFTCLOSE_TOOLS_LAUNCH_H

#include <stdint.h>
#include <sys/types.h>

enum launch_stage { LAUNCH_RAN, LAUNCH_FORK, LAUNCH_PREPARE, LAUNCH_EXEC };

struct launch {
    const char *path; /* of the program, or of a script */
    char *const *argv;
    /* Called in the child before the exec: sets the environment. Its answer reaches `prepared`;
     * a negative one is -errno and ends the attempt. */
    int64_t (*prepare)(void *context);
    void *context;

    enum launch_stage stage; /* how far it came; if not LAUNCH_RAN, `error` tells why */
    int error;
    int64_t prepared;
    pid_t pid;
    int status; /* as wait(2) gives it */
};

/*
 * Runs it to its end. From the start of the child on, this process holds none of the descriptors
 * the program may hold, except standard error: a pipe that the program closes is closed.
 */
void launch_run(struct launch *launch);

/* The exit status for `status`; a death by signal is followed into (without a second core dump),
 * and then this does not return. */
int launch_end_like(int status);

#endif
