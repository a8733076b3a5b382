/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "closes.h"
#include "event_log.h"

static const char usage[] =
    "usage: count_closes TRACE [LOG]\n"
    "\n"
    "Counts the closes of stream and seqpacket sockets (IPv4, IPv6, UNIX) in TRACE, a log of\n"
    "  strace -f -q -yy -ttt -T -s 64 -o TRACE -e trace=socket,socketpair,accept,accept4,\n"
    "         connect,dup,dup2,dup3,fcntl,ioctl,recvmsg,recvmmsg,pidfd_getfd,close,close_range,\n"
    "         clone,clone3,fork,vfork,unshare,execve,execveat,exit,exit_group,prctl,seccomp,\n"
    "         io_uring_setup PROGRAM\n"
    "sockets that a process left open to its end or to an exec included, and looks for each in\n"
    "LOG, the events that softclose wrote in the same run. Prints one line of numbers, then a "
    "line\n"
    "for each close that is not in the log (\"missed\"), each event that strace does not know of\n"
    "(\"extra\"), and each line of the trace that puts closes out of reach (its class: \"libc\"\n"
    "opens and closes within itself, \"vfork\" child before its exec, \"killed\" by a signal,\n"
    "\"filtered\" by a seccomp filter). Without LOG: all closes, by their road.\n"
    "\n"
    "Status: 0 nothing missed and nothing extra, 1 otherwise, 2 the trace or the log is "
    "unusable.\n";

static const char *const class_names[CLASS_COUNT] = {"missed", "libc", "vfork", "killed",
                                                     "filtered"};

static bool is_of(const struct close_record *close, const struct close_event *event)
{
    return !close->in_log && close->pid == event->pid && close->fd == event->fd &&
           close->kind == event->kind && close->local == event->local;
}

/*
 * A number is used again and again, so an event belongs to the last close whose socket had been
 * opened when it was written. What is left then (a thread wrote its event after another had been
 * given the number) goes to any close of the number.
 */
static void match(struct close_list *list, struct event_log *log)
{
    for (int any = 0; any <= 1; any++) {
        for (size_t i = 0; i < log->count; i++) {
            struct close_event *event = &log->events[i];
            for (size_t j = list->count; j-- > 0 && !event->matched;) {
                struct close_record *close = &list->closes[j];
                if (is_of(close, event) && (any || close->opened_ns <= event->time_ns))
                    close->in_log = event->matched = true;
            }
        }
    }
}

static void print_close(const char *word, const struct close_record *close,
                        const struct strace_log *trace, long line)
{
    printf("%s: pid %d fd %d %s %s by %s: line %ld: %.160s\n", word, close->pid, close->fd,
           close->local ? "unix" : "tcp", close->kind == STREAM_SOCKET ? "stream" : "seqpacket",
           close->via, line, trace->lines[line - 1]);
}

static int compare(struct close_list *list, struct event_log *log, const struct strace_log *trace)
{
    size_t seen = 0, extra = 0, unseen[CLASS_COUNT] = {0};
    match(list, log);
    for (size_t i = 0; i < list->count; i++)
        list->closes[i].in_log ? seen++ : unseen[list->closes[i].class]++;
    for (size_t i = 0; i < log->count; i++)
        extra += !log->events[i].matched;
    printf("closes=%zu seen=%zu missed=%zu extra=%zu", list->count, seen, unseen[BY_PROGRAM],
           extra);
    for (int class = BY_LIBC; class < CLASS_COUNT; class ++)
        printf(" %s=%zu", class_names[class], unseen[class]);
    putchar('\n');

    for (size_t i = 0; i < list->count; i++) {
        const struct close_record *close = &list->closes[i];
        if (!close->in_log)
            print_close(class_names[close->class], close, trace,
                        close->class == BY_PROGRAM ? close->line : close->why_line);
    }
    for (size_t i = 0; i < log->count; i++)
        if (!log->events[i].matched)
            printf("extra: pid %d fd %d: log line %ld\n", log->events[i].pid, log->events[i].fd,
                   log->events[i].line);
    return unseen[BY_PROGRAM] || extra ? 1 : 0;
}

static void print_all(const struct close_list *list, const struct strace_log *trace)
{
    size_t count[CLASS_COUNT] = {0};
    for (size_t i = 0; i < list->count; i++)
        count[list->closes[i].class]++;
    printf("closes=%zu", list->count);
    for (int class = BY_LIBC; class < CLASS_COUNT; class ++)
        printf(" %s=%zu", class_names[class], count[class]);
    putchar('\n');
    for (size_t i = 0; i < list->count; i++)
        print_close("close", &list->closes[i], trace, list->closes[i].line);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (argc < 2 || argc > 3) {
        fputs(usage, stderr);
        return 2;
    }
    static struct strace_log trace; /* kept to the end: the lines are printed from it */
    static struct event_log log;
    if (!strace_log_read(argv[1], &trace) || (argc == 3 && !event_log_read(argv[2], &log)))
        return 2;
    static struct close_list list;
    list = find_closes(&trace);
    int status = 0;
    if (argc == 3)
        status = compare(&list, &log, &trace);
    else
        print_all(&list, &trace);
    return list.contradictions ? 2 : status;
}
