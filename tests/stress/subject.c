/* SPDX-License-Identifier: MIT */
/*
 * random_subject RECORD: carries out the program in the file RECORD (record.h) and writes there
 * what every operation returned. Nothing here may depend on time.
 */
#include "subject.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NUMBERS = 1100, DEPTH = 8 };

struct record *record;
__thread int call_errno;
__thread bool own_table;
int threads_here;

static const struct program *program;
static const char *own_path, *record_path;
static int slots[SLOTS], depth;
static __thread char extra[400];
static __thread size_t extra_length;

void note(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    int length = vsnprintf(extra + extra_length, sizeof extra - extra_length, format, list);
    va_end(list);
    if (length > 0 && (extra_length += (size_t)length) >= sizeof extra)
        extra_length = sizeof extra - 1;
}

int slot(int number)
{
    return slots[(unsigned)number % SLOTS];
}

void keep(int number, long fd)
{
    slots[(unsigned)number % SLOTS] = (int)fd;
}

int say(enum command command, int first, int second, int third)
{
    uint32_t asked = atomic_load(&record->request) + 1;

    record->command = command;
    record->words[0] = first;
    record->words[1] = second;
    record->words[2] = third;
    atomic_store(&record->request, asked);
    syscall(SYS_futex, &record->request, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    for (uint32_t seen; (seen = atomic_load(&record->reply)) != asked + 1;)
        syscall(SYS_futex, &record->reply, FUTEX_WAIT, seen, NULL, NULL, 0);
    return record->result;
}

uint64_t inode_of(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) ? status.st_ino : 0;
}

struct connection *connection_of(int fd)
{
    uint64_t inode = inode_of(fd);

    for (uint32_t i = record->connection_count; inode != 0 && i-- > 0;)
        if (record->connections[i].inode == inode || record->connections[i].far_inode == inode)
            return &record->connections[i];
    return NULL;
}

void registered(struct connection *connection)
{
    connection->pid = getpid();
    if (own_table)
        connection->why |= WHY_UNSHARED;
}

void copied(int fd)
{
    struct connection *connection = connection_of(fd);

    if (connection)
        connection->renumbered = true;
}

void note_connection(int fd)
{
    const struct connection *connection = connection_of(fd);

    if (connection)
        note(" c%d", (int)(connection - record->connections));
}

void each_held(void (*each)(struct connection *connection))
{
    for (int fd = 0; fd < NUMBERS; fd++) {
        struct connection *connection = connection_of(fd);
        if (connection)
            each(connection);
    }
}

bool would_block(int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};
    bool would = fd >= 0 && poll(&one, 1, 0) == 0;

    if (would) {
        note(" would block");
        note_connection(fd);
    }
    return would;
}

static void killed(struct connection *connection)
{
    connection->why |= WHY_KILLED;
}

static void alive(struct connection *connection)
{
    connection->why &= ~(unsigned)WHY_KILLED;
}

static void passed_on(struct connection *connection)
{
    if (depth != 0 && connection->pid != getpid())
        return;
    connection->executed = true;
    if (record->in_flight > 0)
        connection->why |= WHY_EXECUTED;
}

static void end_by(int way)
{
    if (way == WAY_EXEC)
        each_held(passed_on);
    if (way == WAY_KILL || way == WAY_TERM)
        each_held(killed);
    atomic_store(&record->loose, 1);
    switch (way) {
    case WAY_EXIT:
        exit(10 + way);
    case WAY_QUICK_EXIT:
        quick_exit(10 + way);
    case WAY_UPPER_EXIT:
        _Exit(10 + way);
    case WAY_SYSCALL:
        syscall(SYS_exit_group, 10 + way);
        break;
    case WAY_EXEC:
        execl("/bin/true", "true", (char *)NULL);
        break;
    case WAY_KILL:
        kill(getpid(), SIGKILL);
        break;
    case WAY_TERM:
        raise(SIGTERM);
        break;
    default:
        break;
    }
    each_held(alive);
    _exit(10);
}

static size_t run(size_t at, bool whole);

static long run_fork(size_t at, int way)
{
    int status = -1;

    if (depth >= DEPTH)
        return -1;
    pid_t pid = CALL(fork());
    int error = call_errno;
    if (pid == 0) {
        note(" child");
        depth++;
        threads_here = 0;
        run(at + 1, false);
        end_by((unsigned)way % WAYS);
    }
    if (pid > 0)
        waitpid(pid, &status, 0);
    atomic_store(&record->loose, 0);
    if (way % WAYS == WAY_KILL || way % WAYS == WAY_TERM)
        each_held(alive);
    note(" status %x", (unsigned)status);
    call_errno = error;
    return pid > 0;
}

static void *thread(void *at)
{
    run((size_t)at, false);
    return NULL;
}

static long run_thread(size_t at)
{
    pthread_t id;

    if (depth >= DEPTH)
        return -1;
    depth++;
    threads_here++;
    int result = CALL(pthread_create(&id, NULL, thread, (void *)(at + 1)));
    int error = call_errno;
    if (result == 0)
        result = pthread_join(id, NULL);
    threads_here--;
    depth--;
    call_errno = error;
    return result;
}

static long run_exec(size_t next)
{
    char *const arguments[] = {(char *)own_path, (char *)record_path, NULL};

    if (depth > 0) {
        note(" not here");
        return -1;
    }
    record->next = (uint32_t)next;
    memcpy(record->slots, slots, sizeof slots);
    each_held(passed_on);
    atomic_store(&record->loose, 1);
    int result = CALL(execv(own_path, arguments));
    atomic_store(&record->loose, 0);
    return result;
}

static long perform(size_t at, const struct step *step)
{
    const int *a = step->operand;

    switch (step->operation) {
        /* clang-format off */
#define DO(name) case OP_##name: return do_##name(a);
    DO(socket)       DO(connect)      DO(listen)       DO(come)         DO(accept)
    DO(self)         DO(pair)         DO(null)         DO(pipe)         DO(disconnect)
    DO(send)         DO(write)        DO(recv)         DO(read)         DO(reader)
    DO(close)        DO(sysclose)     DO(close_number) DO(close_range)  DO(closefrom)
    DO(dup)          DO(dup2)         DO(dup2_number)  DO(dupfd)
    DO(fclose)       DO(freopen)      DO(shutdown)     DO(raise)
    DO(linger)       DO(get_linger)   DO(set)          DO(get)
    DO(nonblock)     DO(flags)        DO(cloexec)      DO(names)
    DO(epoll)        DO(epoll_wait)   DO(poll)
    DO(give)         DO(take)         DO(spawn)
    DO(sigaction)    DO(rlimit)       DO(get_rlimit)
#undef DO
    case OP_epoll_add:
        return do_epoll_control(EPOLL_CTL_ADD, a);
        /* clang-format on */
    case OP_epoll_mod:
        return do_epoll_control(EPOLL_CTL_MOD, a);
    case OP_epoll_del:
        return do_epoll_control(EPOLL_CTL_DEL, a);
    case OP_fork:
        return run_fork(at, a[0]);
    case OP_thread:
        return run_thread(at);
    case OP_exec:
        return run_exec(at + 1);
    default: /* peer_*: its answer is in the connection's story */
        say(SAY_STEP, (int)step->operation, a[0], a[1]);
        return 0;
    }
}

static void trace(const char *format, ...)
{
    char line[600];
    va_list list;

    va_start(list, format);
    int length = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    uint32_t at = atomic_fetch_add(&record->trace_length, (uint32_t)length);
    if (at + (uint32_t)length < TRACE_ROOM)
        memcpy(record->trace + at, line, (size_t)length);
}

/* Nothing is under way after these that was not before. */
static bool is_local(enum operation operation)
{
    switch (operation) {
    case OP_null:
    case OP_pipe:
    case OP_dup:
    case OP_dupfd:
    case OP_get_linger:
    case OP_get:
    case OP_set:
    case OP_nonblock:
    case OP_flags:
    case OP_cloexec:
    case OP_names:
    case OP_epoll:
    case OP_epoll_add:
    case OP_epoll_mod:
    case OP_epoll_del:
    case OP_epoll_wait:
    case OP_poll:
    case OP_sigaction:
    case OP_rlimit:
    case OP_get_rlimit:
        return true;
    default:
        return operation >= OP_peer_send && operation <= OP_peer_read;
    }
}

/* Up to the end of the block, or of the program; returns what comes next. */
static size_t run(size_t at, bool whole)
{
    char text[80];

    while (at < program->count) {
        const struct step *step = &program->steps[at];
        enum operation operation = step->operation;
        if (operation == OP_end && !whole)
            return at + 1;
        if (operation == OP_end) {
            at++;
            continue;
        }
        extra_length = 0;
        extra[0] = '\0';
        call_errno = 0;
        record->operations++;
        step_text(step, text, sizeof text);
        if (operation == OP_fork || operation == OP_thread || operation == OP_exec)
            trace("%zu %d %s:\n", at, depth, text);
        long result = perform(at, step);
        trace("%zu %d %s = %ld %d%s\n", at, depth, text, result, call_errno, extra);
        if (!is_local(operation))
            say(SAY_SETTLE, 0, 0, 0);
        at = operation == OP_fork || operation == OP_thread ? program_skip(program, at) : at + 1;
    }
    return at;
}

static bool map_record(void)
{
    int fd = open(record_path, O_RDWR);

    if (fd < 0)
        return false;
    record = mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return record != MAP_FAILED;
}

int main(int argument_count, char **arguments)
{
    if (argument_count != 2)
        return 125;
    own_path = arguments[0];
    record_path = arguments[1];
    if (!map_record())
        return 125;
    program = &record->program;
    signal(SIGPIPE, SIG_IGN);
    size_t at = record->next;
    if (at > 0) {
        memcpy(slots, record->slots, sizeof slots);
        atomic_store(&record->loose, 0);
        say(SAY_SETTLE, 0, 0, 0);
    } else {
        memset(slots, -1, sizeof slots);
    }
    run(at, true);
    say(SAY_FINISH, 0, 0, 0);
    trace("end\n");
    atomic_store(&record->loose, 2);
    return 7;
}
