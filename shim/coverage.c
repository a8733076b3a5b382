/* SPDX-License-Identifier: MIT */
#include "shim/coverage.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <linux/capability.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include "shim/raw.h"

enum {
    SCRIPT_DEPTH = 4,     /* one less than the kernel follows, so that it never disagrees */
    PROGRAM_HEADERS = 64, /* more are never needed to find PT_INTERP */
    SECTIONS = 512,
};

static const char SHELL[] = "/bin/sh"; /* what execvp uses for a file of no known format */

/* The header of the object this code is linked into: what a preloadable program must match. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

struct caller {
    uid_t uid, euid;
    gid_t gid, egid;
};

static bool read_at(int fd, void *buffer, size_t size, uint64_t offset)
{
    return raw_call(SYS_pread64, fd, buffer, size, offset) == (long)size;
}

/* Both are COVERAGE_SUBJECT_SIZE. */
static void copy_subject(char *to, const char *from)
{
    size_t length = strnlen(from, COVERAGE_SUBJECT_SIZE - 1);
    memcpy(to, from, length);
    to[length] = '\0';
}

/* AT_EACCESS needs faccessat2 (Linux 5.8); without it the answer is for the real user. */
static int may_execute(const char *path)
{
    long result = raw_call(SYS_faccessat2, AT_FDCWD, path, X_OK, AT_EACCESS);
    if (result == -ENOSYS)
        result = raw_call(SYS_faccessat, AT_FDCWD, path, X_OK);
    return (int)-result;
}

/* --- privilege: does AT_SECURE get set, which makes the loader ignore LD_PRELOAD? --- */

static bool grants_capabilities(int fd)
{
    struct vfs_ns_cap_data data = {0};
    long size = raw_call(SYS_fgetxattr, fd, "security.capability", &data, sizeof data);
    if (size < (long)XATTR_CAPS_SZ_1)
        return false;
    if (data.data[0].permitted || (data.magic_etc & VFS_CAP_FLAGS_EFFECTIVE))
        return true;
    return size >= (long)XATTR_CAPS_SZ_2 && data.data[1].permitted;
}

static bool gains_privilege(int fd, const struct stat *status)
{
    struct caller caller = {
        .uid = (uid_t)raw_call(SYS_getuid),
        .euid = (uid_t)raw_call(SYS_geteuid),
        .gid = (gid_t)raw_call(SYS_getgid),
        .egid = (gid_t)raw_call(SYS_getegid),
    };
    struct statfs filesystem = {0};
    bool ignored =
        raw_call(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ||
        (raw_call(SYS_fstatfs, fd, &filesystem) == 0 && (filesystem.f_flags & ST_NOSUID));
    if (!ignored) {
        if (status->st_mode & S_ISUID)
            caller.euid = status->st_uid;
        if ((status->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
            caller.egid = status->st_gid;
    }
    if (caller.euid != caller.uid || caller.egid != caller.gid)
        return true;
    return !ignored && caller.uid != 0 && grants_capabilities(fd);
}

/* --- ELF --- */

/* glibc names its loader ld-linux*.so.N, ld.so.N or ld64.so.N, and long ago ld-2.NN.so. */
static bool is_glibc_loader(const char *path)
{
    static const char *const names[] = {"ld-linux", "ld.so", "ld64.so", "ld-2."};
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* The Go linker leaves these even in stripped programs, and with external linking (cgo). */
static bool is_go(int fd, const ElfW(Ehdr) * header)
{
    static const char *const names[] = {".go.buildinfo", ".note.go.buildid", ".gopclntab"};
    ElfW(Shdr) strings = {0};
    if (header->e_shentsize != sizeof strings || header->e_shstrndx >= header->e_shnum ||
        !read_at(fd, &strings, sizeof strings,
                 header->e_shoff + header->e_shstrndx * sizeof strings))
        return false;
    for (unsigned i = 0; i < header->e_shnum && i < SECTIONS; i++) {
        ElfW(Shdr) section = {0};
        char name[20] = "";
        if (!read_at(fd, &section, sizeof section, header->e_shoff + i * sizeof section))
            return false;
        if (raw_call(SYS_pread64, fd, name, sizeof name - 1, strings.sh_offset + section.sh_name) <=
            0)
            continue;
        for (size_t j = 0; j < sizeof names / sizeof *names; j++)
            if (strcmp(name, names[j]) == 0)
                return true;
    }
    return false;
}

/* The path in PT_INTERP; false when there is none. */
static bool read_loader(int fd, const ElfW(Ehdr) * header, char *loader, size_t size)
{
    for (unsigned i = 0; i < header->e_phnum && i < PROGRAM_HEADERS; i++) {
        ElfW(Phdr) segment = {0};
        if (!read_at(fd, &segment, sizeof segment,
                     header->e_phoff + (uint64_t)i * header->e_phentsize))
            return false;
        if (segment.p_type != PT_INTERP)
            continue;
        size_t length = segment.p_filesz < size ? segment.p_filesz : size - 1;
        if (!read_at(fd, loader, length, segment.p_offset))
            return false;
        loader[length] = '\0';
        return true;
    }
    return false;
}

static enum coverage_verdict check_elf(int fd, const char *path, const struct stat *status,
                                       struct coverage *coverage)
{
    ElfW(Ehdr) header = {0};
    if (!read_at(fd, &header, sizeof header, 0) ||
        header.e_ident[EI_CLASS] != __ehdr_start.e_ident[EI_CLASS] ||
        header.e_ident[EI_DATA] != __ehdr_start.e_ident[EI_DATA] ||
        header.e_machine != __ehdr_start.e_machine)
        return COVERAGE_ARCHITECTURE;

    coverage->go = is_go(fd, &header);
    char loader[COVERAGE_SUBJECT_SIZE];
    if (!read_loader(fd, &header, loader, sizeof loader)) {
        if (!is_glibc_loader(path)) /* ld.so as a command preloads too, and has no PT_INTERP */
            return COVERAGE_STATIC;
    } else if (raw_call(SYS_faccessat, AT_FDCWD, loader, F_OK) != 0) {
        copy_subject(coverage->subject, loader);
        return COVERAGE_NO_LOADER;
    } else if (!is_glibc_loader(loader)) {
        copy_subject(coverage->subject, loader);
        return COVERAGE_FOREIGN_LOADER;
    }
    return gains_privilege(fd, status) ? COVERAGE_PRIVILEGED : COVERAGE_OK;
}

/* --- scripts --- */

/* The interpreter in a "#!" line of `length` bytes, cut out in place; NULL when there is none. */
static char *interpreter_of(char *line, size_t length)
{
    line[length] = '\0';
    char *start = line + 2;
    start += strspn(start, " \t");
    start[strcspn(start, " \t\r\n")] = '\0';
    return *start ? start : NULL;
}

/* What is at `path`. For a script that is COVERAGE_OK so far, and its interpreter in `next`. */
static enum coverage_verdict check_file(const char *path, struct coverage *coverage, char *next)
{
    struct stat status = {0};
    *next = '\0';
    if (raw_call(SYS_newfstatat, AT_FDCWD, path, &status, 0) != 0) {
        /* a directory on the way that may not be searched: found or not, it cannot be executed */
        return may_execute(path) == EACCES ? COVERAGE_NOT_EXECUTABLE : COVERAGE_NOT_FOUND;
    }
    if (S_ISDIR(status.st_mode))
        return COVERAGE_DIRECTORY;
    if (!S_ISREG(status.st_mode) || may_execute(path) != 0)
        return COVERAGE_NOT_EXECUTABLE;

    int fd = (int)raw_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        coverage->unreadable = true;
        return COVERAGE_OK;
    }
    enum coverage_verdict verdict = COVERAGE_OK;
    char start[COVERAGE_SUBJECT_SIZE];
    long length = raw_call(SYS_pread64, fd, start, sizeof start - 1, 0);
    if (length >= SELFMAG && memcmp(start, ELFMAG, SELFMAG) == 0) {
        verdict = check_elf(fd, path, &status, coverage);
    } else if (length >= 2 && start[0] == '#' && start[1] == '!') {
        const char *interpreter = interpreter_of(start, (size_t)length);
        if (interpreter)
            copy_subject(next, interpreter);
        else
            verdict = COVERAGE_BAD_INTERPRETER;
    } else {
        coverage->formatless = true;
        copy_subject(next, SHELL);
    }
    raw_call(SYS_close, fd);
    return verdict;
}

enum coverage_verdict coverage_check(const char *path, struct coverage *coverage)
{
    char next[COVERAGE_SUBJECT_SIZE];
    memset(coverage, 0, sizeof *coverage);
    coverage->verdict = check_file(path, coverage, next);
    for (int depth = 0; coverage->verdict == COVERAGE_OK && *next; depth++) {
        char interpreter[COVERAGE_SUBJECT_SIZE];
        copy_subject(interpreter, next);
        if (depth == SCRIPT_DEPTH) {
            coverage->verdict = COVERAGE_BAD_INTERPRETER;
        } else {
            coverage->verdict = check_file(interpreter, coverage, next);
            if (coverage->verdict == COVERAGE_NOT_FOUND ||
                coverage->verdict == COVERAGE_NOT_EXECUTABLE ||
                coverage->verdict == COVERAGE_DIRECTORY)
                coverage->verdict = COVERAGE_BAD_INTERPRETER;
        }
        coverage->script = true;
        if (!*coverage->subject || coverage->verdict == COVERAGE_OK)
            copy_subject(coverage->subject, interpreter);
    }
    return coverage->verdict;
}

/* --- PATH --- */

static bool join(char *path, size_t size, const char *directory, size_t length, const char *name)
{
    size_t rest = strlen(name);
    if (length + 1 + rest + 1 > size)
        return false;
    memcpy(path, directory, length);
    if (length > 0)
        path[length++] = '/';
    memcpy(path + length, name, rest + 1);
    return true;
}

int coverage_find(const char *name, const char *search, char *path, size_t size)
{
    *path = '\0';
    if (!*name)
        return ENOENT;
    if (strchr(name, '/'))
        return join(path, size, "", 0, name) ? 0 : ENAMETOOLONG;

    size_t denied = 0; /* length of the first directory with a file that cannot be executed, + 1 */
    const char *denied_directory = NULL;
    for (const char *at = search ? search : "/bin:/usr/bin";; at++) {
        size_t length = strcspn(at, ":");
        struct stat status = {0};
        if (join(path, size, at, length, name) &&
            raw_call(SYS_newfstatat, AT_FDCWD, path, &status, 0) == 0) {
            if (S_ISREG(status.st_mode) && may_execute(path) == 0)
                return 0;
            if (!denied) {
                denied = length + 1;
                denied_directory = at;
            }
        }
        at += length;
        if (!*at)
            break;
    }
    if (!denied) {
        *path = '\0';
        return ENOENT;
    }
    join(path, size, denied_directory, denied - 1, name);
    return EACCES;
}

/* --- words --- */

static const struct {
    int status;
    const char *reason, *advice;
} texts[COVERAGE_COUNT] = {
    [COVERAGE_OK] = {0, "can be covered", ""},
    [COVERAGE_NOT_FOUND] = {127, "not found", "check the name and PATH"},
    [COVERAGE_NOT_EXECUTABLE] = {126, "cannot be executed",
                                 "give the file permission to be executed (chmod +x)"},
    [COVERAGE_DIRECTORY] = {126, "is a directory", "name a program"},
    [COVERAGE_BAD_INTERPRETER] = {126, "the interpreter in its first line cannot be executed",
                                  "install the interpreter or correct the first line"},
    [COVERAGE_NO_LOADER] = {126, "the dynamic loader it needs is not installed",
                            "install the C library that the program was built for"},
    [COVERAGE_STATIC] = {125, "is linked statically, so no library can be preloaded into it",
                         "use a dynamically linked build of the program"},
    [COVERAGE_ARCHITECTURE] = {125, "was built for another processor or word size than softclose",
                               "use a build of the program, or of softclose, that fits the other"},
    [COVERAGE_FOREIGN_LOADER] = {125, "uses another C library than glibc",
                                 "use a build of the program for glibc"},
    [COVERAGE_PRIVILEGED] = {125,
                             "has other rights than its caller (setuid, setgid or file "
                             "capabilities), so the loader ignores preloaded libraries",
                             "start softclose as the user whose rights the program takes (mostly "
                             "root), or run a copy of the program without these rights"},
};

const char *coverage_reason(enum coverage_verdict verdict)
{
    return texts[verdict].reason;
}

const char *coverage_advice(enum coverage_verdict verdict)
{
    return texts[verdict].advice;
}

int coverage_status(enum coverage_verdict verdict)
{
    return texts[verdict].status;
}
