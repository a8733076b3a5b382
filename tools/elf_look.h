/* SPDX-License-Identifier: MIT */
/*
 * What one ELF file tells about how it will close sockets: which functions of libc it calls, which
 * libraries it wants, and whether it makes system calls of its own, which no preloaded library
 * sees. Reads the file with libelf (elfutils) and runs nothing.
 */
#ifndef SOFTCLOSE_TOOLS_ELF_LOOK_H
#define SOFTCLOSE_TOOLS_ELF_LOOK_H

#include <stdbool.h>
#include <stddef.h>

enum elf_trait {
    TRAIT_CLOSES = 1 << 0,     /* calls close(), or another function of libc that closes */
    TRAIT_SYSCALL = 1 << 1,    /* calls syscall(2) of libc: covered */
    TRAIT_OWN_CLOSE = 1 << 2,  /* has a close(2) instruction sequence of its own: not seen */
    TRAIT_OWN_URING = 1 << 3,  /* the same for io_uring_setup(2) */
    TRAIT_URING = 1 << 4,      /* wants liburing, or calls a function of it */
    TRAIT_DLOPEN = 1 << 5,     /* loads libraries while it runs */
    TRAIT_DLMOPEN = 1 << 6,    /* even into a namespace of their own, where nothing is preloaded */
    TRAIT_SECCOMP = 1 << 7,    /* installs seccomp filters (libseccomp, or names it) */
    TRAIT_PRIVILEGES = 1 << 8, /* changes its user or root directory while it runs */
    TRAIT_CLOSES_ALL = 1 << 9, /* close_range() or closefrom() */
    TRAIT_UNSEEN = 1 << 10,    /* some file could not be looked into: any of these may be there */
};

/* Adds what is found in the file to *traits. False when it cannot be looked into; *why then says
 * what is wrong with it, and TRAIT_UNSEEN is added. Where code is only looked for as bytes
 * (TRAIT_OWN_*: x86-64 and AArch64) a match is strong evidence and its absence none. */
bool elf_look(const char *path, unsigned *traits, const char **why);

#endif
