/* SPDX-License-Identifier: MIT */
/*
 * What /proc tells of other processes, without opening anything: a descriptor, even for a moment,
 * would take the number that another thread of the program is about to get. One own descriptor of
 * /proc itself, opened at the start, lists the processes. Async-signal-safe.
 */
#ifndef SOFTCLOSE_SHIM_PROCFS_H
#define SOFTCLOSE_SHIM_PROCFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* For procfs_held(): whatever this process has of it goes, too. */
enum { PROCFS_ALL_OWN = -1 };

enum procfs_answer { PROCFS_NO, PROCFS_YES, PROCFS_UNKNOWN };

/* Opens /proc for procfs_held(). False: it can only ever answer PROCFS_UNKNOWN. */
bool procfs_start(void);

/* In a forked child. */
void procfs_forked(void);

/* Does the process run? A zombie does not: it holds no descriptors any more. "Yes" in doubt. */
bool procfs_alive(pid_t pid);

/* The pid namespace of the caller (inode of /proc/self/ns/pid), 0 when it cannot be told. */
uint64_t procfs_pid_space(void);

/* Threads of the calling process, softclose's own included; 0 when they cannot be counted. One
 * stat(2). */
unsigned procfs_threads(void);

/* The same by an open /proc/PID/task. */
unsigned procfs_links(int directory);

/* Has the process a descriptor of the socket with this sockfs inode? */
enum procfs_answer procfs_holds(pid_t pid, uint64_t inode);

/* Has any other process, or has this one more than `own` descriptors of it? About 20 us a process;
 * unknown when one could not be read. */
enum procfs_answer procfs_held(uint64_t inode, int own);

/* The program ends, and every search with it at `until` (CLOCK_MONOTONIC ns): what is unknown by
 * then stays so. 0: it does not end after all. */
void procfs_end_by(uint64_t until);

/* Is it time to end what had to be done by `until`? */
bool procfs_late(uint64_t until);

/* Reads the beginning of a file into `text`, which it ends with 0: bytes, or -errno. It opens the
 * file, which takes a number for a moment: at the start, or in a descriptor table of its own. */
long procfs_read(int directory, const char *path, char *text, size_t size);

/* Is this what the calling process's descriptor is (proc_pid_fd(5): "anon_inode:[eventpoll]")? */
bool procfs_fd_is(int fd, const char *what);

/* Calls `each` for every name of an open directory that is a number, until it says false. False
 * when the directory cannot be read. */
bool procfs_each_number(int directory, bool (*each)(int number, void *context), void *context);

/* Calls `each` for the calling process's own open descriptors (start only: it opens a directory).
 * False when /proc/self/fd cannot be read. */
bool procfs_each_fd(void (*each)(int fd));

#endif
