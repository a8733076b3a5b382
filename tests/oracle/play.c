/* SPDX-License-Identifier: MIT */
#include "play.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

struct stage {
    const struct scenario *scenario;
    struct tracer *tracer;
    struct truth *truth;
    struct program program;
    struct peer peer;
    char address[48]; /* for the tracepoint: IP only */
    const char *name; /* what to bind and connect to */
    uint16_t peer_port;
    bool closed, late;
};

__attribute__((format(printf, 2, 3))) static bool failed(struct stage *stage, const char *format,
                                                         ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (!stage->truth->failure[0])
        vsnprintf(stage->truth->failure, sizeof stage->truth->failure, format, arguments);
    va_end(arguments);
    return false;
}

__attribute__((format(printf, 3, 4))) static bool ask(struct stage *stage, long *number,
                                                      const char *format, ...)
{
    char command[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    switch (program_ask(&stage->program, command, number)) {
    case ANSWER_OK:
        return true;
    case ANSWER_GONE:
        return failed(stage, "the program ended at \"%s\"", command);
    default:
        return failed(stage, "the program could not \"%s\"", command);
    }
}

/* Resets go to the list of the moment they belong to. */
static struct resets *moment(struct stage *stage)
{
    return stage->late     ? &stage->truth->late
           : stage->closed ? &stage->truth->close
                           : &stage->truth->before;
}

static void collect(struct stage *stage)
{
    tracer_collect(stage->tracer, stage->address, moment(stage));
}

static bool listen_here(struct stage *stage, const char *option)
{
    long port = 0;
    if (!ask(stage, &port, "listen %s%s", stage->name, option))
        return false;
    stage->truth->port = (uint16_t)port;
    return true;
}

static bool open_accepted(struct stage *stage, const char *option)
{
    if (!listen_here(stage, option))
        return false;
    if (!peer_connect(&stage->peer, stage->truth->port))
        return failed(stage, "the peer could not connect");
    return ask(stage, NULL, "accept");
}

static bool open_connected(struct stage *stage)
{
    long port = 0;
    if (!peer_listen(&stage->peer, 8, &stage->peer_port))
        return failed(stage, "the peer could not listen");
    if (!ask(stage, &port, "connect %s %s %u", stage->name, stage->name, stage->peer_port))
        return false;
    stage->truth->port = (uint16_t)port;
    return peer_accept(&stage->peer) || failed(stage, "the peer could not accept");
}

static bool open_waiting(struct stage *stage, int count)
{
    if (!listen_here(stage, ""))
        return false;
    for (int i = 0; i < count; i++)
        if (!peer_connect(&stage->peer, stage->truth->port))
            return failed(stage, "the peer could not connect");
    return true;
}

/* A listener whose queue is full drops every SYN. */
static bool open_connecting(struct stage *stage)
{
    long port = 0;
    if (!peer_listen(&stage->peer, 0, &stage->peer_port) ||
        !peer_connect(&stage->peer, stage->peer_port))
        return failed(stage, "no full listener");
    if (!ask(stage, &port, "connect %s %s %u nonblock", stage->name, stage->name, stage->peer_port))
        return false;
    stage->truth->port = (uint16_t)port;
    return oracle_await_tcp_state(stage->peer.family, stage->truth->port, "SYN_SENT") ||
           failed(stage, "not in SYN_SENT");
}

static bool open_socket(struct stage *stage, const char *how, const char *number)
{
    enum proto_here proto = stage->scenario->proto;
    bool accepted = proto == TCP4 || proto == MPTCP || proto == UNIX;
    if (strcmp(how, "waiting") == 0)
        return open_waiting(stage, (int)strtol(number, NULL, 10));
    if (strcmp(how, "connecting") == 0)
        return open_connecting(stage);
    if (strcmp(how, "inheriting") == 0)
        return open_accepted(stage, " linger");
    if (*how)
        accepted = strcmp(how, "accepted") == 0;
    return accepted ? open_accepted(stage, "") : open_connected(stage);
}

/* Whoever else holds the socket: a descriptor of the program, its child, or a message in flight. */
static bool holder_ping(struct stage *stage, const char *who)
{
    if (strcmp(who, "dup") == 0)
        return ask(stage, NULL, "ping");
    if (strcmp(who, "child") == 0)
        return send(stage->program.hold, "p", 1, MSG_NOSIGNAL) == 1;
    char byte;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.space};
    int fd;
    if (recvmsg(stage->program.hold, &message, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&message))
        return failed(stage, "the descriptor in flight did not arrive");
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    bool sent = send(fd, "p", 1, MSG_NOSIGNAL) == 1;
    close(fd);
    return sent || failed(stage, "the descriptor in flight is no longer usable");
}

static bool peer_step(struct stage *stage, const char *verb, const char *number)
{
    if (strcmp(verb, "late") == 0 && stage->closed) {
        collect(stage);
        stage->late = true;
    }
    bool done = peer_do(&stage->peer, verb, (int)strtol(number, NULL, 10));
    if (stage->late)
        tracer_await(stage->tracer, stage->address, stage->truth->port,
                     stage->scenario->resets_late, &stage->truth->late);
    return done || failed(stage, "the peer could not %s", verb);
}

static bool own_step(struct stage *stage, const char *command)
{
    if (!ask(stage, NULL, "%s", command))
        return false;
    if (strncmp(command, "send ", 5) == 0)
        stage->truth->sent += (size_t)strtol(command + 5, NULL, 10);
    return true;
}

static bool one_step(struct stage *stage, const char *step)
{
    char words[3][24] = {"", "", ""};
    if (sscanf(step, "%23s %23s %23s", words[0], words[1], words[2]) < 1)
        return false;
    if (strcmp(words[0], "open") == 0)
        return open_socket(stage, words[1], words[2]);
    if (strcmp(words[0], "own") == 0)
        return own_step(stage, step + 4);
    if (strcmp(words[0], "peer") == 0)
        return peer_step(stage, words[1], words[2]);
    if (strcmp(words[0], "holder") == 0)
        return holder_ping(stage, words[1]);
    if (strcmp(words[0], "await") == 0)
        return oracle_await_tcp_state(stage->peer.family, stage->truth->port, words[1]) ||
               failed(stage, "not in %s but %s", words[1],
                      oracle_tcp_state(stage->peer.family, stage->truth->port));
    if (strcmp(words[0], "syn-ack") == 0) {
        collect(stage);
        stage->late = true;
        if (!oracle_send_syn_ack(stage->peer.family, stage->address, stage->peer_port,
                                 stage->truth->port))
            return failed(stage, "no SYN-ACK could be sent");
        tracer_await(stage->tracer, stage->address, stage->truth->port,
                     stage->scenario->resets_late, &stage->truth->late);
        return true;
    }
    if (strcmp(words[0], "release") == 0)
        return program_release(&stage->program), true;
    if (strcmp(words[0], "gone") == 0)
        return oracle_await_tcp_gone(stage->peer.family, stage->truth->port) ||
               failed(stage, "not over but in %s",
                      oracle_tcp_state(stage->peer.family, stage->truth->port));
    return failed(stage, "unknown step \"%s\"", step);
}

static bool steps(struct stage *stage, const char *list)
{
    char copy[512], *rest = NULL;
    snprintf(copy, sizeof copy, "%s", list);
    for (char *step = strtok_r(copy, ";", &rest); step; step = strtok_r(NULL, ";", &rest)) {
        step += strspn(step, " ");
        if (*step && !one_step(stage, step))
            return false;
    }
    return true;
}

/* From the road it took: with an answer, or by its end. */
static bool came_back(struct stage *stage)
{
    enum answer wanted = stage->scenario->ends ? ANSWER_GONE : ANSWER_OK;
    return program_answer(&stage->program, NULL) == wanted ||
           failed(stage, "the program did not come back from %s", stage->scenario->road);
}

static bool close_by_road(struct stage *stage)
{
    char command[40];
    long fd = -1;
    if (!ask(stage, &fd, "fd"))
        return false;
    stage->truth->fd = (int)fd;
    collect(stage);
    stage->closed = true;
    snprintf(command, sizeof command, "road %s", stage->scenario->road);
    if (!program_tell(&stage->program, command))
        return failed(stage, "the program ended before \"%s\"", command);
    if (stage->scenario->blocks)
        return true;
    if (!came_back(stage))
        return false;
    tracer_await(stage->tracer, stage->address, stage->truth->port,
                 stage->scenario->resets_at_close, &stage->truth->close);
    return true;
}

/* 2048 scenarios of each of 8191 processes; 127.0.0.1 and its neighbours are never among them. */
static void choose_address(struct stage *stage)
{
    unsigned id = 16 + (unsigned)(tracer_owner() % 8191) * 2048 + stage->scenario->number % 2032;
    if (stage->scenario->proto == TCP6)
        snprintf(stage->address, sizeof stage->address, "fd5c::%x:%x", 1 + (id >> 16),
                 1 + (id & 0xffff));
    else
        snprintf(stage->address, sizeof stage->address, "127.%u.%u.%u", id >> 16 & 255,
                 id >> 8 & 255, id & 255);
}

bool play(const struct scenario *scenario, struct tracer *tracer, struct truth *truth)
{
    struct stage stage = {.scenario = scenario, .tracer = tracer, .truth = truth};
    memset(truth, 0, sizeof *truth);
    choose_address(&stage);
    peer_start(&stage.peer, scenario->proto, "", truth->end);
    stage.name = stage.peer.family == AF_UNIX ? "case" : stage.address;
    stage.peer.address = stage.name;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (!oracle_namespace(stage.address))
        return failed(&stage, "no network namespace");
    if (!program_start(&stage.program, scenario))
        return failed(&stage, "the program could not be started");
    truth->pid = stage.program.pid;
    /* What others have reset before this has begun is none of ours, lost or not. */
    struct resets earlier = {.count = 0};
    tracer_collect(tracer, stage.address, &earlier);
    if (steps(&stage, scenario->before) && close_by_road(&stage) &&
        steps(&stage, scenario->after) && scenario->blocks)
        came_back(&stage);
    collect(&stage);
    oracle_counters(&truth->counters);
    bool open = strcmp(truth->end, "open") == 0;
    if (open && scenario->finally) {
        stage.peer.end = truth->last_end;
        steps(&stage, scenario->finally);
    }
    if (!program_finish(&stage.program, truth))
        failed(&stage, "the program did not end");
    truth->received = stage.peer.received;
    tracer_collect(tracer, stage.address, &truth->last);
    if (open && !scenario->finally) {
        stage.peer.end = truth->last_end;
        peer_do(&stage.peer, "end", 0);
    }
    peer_finish(&stage.peer);
    if (truth->before.lost || truth->close.lost || truth->late.lost)
        failed(&stage, "trace events were lost");
    return !truth->failure[0];
}
