/* SPDX-License-Identifier: MIT */
#include "shim/log.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <time.h>

#include "shim/line.h"
#include "shim/own_fds.h"
#include "shim/process.h"
#include "shim/raw.h"
#include "shim/real.h"
#include "shim/sockets.h"

enum kind { KIND_NONE, KIND_FILE, KIND_STDERR, KIND_UNIX };

/* What a descriptor was when it was looked at: the same number may become something else. */
struct identity {
    dev_t device;
    ino_t inode;
    mode_t mode;
};

static struct {
    enum kind kind;
    struct identity target; /* of the log */
    struct identity stderr_at_start;
    char pattern[PATH_MAX]; /* as the user gave it */
    char name[PATH_MAX];
    char program[64];
    bool per_process; /* the pattern holds %p */
    bool reopen;      /* this forked child has not opened its own file yet */
    bool torn;        /* the last write was cut short: the next line must not join it */
} log_state;

/* The system calls of glibc's stat wrappers would do, but they are no raw calls. */
static bool identify(int fd, struct identity *out)
{
    struct stat status;

    if (raw_call(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH) != 0)
        return false;
    *out = (struct identity){status.st_dev, status.st_ino, status.st_mode};
    return true;
}

static bool is_still(int fd, const struct identity *was)
{
    struct identity now;
    return identify(fd, &now) && now.device == was->device && now.inode == was->inode;
}

static void expand(struct line *out, const char *pattern)
{
    for (const char *p = pattern; *p != '\0'; p++) {
        if (p[0] != '%' || p[1] == '\0') {
            line_text(out, (char[]){p[0], '\0'});
            continue;
        }
        struct utsname host;
        struct timespec now;
        switch (*++p) {
        case 'p':
            line_number(out, process_pid());
            break;
        case 'e':
            line_text(out, log_state.program);
            break;
        case 'h':
            line_text(out, raw_call(SYS_uname, &host) == 0 ? host.nodename : "localhost");
            break;
        case 't':
            real_clock(CLOCK_REALTIME, &now);
            line_number(out, now.tv_sec);
            break;
        case '%':
            line_text(out, "%");
            break;
        default: /* not one of ours: as it stands */
            line_text(out, (char[]){'%', p[0], '\0'});
            break;
        }
    }
    line_terminate(out);
}

static long open_file(const char *path)
{
    /* O_NONBLOCK matters for a FIFO only: without a reader the open fails instead of hanging. */
    return raw_call(SYS_openat, AT_FDCWD, path,
                    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                    0600);
}

static long open_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);

    if (length == 0 || length >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, length);
    long fd = raw_call(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fd;
    long result = raw_call(SYS_connect, fd, &address, sizeof address);
    if (result == 0)
        return fd;
    raw_call(SYS_close, fd);
    return result;
}

static const char *advice(long error)
{
    switch (-error) {
    case ELOOP:
        return "it is a symbolic link, which is never followed; name the file itself";
    case ENOENT:
        return "no such directory; create it or give another SOFTCLOSE_LOG";
    case EACCES:
    case EPERM:
        return "permission denied; give a path that this user may write";
    case EISDIR:
        return "it is a directory; give the path of a file";
    case EROFS:
        return "the file system is read-only; give another SOFTCLOSE_LOG";
    case ENAMETOOLONG:
        return "the path is too long or empty";
    case EINVAL:
    case EMFILE:
        return "no descriptor is left for it (RLIMIT_NOFILE); raise the limit";
    case ECONNREFUSED:
        return "nobody listens there; start the receiver first (SOCK_DGRAM)";
    case ENXIO:
        return "it is a FIFO that nobody reads; start the reader first";
    default:
        return strerrordesc_np((int)-error);
    }
}

static long open_target(bool at_start)
{
    struct line name = {.text = log_state.name, .size = sizeof log_state.name};

    expand(&name, log_state.pattern);
    if (name.cut)
        return -ENAMETOOLONG;
    /* open_unix() takes what follows the prefix, open_file() all of it. */
    long fd = log_state.kind == KIND_UNIX ? open_unix(log_state.name + strlen("unix:"))
                                          : open_file(log_state.name);
    if (fd < 0)
        return fd;
    if (!identify((int)fd, &log_state.target)) {
        raw_call(SYS_close, fd);
        return -EBADF;
    }
    int before = own_fds_get(OWN_LOG);
    int kept = own_fds_keep(OWN_LOG, (int)fd, at_start);
    if (kept >= 0 && before >= 0 && before != kept) {
        sockets_state_clear(before, DESCRIPTOR_OWN);
        raw_call(SYS_close, before);
    }
    return kept;
}

static void copy_text(char *to, size_t size, const char *from)
{
    size_t length = strnlen(from, size - 1);
    memcpy(to, from, length);
    to[length] = '\0';
}

/* A path is made absolute: a forked child may have another working directory by the time it opens a
 * file of its own. */
static bool keep_pattern(const char *text)
{
    struct line line = {.text = log_state.pattern, .size = sizeof log_state.pattern};
    char directory[PATH_MAX];
    bool is_path =
        strcmp(text, "none") != 0 && strcmp(text, "stderr") != 0 && strncmp(text, "unix:", 5) != 0;

    if (is_path && text[0] != '/' && strstr(text, "%p") != NULL &&
        raw_call(SYS_getcwd, directory, sizeof directory) > 0) {
        for (const char *c = directory; *c != '\0'; c++)
            line_text(&line, *c == '%' ? "%%" : (char[]){*c, '\0'});
        line_text(&line, "/");
    }
    line_text(&line, text);
    line_terminate(&line);
    return !line.cut;
}

/* The standard error of a service that inetd(8) starts is the connection, and so is that of a
 * program started after dup2() of one onto 2: the peer would read the events. A UNIX socket is
 * most likely the journal's. */
static bool is_connection(int fd)
{
    int domain = AF_UNIX;
    socklen_t size = sizeof domain;
    return raw_call(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
           domain != AF_UNIX;
}

bool log_start(const char *text, const char *program, char *error, size_t error_size)
{
    bool fits = keep_pattern(text);
    copy_text(log_state.program, sizeof log_state.program, program);
    copy_text(log_state.name, sizeof log_state.name, text);
    log_state.kind = strcmp(text, "none") == 0        ? KIND_NONE
                     : strcmp(text, "stderr") == 0    ? KIND_STDERR
                     : strncmp(text, "unix:", 5) == 0 ? KIND_UNIX
                                                      : KIND_FILE;
    log_state.per_process = strstr(text, "%p") != NULL;
    if (log_state.kind == KIND_NONE)
        return true;
    if (log_state.kind == KIND_STDERR) {
        if (!identify(2, &log_state.target) || is_connection(2))
            log_state.kind = KIND_NONE; /* a daemon without a standard error: nowhere to write */
        else
            sockets_state_set(2, DESCRIPTOR_LOG);
        return true;
    }
    long result = fits ? open_target(true) : -ENAMETOOLONG;
    if (result >= 0)
        return true;
    struct line message = {.text = error, .size = error_size};
    line_text(&message, "cannot write events to '");
    line_text(&message, log_state.name);
    line_text(&message, "': ");
    line_text(&message, advice(result));
    line_terminate(&message);
    log_state.kind = KIND_NONE;
    return false;
}

/* A write that fails with this error would raise the signal in the program: it is held back and
 * taken away, unless one was pending before. */
static long write_without_signal(int number, int error, int fd, const char *line, size_t length)
{
    uint64_t signal = 1ull << (number - 1), before, pending = 0;
    struct timespec now = {0};

    raw_call(SYS_rt_sigprocmask, SIG_BLOCK, &signal, &before, sizeof before);
    raw_call(SYS_rt_sigpending, &pending, sizeof pending);
    long result = raw_call(SYS_write, fd, line, length);
    if (result == -error && (pending & signal) == 0)
        raw_call(SYS_rt_sigtimedwait, &signal, NULL, &now, sizeof signal);
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
    return result;
}

/* A regular file at its RLIMIT_FSIZE would raise SIGXFSZ, whose default action ends the program. A
 * line is written whole or not at all; another thread may be writing the last one that fits. */
static long write_to_file(int fd, const char *line, size_t length)
{
    struct rlimit limit;
    struct stat status;

    if (raw_call(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit) != 0 ||
        limit.rlim_cur == RLIM_INFINITY)
        return raw_call(SYS_write, fd, line, length);
    if (raw_call(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH) != 0 ||
        (rlim_t)status.st_size + length > limit.rlim_cur)
        return -EFBIG;
    return write_without_signal(SIGXFSZ, EFBIG, fd, line, length);
}

static long write_to(int fd, const struct identity *target, const char *line, size_t length)
{
    if (S_ISSOCK(target->mode))
        return raw_call(SYS_sendto, fd, line, length, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
    if (S_ISREG(target->mode))
        return write_to_file(fd, line, length);
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    struct timespec now = {0};
    if (raw_call(SYS_ppoll, &writable, 1, &now, NULL, 8) != 1 || (writable.revents & POLLOUT) == 0)
        return -EAGAIN; /* the program would have blocked here, softclose must not */
    return S_ISFIFO(target->mode) ? write_without_signal(SIGPIPE, EPIPE, fd, line, length)
                                  : raw_call(SYS_write, fd, line, length);
}

/* In a thread with a descriptor table of its own: ours in the program's may have moved aside. */
static _Thread_local int number_here;

void log_own_table(int number)
{
    number_here = number;
}

static int write_line(const char *line, size_t length)
{
    int fd = 2;

    if (log_state.reopen) {
        log_state.reopen = false;
        /* After chroot or setuid it may fail: then the parent's file takes the events. */
        open_target(false);
    }
    if (log_state.kind != KIND_STDERR)
        fd = number_here > 0 ? number_here : own_fds_get(OWN_LOG);
    if (fd < 0 || !is_still(fd, &log_state.target))
        return EBADF;
    if (log_state.torn && write_to(fd, &log_state.target, "\n", 1) == 1)
        log_state.torn = false;
    long result = write_to(fd, &log_state.target, line, length);
    if (result >= 0 && (size_t)result < length) {
        log_state.torn = true;
        return ENOSPC;
    }
    return result < 0 ? (int)-result : 0;
}

/* Threads that are in log_write(), and how often this one is: handlers come in between. */
static unsigned writers;
static _Thread_local unsigned writes_here;
static bool ended;

int log_write(const char *line, size_t length)
{
    if (log_state.kind == KIND_NONE)
        return 0;
    writes_here++;
    __atomic_add_fetch(&writers, 1, __ATOMIC_SEQ_CST);
    int error = __atomic_load_n(&ended, __ATOMIC_SEQ_CST) ? 0 : write_line(line, length);
    __atomic_sub_fetch(&writers, 1, __ATOMIC_SEQ_CST);
    writes_here--;
    return error;
}

bool log_others_write(void)
{
    return __atomic_load_n(&writers, __ATOMIC_SEQ_CST) > writes_here;
}

void log_settle(void)
{
    struct timespec pause = {0, 100000};
    uint64_t until = process_now() + 50000000;

    while (log_others_write() && process_now() < until)
        raw_call(SYS_nanosleep, &pause, NULL);
}

void log_end(void)
{
    __atomic_store_n(&ended, true, __ATOMIC_SEQ_CST);
}

bool log_exposed(void)
{
    return log_state.kind == KIND_FILE && S_ISREG(log_state.target.mode) &&
           (log_state.target.mode & (S_IWGRP | S_IWOTH)) != 0;
}

bool log_on_stderr(void)
{
    return log_state.kind == KIND_STDERR;
}

bool log_stderr_gone(void)
{
    if (log_state.kind != KIND_STDERR || is_still(2, &log_state.target))
        return false;
    log_state.kind = KIND_NONE;
    sockets_state_clear(2, DESCRIPTOR_LOG);
    return true;
}

void log_forked(void)
{
    log_state.reopen = log_state.per_process && log_state.kind == KIND_FILE;
    writers = writes_here;
    ended = false;
}

const char *log_name(void)
{
    return log_state.name;
}

void log_remember_stderr(void)
{
    if (!identify(2, &log_state.stderr_at_start))
        log_state.stderr_at_start = (struct identity){0};
}

void log_tell(const char *line)
{
    if (log_state.stderr_at_start.inode != 0 && is_still(2, &log_state.stderr_at_start))
        write_to(2, &log_state.stderr_at_start, line, strlen(line));
}
