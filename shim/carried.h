/* SPDX-License-Identifier: MIT */
/*
 * Whether what waits in UNIX sockets carries descriptors: Linux 5.6 and later tells how many in
 * /proc/PID/fdinfo/FD ("scm_fds"; net/unix/af_unix.c: unix_show_fdinfo()) to who may look into
 * that process. Async-signal-safe.
 */
#ifndef SOFTCLOSE_SHIM_CARRIED_H
#define SOFTCLOSE_SHIM_CARRIED_H

#include <stdint.h>

enum { CARRIERS_MOST = 64 };

/* UNIX sockets by their sockfs inodes. */
struct carriers {
    unsigned count;
    unsigned inodes[CARRIERS_MOST];
};

/*
 * Strikes off those whose queues hold no descriptor. What is left holds some, or was found in no
 * process that can be looked into. It opens files, whose numbers the program's other threads would
 * miss, so it is for a process with one thread; the signals of that one wait meanwhile. About 20 us
 * a process, until then (CLOCK_MONOTONIC ns) at most.
 */
void carried_acquit(struct carriers *carriers, uint64_t until);

#endif
