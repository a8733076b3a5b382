/* SPDX-License-Identifier: MIT */
/*
 * Follows a strace log and keeps the file table of every process: which numbers are sockets, who
 * shares a table (threads), who got a copy (fork, vfork), what exec and the end of a process close.
 * The result is the list of all closes of stream and seqpacket sockets (IPv4, IPv6, UNIX).
 */
#ifndef SOFTCLOSE_COMPAT_CLOSES_H
#define SOFTCLOSE_COMPAT_CLOSES_H

#include "annotation.h"
#include "strace_log.h"

/* Who made the close. All but BY_PROGRAM are out of reach of a library, or of that process. */
enum close_class {
    BY_PROGRAM,
    BY_LIBC,     /* libc opened and closes it within itself (nscd, syslog, resolver) */
    BY_VFORK,    /* a vfork or posix_spawn child before exec: its parent's memory */
    BY_KILL,     /* a signal ended the process: the kernel closes */
    BY_FILTERED, /* the process has a seccomp filter and may no longer ask or write */
    CLASS_COUNT
};

struct close_record {
    int pid, fd;
    enum socket_kind kind;
    bool local; /* AF_UNIX */
    const char *via;
    long line;         /* of the close, or of the end of the process */
    int64_t opened_ns; /* when this number became this socket in this process */
    enum close_class class;
    long why_line; /* the line that puts it into its class; 0 = none */
    bool in_log;   /* set by whoever compares */
};

struct close_list {
    struct close_record *closes;
    size_t count;
    size_t contradictions; /* lines where strace's own view of a number differs from ours */
};

/* Contradictions and processes without an end are named on stderr, and counted. */
struct close_list find_closes(const struct strace_log *log);

#endif
