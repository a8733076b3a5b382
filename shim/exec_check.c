/* SPDX-License-Identifier: MIT */
#include "shim/exec_check.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "shim/line.h"
#include "shim/raw.h"

/* include/uapi/linux/fcntl.h since 6.14: all that comes before the format of the file is looked at,
 * the arguments included, and then 0. Kernels before refuse it like any unknown flag. */
enum { CHECK_ONLY = 0x10000, FLAGS_KNOWN = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW };

/* The header of the object this code is linked into. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

enum {
    PAGE = 4096,               /* the smallest there is */
    STRING_MOST = 32 * PAGE,   /* MAX_ARG_STRLEN */
    STRINGS_MOST = 6 << 20,    /* three quarters of _STK_LIM */
    STRINGS_LEAST = 32 * PAGE, /* ARG_MAX: so much is always allowed */
    MARGIN = 2 * PAGE, /* a script's interpreter and path, and what kernels have added over time */
    HEADERS_MOST = 65536,
};

/* ---- the kernel's limits of arguments (fs/exec.c) ---- */

/* With the NUL; 0 when it cannot be read, more than STRING_MOST when it is too long. */
static size_t string_size(const char *text)
{
    size_t length = 0;

    while (length <= STRING_MOST) {
        size_t room = PAGE - ((uintptr_t)(text + length) & (PAGE - 1));
        if (!raw_readable(text + length, 1))
            return 0;
        const char *end = memchr(text + length, '\0', room);
        if (end != NULL)
            return (size_t)(end - text) + 1;
        length += room;
    }
    return length;
}

/* Adds what the strings and the pointers to them take. */
static bool add_strings(char *const *list, uint64_t most, uint64_t *total)
{
    const char *text;

    for (; list != NULL; list++) {
        if (!raw_copy(&text, list, sizeof text))
            return false;
        if (text == NULL)
            break;
        size_t size = string_size(text);
        if (size == 0 || size > STRING_MOST)
            return false;
        *total += size + sizeof text;
        if (*total > most)
            return false;
    }
    return true;
}

static bool arguments_fit(const struct exec_call *call)
{
    struct rlimit stack = {.rlim_cur = RLIM_INFINITY};
    uint64_t most = STRINGS_MOST, total = MARGIN;

    raw_call(SYS_prlimit64, 0, RLIMIT_STACK, NULL, &stack);
    if (stack.rlim_cur / 4 < most)
        most = stack.rlim_cur / 4;
    if (most < STRINGS_LEAST)
        most = STRINGS_LEAST;
    return add_strings(call->arguments, most, &total) &&
           add_strings(call->environment, most, &total);
}

/* ---- the kernel's own answer ---- */

/* -EINVAL where the kernel cannot be asked: before Linux 6.14, and under a system call filter,
 * which may allow execve(2) and kill for this. */
static long ask_kernel(const struct exec_call *call)
{
    if (raw_call(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0) != 0)
        return -EINVAL;
    return raw_call(SYS_execveat, call->directory, call->path, call->arguments, call->environment,
                    call->flags | CHECK_ONLY);
}

static bool refused(long result)
{
    return result != 0 && result != -EINVAL && result != -ENOSYS;
}

/* Is it being written to, for example? Its arguments have been looked at with the script's. */
static bool interpreter_refused(const struct coverage *coverage)
{
    char *const arguments[] = {(char[]){""}, NULL};
    struct exec_call call = {.directory = AT_FDCWD,
                             .path = coverage->subject,
                             .arguments = arguments,
                             .environment = arguments + 1};

    return coverage->script && refused(ask_kernel(&call));
}

/* ---- the format (fs/binfmt_elf.c) ---- */

static bool read_at(int fd, void *buffer, size_t size, uint64_t offset)
{
    return raw_call(SYS_pread64, fd, buffer, size, offset) == (long)size;
}

/* A header that the kernel takes, for this machine. */
static bool header_works(int file, ElfW(Ehdr) * header)
{
    return read_at(file, header, sizeof *header, 0) &&
           memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_machine == __ehdr_start.e_machine &&
           (header->e_type == ET_EXEC || header->e_type == ET_DYN) &&
           header->e_phentsize == sizeof(ElfW(Phdr)) && header->e_phnum != 0 &&
           header->e_phnum <= HEADERS_MOST / sizeof(ElfW(Phdr));
}

static bool loader_works(int file, const ElfW(Phdr) * segment)
{
    char path[EXEC_PATH];
    ElfW(Ehdr) header;
    struct stat status;

    if (segment->p_filesz < 2 || segment->p_filesz > sizeof path ||
        !read_at(file, path, segment->p_filesz, segment->p_offset) ||
        path[segment->p_filesz - 1] != '\0')
        return false;
    int fd = (int)raw_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool works = raw_call(SYS_fstat, fd, &status) == 0 && S_ISREG(status.st_mode) &&
                 raw_call(SYS_faccessat, AT_FDCWD, path, X_OK) == 0 && header_works(fd, &header);
    raw_call(SYS_close, fd);
    return works;
}

static bool elf_works(int file)
{
    ElfW(Ehdr) header;
    ElfW(Phdr) segment;

    if (!header_works(file, &header))
        return false;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        if (!read_at(file, &segment, sizeof segment, header.e_phoff + i * sizeof segment))
            return false;
        if (segment.p_type == PT_INTERP)
            return loader_works(file, &segment);
    }
    return true;
}

/* Of the program, or of the interpreter of a script. */
static bool format_works(const char *path, const struct coverage *coverage)
{
    const char *program = coverage->script ? coverage->subject : path;
    int file = (int)raw_call(SYS_openat, AT_FDCWD, program, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (file < 0)
        return true; /* may be executed, but not read: a program all the same */
    bool works = elf_works(file);
    raw_call(SYS_close, file);
    return works;
}

/* ---- together ---- */

static bool by_descriptor(const struct exec_call *call)
{
    char first;
    return call->directory != AT_FDCWD && raw_copy(&first, call->path, 1) && first != '/';
}

static bool is_link(const struct exec_call *call)
{
    struct stat status;
    return raw_call(SYS_newfstatat, call->directory, call->path, &status, AT_SYMLINK_NOFOLLOW) ==
               0 &&
           S_ISLNK(status.st_mode);
}

const char *exec_path(const struct exec_call *call, char room[EXEC_PATH])
{
    struct line line = {.text = room, .size = EXEC_PATH};

    if (!by_descriptor(call))
        return call->path;
    size_t size = string_size(call->path);
    if (size == 0 || size > EXEC_PATH - 32)
        return NULL;
    line_text(&line, "/proc/self/fd/");
    line_number(&line, call->directory);
    if (size > 1) {
        line_text(&line, "/");
        line_text(&line, call->path);
    }
    line_terminate(&line);
    return room;
}

enum exec_answer exec_check(const struct exec_call *call, const char *path,
                            const struct coverage *coverage)
{
    long result = ask_kernel(call);

    if ((call->flags & ~FLAGS_KNOWN) != 0 || refused(result) || interpreter_refused(coverage))
        return EXEC_FAILS;
    if ((result != 0 || coverage->script) && !arguments_fit(call))
        return EXEC_FAILS;
    if ((call->flags & AT_SYMLINK_NOFOLLOW) != 0 && is_link(call))
        return EXEC_FAILS;
    /* The interpreter would be told a path that is gone by then (execveat(2), BUGS). */
    if (coverage->script && !coverage->formatless && by_descriptor(call) &&
        (raw_call(SYS_fcntl, call->directory, F_GETFD) & FD_CLOEXEC) != 0)
        return EXEC_FAILS;
    if (path == NULL || coverage->verdict == COVERAGE_ARCHITECTURE ||
        (coverage->formatless && !call->by_shell))
        return EXEC_UNSURE;
    return format_works(path, coverage) ? EXEC_GOES : EXEC_UNSURE;
}
