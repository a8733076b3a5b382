/* SPDX-License-Identifier: MIT */
/*
 * Which process and which thread this is, told without trusting anything that fork, vfork or a raw
 * clone leaves behind.
 */
#ifndef SOFTCLOSE_SHIM_PROCESS_H
#define SOFTCLOSE_SHIM_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum process_kind {
    PROCESS_OWN,    /* the process that the tables belong to */
    PROCESS_FORKED, /* a child with its own copy of the tables that nobody has adopted yet */
    PROCESS_VFORK,  /* a child in the parent's memory: raw calls only, write nothing */
};

/* Makes the MADV_WIPEONFORK page. False when there is no memory; then every fork is found by pid
 * alone and a child in doubt counts as vfork. */
bool process_start(void);

/* Runs under valgrind? It knows no clone(2) but those of fork and of libc's threads, and ends the
 * program at another. Valid from process_start() on. */
bool process_in_valgrind(void);

/* One getpid(). */
enum process_kind process_kind(void);

/* The forked child is the owner of its copy from now on. */
void process_adopt(void);

pid_t process_pid(void);

/*
 * One thread at a time, and nobody waits: true for who has it now, until process_release(). The
 * claim of another thread is not inherited over a fork, where nobody would ever yield it. `holder`
 * begins as 0. (fcntl(2)'s record locks are bound to a process in the same way.)
 */
bool process_claim(pid_t *holder);
void process_release(pid_t *holder);

/* The calling thread's id, remembered per thread and asked again after a fork. */
pid_t process_thread(void);

/* CLOCK_MONOTONIC in nanoseconds, asked of the kernel: a preloaded clock (faketime) takes locks and
 * needs a thread of libc's, which neither close() in a signal handler nor the drain thread has. */
uint64_t process_now(void);

#endif
