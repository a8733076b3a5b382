/* SPDX-License-Identifier: MIT */
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "elf_look.h"
#include "shim/coverage.h"

#if defined(__x86_64__)
#define LOADER "/lib64/ld-linux-x86-64.so.2"
#elif defined(__aarch64__)
#define LOADER "/lib/ld-linux-aarch64.so.1"
#else
#define LOADER "ld.so"
#endif

/* libc makes the system calls that softclose stands in front of, and the loader none that matter.
 */
static bool is_libc(const char *path)
{
    static const char *const names[] = {"libc.so", "ld-linux", "libpthread.so", "linux-vdso",
                                        "ld64.so"};
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* The loader lists what it would load, and what it cannot find, and ends (LD_TRACE_LOADED_OBJECTS
 * in ld.so(8), as ldd(1) uses it). No code of the program or of its libraries runs. Without the
 * caller's environment, whose LD_PRELOAD is none of the program's. */
static FILE *list_libraries(const char *path, pid_t *pid)
{
    const char *const words[] = {LOADER, path, NULL};
    char *search = NULL;
    const char *directories = getenv("LD_LIBRARY_PATH");
    if (directories && asprintf(&search, "LD_LIBRARY_PATH=%s", directories) < 0)
        search = NULL;
    const char *const environment[] = {"LD_TRACE_LOADED_OBJECTS=1", search, NULL};
    posix_spawn_file_actions_t actions;
    FILE *stream = NULL;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0) {
        free(search);
        return NULL;
    }
    if (posix_spawn_file_actions_init(&actions) == 0) {
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        if (posix_spawn(pid, LOADER, &actions, NULL, (char *const *)words,
                        (char *const *)environment) == 0)
            stream = fdopen(ends[0], "r");
        posix_spawn_file_actions_destroy(&actions);
    }
    close(ends[1]);
    if (!stream)
        close(ends[0]);
    free(search);
    return stream;
}

static void look_at(const char *path, unsigned *traits)
{
    unsigned own = 0;
    const char *why;

    if (!elf_look(path, &own, &why))
        finding(FINDING_NOTE, "%s cannot be looked into: %s", path, why);
    if ((own & TRAIT_OWN_CLOSE) != 0)
        finding(FINDING_MISSED,
                "%s has a close(2) instruction of its own: what it closes that way is not seen",
                path);
    if ((own & TRAIT_OWN_URING) != 0)
        finding(FINDING_MISSED,
                "%s sets up io_uring with an instruction of its own: that ring is not seen", path);
    *traits |= own;
}

/* "	libm.so.6 => /lib/.../libm.so.6 (0x...)": looks at the path. A library not found is told. */
static void look_at_line(char *line, unsigned *traits)
{
    char *arrow = strstr(line, " => ");
    char *path = arrow ? arrow + 4 : line + strspn(line, "\t ");
    char *end = strstr(path, " (0x");

    if (arrow && strncmp(path, "not found", 9) == 0) {
        *arrow = '\0';
        finding(FINDING_BAD, "it wants the library %s, which is not found",
                line + strspn(line, "\t "));
        return;
    }
    if (!end || *path != '/')
        return;
    *end = '\0';
    if (!is_libc(path))
        look_at(path, traits);
}

static void look_at_libraries(const char *path, unsigned *traits)
{
    pid_t pid;
    char *real = realpath(path, NULL); /* $ORIGIN is where the file lies, not a link to it */
    FILE *list = real ? list_libraries(real, &pid) : NULL;
    char *line = NULL;
    size_t size = 0;

    free(real);
    if (!list)
        return;
    while (getline(&line, &size, list) >= 0)
        look_at_line(line, traits);
    free(line);
    fclose(list);
    waitpid(pid, NULL, 0);
}

static void tell_traits(unsigned traits)
{
    if ((traits & (TRAIT_CLOSES | TRAIT_SYSCALL | TRAIT_UNSEEN)) == 0)
        finding(FINDING_NOTE, "neither it nor its libraries call close() or another function that "
                              "closes: what it leaves open is closed, and seen, at its end");
    if ((traits & TRAIT_SYSCALL) != 0)
        finding(FINDING_GOOD, "it may close through syscall(2), which is covered too");
    if ((traits & TRAIT_CLOSES_ALL) != 0)
        finding(FINDING_GOOD, "it closes ranges of descriptors (close_range, closefrom): covered");
    if ((traits & TRAIT_URING) != 0)
        finding(FINDING_MISSED,
                "it can use io_uring: sockets closed there are not seen, and while a "
                "ring exists connections are observed only");
    if ((traits & TRAIT_DLMOPEN) != 0)
        finding(FINDING_MISSED, "it can load libraries with dlmopen(): nothing is preloaded into "
                                "their namespace");
    if ((traits & TRAIT_DLOPEN) != 0)
        finding(FINDING_NOTE,
                "it loads libraries while it runs, which cannot be looked at here; one "
                "loaded with RTLD_DEEPBIND calls libc past softclose");
    if ((traits & TRAIT_SECCOMP) != 0)
        finding(FINDING_MISSED,
                "it can install a seccomp filter: from then on softclose is passive "
                "in that process and says so in a note");
    if ((traits & TRAIT_PRIVILEGES) != 0)
        finding(FINDING_NOTE,
                "it can change its user or root directory: the log is opened before, so "
                "events go on; a new process's log (%%p) needs a place it may write to");
}

static void tell_verdict(const char *path, const struct coverage *coverage)
{
    const char *subject = *coverage->subject ? coverage->subject : path;

    if (coverage->verdict == COVERAGE_OK && coverage->script)
        finding(FINDING_GOOD, "%s is a script; %s runs it and can be covered, engine preload", path,
                subject);
    else if (coverage->verdict == COVERAGE_OK)
        finding(FINDING_GOOD, "%s can be covered, engine preload", path);
    else if (strcmp(subject, path) != 0)
        finding(FINDING_BAD, "%s (%s) %s; %s", path, subject, coverage_reason(coverage->verdict),
                coverage_advice(coverage->verdict));
    else
        finding(FINDING_BAD, "%s %s; %s", path, coverage_reason(coverage->verdict),
                coverage_advice(coverage->verdict));
    if (coverage->go)
        finding(FINDING_MISSED, "it is a Go program: it closes by system calls of its own, none of "
                                "which is seen; only what C code in it closes is");
    if (coverage->unreadable)
        finding(FINDING_NOTE, "it may be executed but not read, so nothing more can be found out");
}

bool doctor_program(const char *path)
{
    struct coverage coverage;
    unsigned traits = 0;

    coverage_check(path, &coverage);
    tell_verdict(path, &coverage);
    if (coverage.verdict != COVERAGE_OK || coverage.unreadable)
        return coverage.verdict == COVERAGE_OK;
    const char *program = coverage.script ? coverage.subject : path;
    if (!coverage.go) /* whose every system call is its own: said already */
        look_at(program, &traits);
    look_at_libraries(program, &traits);
    tell_traits(traits);
    return true;
}
