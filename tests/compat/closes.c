/* SPDX-License-Identifier: MIT */
#include "closes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file_tables.h"
#include "grow.h"

/* strace -yy asks the kernel what a number is: our table must say the same. */
static void check(struct follow *follow, const struct task *task, const char *descriptor, long line)
{
    struct entry *entry = entry_of(task->table, strtol(descriptor, NULL, 10));
    enum annotation seen = annotation_of(descriptor);
    bool known = entry && entry->kind != NO_SOCKET;
    if (seen == ANNOTATION_STREAM && !(known && entry->kind == STREAM_SOCKET))
        contradiction(follow, line, "a stream socket that we do not know");
    if (seen == ANNOTATION_NO_SOCKET && known)
        contradiction(follow, line, "no socket, but we took it for one");
}

static void on_close_range(struct follow *follow, struct task *task, const struct call *call)
{
    char *next;
    unsigned long first = strtoul(call->arguments, &next, 0);
    unsigned long last = strtoul(next + strspn(next, ", "), &next, 0);
    if (strstr(next, "CLOSE_RANGE_UNSHARE"))
        unshare_table(task);
    for (long fd = (long)first; fd < task->table->size && (unsigned long)fd <= last; fd++) {
        if (strstr(next, "CLOSE_RANGE_CLOEXEC"))
            task->table->entries[fd].cloexec = true;
        else
            record_close(follow, task, fd, "close_range", call->line, false);
    }
}

static void on_exec(struct follow *follow, struct task *task, const struct call *call)
{
    int pid = task->pid, tid = task->tid;
    bool others_share = false;
    for (size_t i = 0; i < follow->task_count; i++) {
        struct task *other = &follow->tasks[i];
        if (!other->table || other->tid == tid)
            continue;
        if (other->pid == pid) /* exec ends all other threads */
            leave_table(other);
        else if (other->table == task->table)
            others_share = true;
    }
    if (others_share)
        unshare_table(task);
    for (int fd = 0; fd < task->table->size; fd++)
        if (task->table->entries[fd].cloexec)
            record_close(follow, task, fd, "exec", call->line, false);
    task->vfork_line = 0;
}

/* dup, dup2, dup3, fcntl F_DUPFD: call->value is the new number. */
static void on_dup(struct follow *follow, struct task *task, const struct call *call)
{
    long old = strtol(call->arguments, NULL, 10);
    if (call->value == old)
        return; /* dup2(fd, fd) */
    check(follow, task, call->arguments, call->line);
    record_close(follow, task, call->value, call->name, call->line, false);
    struct entry *from = entry_of(task->table, old);
    struct entry copy = from ? *from : (struct entry){0};
    copy.cloexec = strstr(call->arguments, "CLOEXEC") != NULL;
    copy.opened_ns = call->ended_ns;
    put(task->table, call->value, copy);
}

static void on_fcntl(struct follow *follow, struct task *task, const struct call *call)
{
    struct entry *entry = entry_of(task->table, strtol(call->arguments, NULL, 10));
    if (strstr(call->arguments, " F_DUPFD"))
        on_dup(follow, task, call);
    else if (strstr(call->arguments, " F_SETFD") && entry)
        entry->cloexec = strstr(call->arguments, "FD_CLOEXEC") != NULL;
    else if (strstr(call->arguments, " FIOCLEX") && entry)
        entry->cloexec = true;
    else if (strstr(call->arguments, " FIONCLEX") && entry)
        entry->cloexec = false;
}

/* socket(AF_INET, SOCK_STREAM...) and socketpair(AF_UNIX, SOCK_STREAM, 0, [3<...>, 4<...>]) */
static void on_socket(struct follow *follow, struct task *task, const struct call *call)
{
    struct entry socket = {.opened_ns = call->ended_ns,
                           .local = strncmp(call->arguments, "AF_UNIX", 7) == 0,
                           .cloexec = strstr(call->arguments, "SOCK_CLOEXEC") != NULL,
                           .kind = OTHER_SOCKET};
    if (socket.local || strncmp(call->arguments, "AF_INET", 7) == 0) {
        if (strstr(call->arguments, " SOCK_STREAM"))
            socket.kind = STREAM_SOCKET;
        else if (strstr(call->arguments, " SOCK_SEQPACKET"))
            socket.kind = SEQPACKET_SOCKET;
    }
    const char *made = call->result;
    if (strcmp(call->name, "socketpair") == 0) {
        made = strrchr(call->arguments, ' '); /* before the second */
        const char *first = strchr(call->arguments, '[');
        if (!first || !made)
            return;
        made++;
        put(task->table, strtol(first + 1, NULL, 10), socket);
        inode_learn(&follow->inodes, first + 1, socket.kind);
    }
    put(task->table, strtol(made, NULL, 10), socket);
    inode_learn(&follow->inodes, made, socket.kind);
}

static void on_accept(struct follow *follow, struct task *task, const struct call *call)
{
    check(follow, task, call->arguments, call->line);
    struct entry *listener = entry_of(task->table, strtol(call->arguments, NULL, 10));
    if (!listener || listener->kind == NO_SOCKET) {
        contradiction(follow, call->line, "accept on what is no socket");
        return;
    }
    struct entry socket = {.kind = listener->kind,
                           .local = listener->local,
                           .cloexec = strstr(call->arguments, "SOCK_CLOEXEC") != NULL,
                           .opened_ns = call->ended_ns};
    put(task->table, call->value, socket);
    inode_learn(&follow->inodes, call->result, socket.kind);
}

/* recvmsg with SCM_RIGHTS: "cmsg_data=[5<TCP:[...]>, 6<...>]", once for each message. */
static void on_received(struct follow *follow, struct task *task, const struct call *call)
{
    const char *at = call->arguments;
    bool cloexec = strstr(at, "MSG_CMSG_CLOEXEC") != NULL;
    while ((at = strstr(at, "SCM_RIGHTS, cmsg_data=["))) {
        at = strchr(at, '[') + 1;
        for (;;) {
            struct entry socket = {.cloexec = cloexec, .opened_ns = call->ended_ns};
            socket.kind = received_kind(&follow->inodes, at, &socket.local);
            if (socket.kind == UNKNOWN_KIND) {
                contradiction(follow, call->line, "received a socket of unknown type");
                socket.kind = OTHER_SOCKET;
            }
            put(task->table, strtol(at, NULL, 10), socket);
            at = annotation_end(at);
            if (strncmp(at, ", ", 2) != 0)
                break;
            at += 2;
        }
    }
}

/* Sockets that libc opens for itself tell by whom they talk to. */
static void on_connect(struct task *task, const struct call *call)
{
    struct entry *entry = entry_of(task->table, strtol(call->arguments, NULL, 10));
    if (!entry)
        return;
    if (strstr(call->arguments, "sun_path=\"/var/run/nscd/socket\"") ||
        strstr(call->arguments, "sun_path=\"/dev/log\""))
        entry->libc_line = call->line;
}

static void on_begin(struct follow *follow, struct task *task, const struct call *call)
{
    /* A close frees the number some time before it returns, and another thread may get it. */
    if (strcmp(call->name, "close") == 0 && !strstr(call->result, "EBADF")) {
        check(follow, task, call->arguments, call->line);
        record_close(follow, task, strtol(call->arguments, NULL, 10), "close", call->line, false);
    } else if (strcmp(call->name, "connect") == 0) {
        on_connect(task, call);
    }
}

static bool is_clone(const struct call *call)
{
    return strncmp(call->name, "clone", 5) == 0 || strcmp(call->name, "fork") == 0 ||
           strcmp(call->name, "vfork") == 0;
}

static void on_end(struct follow *follow, struct task *task, struct call *call)
{
    static const struct {
        const char *name;
        void (*handle)(struct follow *, struct task *, const struct call *);
    } handlers[] = {
        {"socket", on_socket},    {"socketpair", on_socket}, {"accept", on_accept},
        {"accept4", on_accept},   {"dup", on_dup},           {"dup2", on_dup},
        {"dup3", on_dup},         {"fcntl", on_fcntl},       {"ioctl", on_fcntl},
        {"recvmsg", on_received}, {"recvmmsg", on_received}, {"close_range", on_close_range},
        {"execve", on_exec},      {"execveat", on_exec},
    };
    if (call->value < 0)
        return;
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++)
        if (strcmp(call->name, handlers[i].name) == 0)
            handlers[i].handle(follow, task, call);
    if (strcmp(call->name, "unshare") == 0 && strstr(call->arguments, "CLONE_FILES"))
        unshare_table(task);
    if ((strcmp(call->name, "prctl") == 0 && strstr(call->arguments, "PR_SET_SECCOMP")) ||
        (strcmp(call->name, "seccomp") == 0 && strstr(call->arguments, "SECCOMP_SET_MODE")))
        task->filter_line = call->line;
    if (strcmp(call->name, "pidfd_getfd") == 0 || strcmp(call->name, "io_uring_setup") == 0)
        contradiction(follow, call->line, "a road to sockets that is not followed here");
    if (is_clone(call) && !call->applied)
        (void)make_child(follow, call, call->ended_ns);
}

struct close_list find_closes(const struct strace_log *log)
{
    static struct follow follow; /* all that it holds lives until the program ends */
    follow.log = log;
    for (size_t i = 0; i < log->count; i++) {
        struct call *call = log->steps[i].call;
        if (log->steps[i].kind != STEP_END || !is_clone(call) || call->value <= 0)
            continue;
        follow.clones = grow(follow.clones, follow.clone_count, sizeof(struct call *));
        follow.clones[follow.clone_count++] = call;
    }
    for (size_t i = 0; i < log->count; i++) {
        const struct step *step = &log->steps[i];
        struct task *task = task_of(&follow, step);
        if (!task)
            continue;
        if (step->kind == STEP_BEGIN)
            on_begin(&follow, task, step->call);
        else if (step->kind == STEP_END)
            on_end(&follow, task, step->call);
        else
            end_task(&follow, task, step->line, step->kind == STEP_KILLED);
    }
    for (size_t i = 0; i < follow.task_count; i++) {
        if (!follow.tasks[i].table)
            continue;
        fprintf(stderr, "the trace ends before task %d\n", follow.tasks[i].tid);
        follow.list.contradictions++;
    }
    return follow.list;
}
