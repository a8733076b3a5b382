/* SPDX-License-Identifier: MIT */
/* The close events of a softclose log that tell of stream and seqpacket sockets. */
#ifndef SOFTCLOSE_COMPAT_EVENT_LOG_H
#define SOFTCLOSE_COMPAT_EVENT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "annotation.h"

struct close_event {
    int pid, tid, fd;
    enum socket_kind kind;
    bool local;
    bool by_exec;
    int64_t time_ns;
    long line;
    bool matched; /* set by whoever compares */
};

struct event_log {
    struct close_event *events;
    size_t count;
};

/* Left out: other kinds of sockets, closes of a number that was not open, connect(AF_UNSPEC), and
 * what an exec announced that then failed. On failure says why on stderr and returns false. */
bool event_log_read(const char *path, struct event_log *log);

#endif
