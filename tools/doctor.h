/* SPDX-License-Identifier: MIT */
/*
 * What `softclose doctor` finds, as a list of findings that cmd_doctor.c prints. Each part of it
 * only looks: nothing is started but the dynamic loader's own listing of libraries.
 */
#ifndef SOFTCLOSE_TOOLS_DOCTOR_H
#define SOFTCLOSE_TOOLS_DOCTOR_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

enum finding {
    FINDING_GOOD,   /* as it should be */
    FINDING_MISSED, /* something will not be seen, or not be repaired */
    FINDING_BAD,    /* cannot be covered */
    FINDING_NOTE,   /* worth knowing */
};

/* Prints one finding; `format` needs no newline. */
void finding(enum finding kind, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The program at `path`: verdict, what it and the libraries it names will hide. True when it can be
 * covered. */
bool doctor_program(const char *path);

/* A running process: what it is now, what a restart would give. False (and said) when there is no
 * such process or it cannot be read. */
bool doctor_process(pid_t pid);

/* This machine: library, kernel, /proc, the place for logs. */
void doctor_machine(const char *library);

/* Prints "use:    softclose run --audit -- WORD...", each word as a shell takes it; nothing when
 * only what is missed is wanted. */
void doctor_command(const char *const words[]);

#endif
