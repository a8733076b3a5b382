/* SPDX-License-Identifier: MIT */
#include "step.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int other, made;
static struct pair scene;
static FILE *stream;

/* --- roads --- */

static void connection(void)
{
    scene = step_connect(UNREAD);
}

static void unread_nothing(void)
{
    scene = step_connect(0);
}

static void finished(void)
{
    unread_nothing();
    pair_must(shutdown(scene.peer, SHUT_WR), "shutdown");
    pair_view_wait(scene.subject);
}

static void connection_and_other(void)
{
    connection();
    other = pair_must(socket(AF_INET, SOCK_STREAM, 0), "socket");
}

static void connection_and_copy(void)
{
    connection();
    other = pair_must(dup(scene.subject), "dup");
}

static void streamed(void)
{
    connection();
    stream = fdopen(scene.subject, "r+");
}

/* Apart from the step_listener that the handler uses. */
static void waiting_connection(void)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;

    other = pair_listen();
    pair_must(getsockname(other, (struct sockaddr *)&address, &length), "getsockname");
    scene.peer = pair_must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    pair_must(connect(scene.peer, (struct sockaddr *)&address, length), "connect");
}

static void closed_already(void)
{
    connection();
    step_closed(scene.subject);
}

static int by_close(void)
{
    return step_closed(scene.subject);
}

static int by_copy(void)
{
    return step_closed(other);
}

static int counted(int result)
{
    step_report->closes += result == 0;
    return result;
}

static int by_dup2(void)
{
    return counted(dup2(other, scene.subject) == scene.subject ? 0 : -1);
}

static int by_dup3(void)
{
    return counted(dup3(other, scene.subject, O_CLOEXEC) == scene.subject ? 0 : -1);
}

static int by_close_range(void)
{
    return counted(close_range((unsigned)scene.subject, (unsigned)scene.subject, 0));
}

static int by_syscall(void)
{
    return counted((int)syscall(SYS_close, scene.subject));
}

static int by_fclose(void)
{
    return counted(fclose(stream));
}

static int by_shutdown(void)
{
    return shutdown(scene.subject, SHUT_RDWR);
}

static int by_linger(void)
{
    struct linger none = {1, 0};

    return setsockopt(scene.subject, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

static int by_dup(void)
{
    made = dup(scene.subject);
    return made < 0 ? -1 : 0;
}

static int by_socket(void)
{
    made = socket(AF_INET, SOCK_STREAM, 0);
    return made < 0 ? -1 : 0;
}

static int by_accept(void)
{
    scene.subject = made = accept(other, NULL, NULL);
    return made < 0 ? -1 : 0;
}

static int by_fork(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid > 0 && waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

/* --- what must have come of it --- */

/* Nothing has happened to the connection. */
static bool untouched(void)
{
    step_report->outer_ends[2]++;
    return strcmp(pair_view(scene.peer), "none") == 0 &&
           send(scene.subject, "x", 1, MSG_NOSIGNAL) == 1;
}

static bool ended(void)
{
    const char *view = pair_view_wait(scene.peer);
    bool reset = strcmp(view, "reset") == 0;

    step_report->outer_ends[reset ? 0 : 1]++;
    return reset || strcmp(view, "eof") == 0;
}

static bool gone(void)
{
    return !step_is_open(scene.subject) && ended();
}

static bool copy_gone(void)
{
    return !step_is_open(other) && untouched();
}

static bool replaced(void)
{
    return ended() && step_closed(scene.subject) == 0 && step_closed(other) == 0;
}

static bool shut(void)
{
    return step_is_open(scene.subject) && ended();
}

static bool lingers(void)
{
    struct linger value;
    socklen_t length = sizeof value;

    return getsockopt(scene.subject, SOL_SOCKET, SO_LINGER, &value, &length) == 0 &&
           value.l_onoff == 1 && value.l_linger == 0;
}

static bool made_well(void)
{
    return untouched() && step_closed(made) == 0;
}

static bool same(void)
{
    return step_is_open(scene.subject) && untouched();
}

static bool nothing(void)
{
    return !step_is_open(scene.subject);
}

const struct road step_roads[] = {
    {"close, unread", connection, by_close, gone, false},
    {"close, peer open", unread_nothing, by_close, gone, false},
    {"close, peer finished", finished, by_close, gone, false},
    {"close, a copy", connection_and_copy, by_copy, copy_gone, false},
    {"close, closed already", closed_already, by_close, nothing, false},
    {"dup2", connection_and_other, by_dup2, replaced, false},
    {"dup3", connection_and_other, by_dup3, replaced, false},
    {"close_range", connection, by_close_range, gone, false},
    {"syscall", connection, by_syscall, gone, false},
    {"fclose", streamed, by_fclose, gone, true},
    {"shutdown", connection, by_shutdown, shut, false},
    {"linger", connection, by_linger, lingers, false},
    {"dup", connection, by_dup, made_well, false},
    {"socket", connection, by_socket, made_well, false},
    {"accept", waiting_connection, by_accept, made_well, false},
    {"fork", connection, by_fork, same, true},
};
const unsigned step_road_count = sizeof step_roads / sizeof *step_roads;

/* --- one process --- */

static const struct road *road;
static int result, error_after;

static void tell_result(void)
{
    char text[sizeof step_report->results[0].text];
    bool reset = step_report->outer_ends[0] > 0, end = step_report->outer_ends[1] > 0;

    snprintf(text, sizeof text, "%d %s: %s", result, strerrorname_np(error_after),
             step_deed == DEED_FORK && (reset || end) ? "an end" /* the child may have held it */
             : reset                                  ? "reset"
             : end                                    ? "eof"
                                                      : "none");
    for (unsigned i = 0; i < RESULTS_MOST; i++)
        if (step_report->results[i].count == 0 || strcmp(step_report->results[i].text, text) == 0) {
            memcpy(step_report->results[i].text, text, sizeof text);
            step_report->results[i].count++;
            return;
        }
    step_wrong("too many different results");
}

static _Noreturn void finish(void)
{
    if (!road->check())
        step_wrong("the road did not lead where it must");
    tell_result();
    step_closed(scene.peer); /* which ends its drain */
    _exit(0);
}

/* Runs when the call has been cancelled, or was over when the cancel was heard. */
static void cancelled(void *unused)
{
    (void)unused;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    if (step_report->over)
        finish();
    step_report->cancelled++;
    /* Not half done: closed and ended, or everything is as before the call, and works. */
    if (road->act == by_close && road->check == gone && step_is_open(scene.subject)) {
        if (strcmp(pair_view(scene.peer), "none") != 0)
            step_wrong("a cancelled close() has changed the connection");
        step_closed(scene.subject);
    }
    if (road->act == by_close && road->check == gone && !ended())
        step_wrong("the end after a cancelled close()");
    _exit(0);
}

static void load_what_cancel_needs(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, (void *(*)(void *))(void *)pause, NULL) != 0)
        pair_fail("pthread_create");
    pthread_cancel(thread);
    pthread_join(thread, NULL);
}

void step_start(struct report *in)
{
    struct sigaction action = {.sa_handler = step_on_signal};

    step_report = in;
    step_listener = pair_listen();
    load_what_cancel_needs();
    pair_must(sigaction(SIGUSR1, &action, NULL), "sigaction");
}

_Noreturn void step_subject(const struct road *along, enum deed what)
{
    road = along;
    step_deed = what;
    alarm(120); /* a road with a handler at each of its steps takes long on a busy machine */
    road->prepare();
    pthread_cleanup_push(cancelled, NULL);
    pair_must((int)ptrace(PTRACE_TRACEME, 0, NULL, NULL), "PTRACE_TRACEME");
    __asm__ volatile("int3");
    errno = EDOM;
    result = road->act();
    error_after = errno;
    step_report->over = true;
    if (step_deed == DEED_CANCEL)
        pthread_testcancel();
    pthread_cleanup_pop(0);
    finish();
}
