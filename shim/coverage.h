/* SPDX-License-Identifier: MIT */
/*
 * Can libsoftclose.so be preloaded into this program? Asked by `softclose run` before the start
 * and by the shim's exec wrappers.
 *
 * Async-signal-safe and fit for a vfork child: raw system calls and less than 2 KiB of stack, no
 * memory, no errno, no writes outside the caller's structures. The answer is what the kernel
 * (fs/exec.c, fs/binfmt_script.c, security/commoncap.c) and the dynamic loader (ld.so(8), "secure
 * execution mode") would do for the calling process at this moment.
 */
#ifndef SOFTCLOSE_SHIM_COVERAGE_H
#define SOFTCLOSE_SHIM_COVERAGE_H

#include <stdbool.h>
#include <stddef.h>

enum coverage_verdict {
    COVERAGE_OK,
    COVERAGE_NOT_FOUND,
    COVERAGE_NOT_EXECUTABLE,
    COVERAGE_DIRECTORY,
    COVERAGE_BAD_INTERPRETER, /* a script whose interpreter is missing or cannot be executed */
    COVERAGE_NO_LOADER,       /* the dynamic loader it names is not installed */
    COVERAGE_STATIC,          /* no PT_INTERP: linked statically, static-pie included */
    COVERAGE_ARCHITECTURE,    /* other processor, word size or byte order than this library */
    COVERAGE_FOREIGN_LOADER,  /* not glibc's: musl, Android's bionic, uClibc */
    COVERAGE_PRIVILEGED,      /* setuid, setgid or file capabilities that would take effect */
    COVERAGE_COUNT
};

enum { COVERAGE_SUBJECT_SIZE = 256 }; /* the kernel reads no more of a script's first line */

struct coverage {
    enum coverage_verdict verdict;
    bool go;         /* a Go program: what it closes by raw system calls is not seen */
    bool unreadable; /* may be executed but not read, so nothing more could be found out */
    bool formatless; /* neither ELF nor a script: the kernel alone does not execute it */
    bool script;     /* `subject` is the interpreter of a script */
    /* The file that the verdict is about when it is not the program itself, else "": a script's
     * interpreter, or the dynamic loader. Cut when longer. */
    char subject[COVERAGE_SUBJECT_SIZE];
};

/* Fills `coverage` and returns its verdict. `path` is taken as execve takes it. */
enum coverage_verdict coverage_check(const char *path, struct coverage *coverage);

/*
 * Finds `name` as execvp does: as it stands when it holds a slash, else along `search` (the value
 * of PATH; NULL = the system's default). Returns 0 and the path in `path`, or ENOENT, ENAMETOOLONG,
 * or EACCES when only files that cannot be executed were found (`path` is the first of them).
 */
int coverage_find(const char *name, const char *search, char *path, size_t size);

/* Constant texts that complete "PROGRAM: ...": the reason in one line, and what to do about it. */
const char *coverage_reason(enum coverage_verdict verdict);
const char *coverage_advice(enum coverage_verdict verdict);

/* The exit status of `softclose run` for it: 0, 125, 126 or 127. */
int coverage_status(enum coverage_verdict verdict);

#endif
