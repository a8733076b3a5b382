/* SPDX-License-Identifier: MIT */
#include "shim/tasks.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "shim/line.h"
#include "shim/procfs.h"
#include "shim/raw.h"

enum { MARKS = 256, TEXT = 256, PATH_TEXT = 32 };

/* A call that was woken moves at most what the buffers of a socket hold, some megabytes. Much less
 * than this is not safe: interrupts, and the host of a virtual machine, count as the thread's own
 * (with 0.3 ms 2 of 1000 readers were taken for busy ones). */
static const int64_t CPU_ENOUGH_NS = 2000000;

static int directory = -1;

/* Opening takes longer than reading: those files stay open that are read most. */
static struct call_file {
    pid_t tid;
    int fd; /* valid only with a tid */
} call_files[TASKS_OPEN_FILES];
static bool keeps_open;

void tasks_keep_open(bool keep)
{
    for (size_t i = 0; keeps_open && !keep && i < TASKS_OPEN_FILES; i++) {
        if (call_files[i].tid != 0)
            raw_call(SYS_close, call_files[i].fd);
        call_files[i].tid = 0;
    }
    keeps_open = keep;
}

void tasks_start(int proc)
{
    memset(call_files, 0, sizeof call_files); /* of another table */
    keeps_open = false;
    directory = (int)raw_call(SYS_openat, proc, "self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        directory = (int)raw_call(SYS_openat, AT_FDCWD, "/proc/self/task",
                                  O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int tasks_directory(void)
{
    return directory < 0 ? -1 : directory;
}

/* The argument that names a socket whose data the call takes or gives, as bits; 0 = none. */
static unsigned arguments_of(long number)
{
    switch (number) {
    case SYS_read:
    case SYS_readv:
    case SYS_preadv2:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_write:
    case SYS_writev:
    case SYS_pwritev2:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_sendmmsg:
    case SYS_sendfile:
    case SYS_connect:
    case SYS_accept4:
#ifdef SYS_accept
    case SYS_accept:
#endif
        return 1;
    case SYS_splice:
        return 1 | 4;
    default:
        return 0;
    }
}

/* "NUMBER 0xARGUMENT ... 0xSP 0xPC", all of a thread that waits in a call. */
static void read_call(const char *text, task_in_call *found)
{
    long number = 0;
    unsigned wanted;

    for (; *text >= '0' && *text <= '9'; text++)
        number = number * 10 + (*text - '0');
    for (wanted = arguments_of(number); wanted != 0 && *text == ' '; wanted >>= 1) {
        unsigned long argument = 0;
        for (text += 3; *text != ' ' && *text != '\n' && *text != '\0'; text++)
            argument =
                argument * 16 + (unsigned long)(*text <= '9' ? *text - '0' : *text - 'a' + 10);
        if ((wanted & 1) != 0)
            found((int)argument);
    }
}

/* /proc/self/task/TID/WHAT */
static void path_in(char path[PATH_TEXT], pid_t tid, const char *what)
{
    struct line line = {.text = path, .size = PATH_TEXT};

    line_number(&line, tid);
    line_text(&line, what);
    line_terminate(&line);
}

/* Bytes, or -errno. */
static long read_task(pid_t tid, const char *what, char *text, size_t size)
{
    char path[PATH_TEXT];

    path_in(path, tid, what);
    return procfs_read(directory, path, text, size);
}

static long read_from_start(int fd, char *text, size_t size)
{
    long length = raw_call(SYS_pread64, fd, text, size - 1, 0);

    text[length < 0 ? 0 : length] = '\0';
    return length;
}

/* A file of a thread that has ended says ESRCH, even when its number is another's by now. */
static long read_call_file(pid_t tid, char *text, size_t size)
{
    struct call_file *file = &call_files[(unsigned)tid % TASKS_OPEN_FILES];
    char path[PATH_TEXT];

    if (!keeps_open)
        return read_task(tid, "/syscall", text, size);
    if (file->tid == tid) {
        long length = read_from_start(file->fd, text, size);
        if (length != -ESRCH)
            return length;
    }
    if (file->tid != 0)
        raw_call(SYS_close, file->fd);
    path_in(path, tid, "/syscall");
    file->fd = (int)raw_call(SYS_openat, directory, path, O_RDONLY | O_CLOEXEC);
    file->tid = file->fd < 0 ? 0 : tid;
    return file->fd < 0 ? file->fd : read_from_start(file->fd, text, size);
}

/* Kernel functions (their beginnings, by which versions differ) in which a thread sleeps that holds
 * no socket. Not those of a pipe: splice(2) waits there with a socket in its hand. */
static bool is_elsewhere(const char *function)
{
    static const char *const known[] = {
        "futex_",          "ep_poll",         "do_epoll_", "poll_schedule_timeout",
        "do_sys_poll",     "do_poll",         "do_select", "hrtimer_nanosleep",
        "do_nanosleep",    "do_sigtimedwait", "do_wait",   "__do_sys_pause",
        "__x64_sys_pause", "sigsuspend",
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(function, known[i], strlen(known[i])) == 0)
            return true;
    return false;
}

static bool is_running(pid_t tid)
{
    char text[TEXT];
    long length = read_task(tid, "/stat", text, sizeof text); /* "TID (NAME) STATE ..." */
    const char *state = length > 0 ? strrchr(text, ')') : NULL;

    return state == NULL || state[1] != ' ' || state[2] == 'R';
}

/* Of a process that has changed its user, the calls are the superuser's to know; where a thread
 * sleeps is not. A sleep that may be one with a socket counts as a failure: whose is not told. */
static enum task_doing look_at_sleep(pid_t tid)
{
    char text[TEXT];

    for (int tries = 0; tries < 2; tries++) {
        long length = read_task(tid, "/wchan", text, sizeof text);
        if (length <= 0)
            return length == -ENOENT || length == -ESRCH ? TASK_ENDED : TASK_FAILED;
        if (text[0] != '0')
            return is_elsewhere(text) ? TASK_WAITS : TASK_FAILED;
        if (is_running(tid))
            return TASK_RUNS;
    }
    return TASK_FAILED;
}

enum task_doing task_look(pid_t tid, task_in_call *found)
{
    char text[TEXT];
    long length = read_call_file(tid, text, sizeof text);

    if (length == -EACCES || length == -EPERM)
        return look_at_sleep(tid);
    if (length <= 0)
        return length == -ENOENT || length == -ESRCH ? TASK_ENDED : TASK_FAILED;
    if (text[0] == 'r')
        return TASK_RUNS;
    if (text[0] != '-')
        read_call(text, found);
    return TASK_WAITS;
}

/* How often it has waited for something; -1 when that cannot be told. */
static int64_t waits_of(pid_t tid)
{
    static const char wanted[] = "\nvoluntary_ctxt_switches:\t";
    char text[4096];
    int64_t count = 0;

    if (read_task(tid, "/status", text, sizeof text) <= 0)
        return -1;
    const char *found = strstr(text, wanted);
    if (found == NULL)
        return -1;
    for (found += sizeof wanted - 1; *found >= '0' && *found <= '9'; found++)
        count = count * 10 + (*found - '0');
    return count;
}

/* Processor time of a thread; the clock's number as in clock_getcpuclockid(3). */
static int64_t cpu_of(pid_t tid)
{
    struct timespec time;
    const int per_thread = 4, scheduled = 2;

    if (raw_call(SYS_clock_gettime, (long)((~(unsigned)tid << 3) | per_thread | scheduled),
                 &time) != 0)
        return INT64_MAX; /* it has ended */
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* When threads that were running were looked at for the first time since they last waited: one that
 * computes is known the next time. */
static struct mark {
    pid_t tid;
    int64_t waits, cpu;
} marks[MARKS];

bool task_has_run_long(pid_t tid)
{
    struct mark *mark = &marks[(unsigned)tid % MARKS];
    int64_t cpu = cpu_of(tid);

    if (mark->tid == tid && cpu >= mark->cpu && cpu - mark->cpu < CPU_ENOUGH_NS)
        return false; /* whether it has waited since or not */
    int64_t waits = waits_of(tid);
    if (mark->tid != tid || mark->waits != waits || waits < 0 || cpu < mark->cpu) {
        *mark = (struct mark){tid, waits, cpu};
        return false;
    }
    return true;
}
