/* SPDX-License-Identifier: MIT */
/*
 * The related processes: a place for each in the memory that all of them share, and from which one
 * it was forked. Births and releases (releases.h) take their numbers from one clock, so that of any
 * two it can be told which came first.
 *
 * A place stays taken while one of its children has one: a child's lineage leads through it.
 * Lock-free (atomics); async-signal-safe.
 */
#ifndef SOFTCLOSE_SHIM_MEMBERS_H
#define SOFTCLOSE_SHIM_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { MEMBERS = 1024 }; /* at a time */

/* In place of a number: its process has begun to take one. Whoever meets it waits a moment, and
 * still finds it then if that process is stopped, or was killed. */
#define NUMBER_PENDING UINT64_MAX

/* A place never had two owners with the same birth. Above the number, which has 48 bits. */
#define BIRTH_DEAD (1ull << 62) /* has been found dead */

enum member_flag {
    MEMBER_EXECUTED = 1, /* runs another program: it can no longer tell us what it closes */
    MEMBER_LEFT = 2,     /* has ended in order */
    MEMBER_RELEASED = 4, /* something of it stands, or stood, in the table of releases */
};

struct member {
    uint64_t pid; /* below the lower bits of the birth, so that it is never another owner's */
    uint32_t flags;
    int32_t parent;    /* its place */
    uint32_t children; /* places that were taken for its children */
    uint64_t since;    /* CLOCK_MONOTONIC ns */
    uint64_t space;    /* the pid namespace in which `pid` is a number: inode of /proc/PID/ns/pid */
    uint64_t left;     /* number with which it gave up all that it held, at its end; 0: not yet */
};

struct members {
    uint64_t clock __attribute__((aligned(64)));
    uint32_t highest __attribute__((aligned(64))); /* place that was ever taken */
    uint64_t births[MEMBERS];                      /* 0: the place is free */
    struct member places[MEMBERS];
};

/* The caller is the first process, at place 0. */
void members_start(struct members *shared);

/* The next number, and the last one that was given. */
uint64_t members_number(void);
uint64_t members_now(void);

/* A number that may be pending; NUMBER_PENDING when it takes too long. */
uint64_t members_await(const uint64_t *number);

/* Between two looks at what somebody else is just writing: false when this was the last try. */
bool members_wait(int tries);

/* Called for a process that has died after it executed another program, before anybody else can
 * learn of its death. */
typedef void members_died(void);

/* A place for a child of the process at `parent`; -1: all are taken by living processes. */
int members_claim(int parent, members_died *died);

/* In the child: it is the process at `place`. False when that was taken from it, because its birth
 * took longer than anyone waits for. */
bool members_child(int place, uint64_t birth);

/* In the parent: the pid, as the parent sees it, of the child with that birth. */
void members_born(int place, uint64_t birth, pid_t pid);

/* 0: it is being born. */
pid_t members_pid(int place);

/* Its process has ended, or was never born. */
void members_free(int place);

/* The number of birth; 0 when nobody has the place. Waits for a pending one. */
uint64_t members_birth(int place);

/* As it stands, to find out later whether the place has still the same owner. */
uint64_t members_owner(int place);

bool members_is_dead(int place); /* as far as it is known */

struct member *members_at(int place);
int members_parent(int place);
int members_highest(void);

/* The one in its line, from itself upwards, in whose time the number was given. */
int members_origin(int place, uint64_t number);

enum member_life { MEMBER_ALIVE, MEMBER_ALIVE_EXECUTED, MEMBER_GONE };

/* Of the owner with this birth. One kill(2) and one or two readlink(2). */
enum member_life members_life(int place, uint64_t owner, members_died *died);

#endif
