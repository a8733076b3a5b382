/* SPDX-License-Identifier: MIT */
#include "judging.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The connections ("c3") that a line of the trace is about, as a set of bits. */
static uint64_t connections_in(const char *line)
{
    uint64_t found = 0;

    for (const char *at = line; (at = strstr(at, " c")) != NULL; at += 2) {
        char *end;
        long number = strtol(at + 2, &end, 10);
        if (end != at + 2 && (*end == ' ' || *end == '\0') && number >= 0 && number < CONNECTIONS)
            found |= 1ull << number;
    }
    return found;
}

static bool operation_is(const char *line, enum operation operation)
{
    char name[32] = "";

    sscanf(line, "%*d %*d %31[a-z0-9_]", name);
    return strcmp(name, operation_name(operation)) == 0;
}

/* Does a result say that a reset came in? */
static bool reset_symptom(const char *line)
{
    const char *result = strstr(line, " = ");
    long value;
    int error = 0;

    if (!result || sscanf(result, " = %ld %d", &value, &error) != 2)
        return false;
    if (value == -1 && (error == 104 || error == 32 || error == 107))
        return true;
    if (operation_is(line, OP_get)) /* SO_ERROR, or the state CLOSE */
        return strstr(result, " 104 c") || strstr(result, " 32 c") || strstr(result, " 7 c");
    if (operation_is(line, OP_poll) || operation_is(line, OP_epoll_wait))
        for (const char *at = result; *at; at++) {
            bool events = operation_is(line, OP_poll) ? *at == ' ' : *at == ':';
            if (events && (strtoul(at + 1, NULL, 16) & POLLERR) != 0 && at > result + 3)
                return true;
        }
    return false;
}

/* Connections within the program that the kernel has natively reset. */
static uint64_t reset_inside(const struct outcome *native)
{
    uint64_t found = 0;

    for (uint32_t i = 0; i < native->connection_count; i++) {
        const struct connection *one = &native->connections[i];
        for (size_t k = 0; k < native->resets.count && one->inside && one->peer_port != 0; k++)
            if (native->resets.list[k].source == one->peer_port ||
                native->resets.list[k].target == one->peer_port)
                found |= 1ull << i;
    }
    return found;
}

struct comparison {
    const struct program *program;
    const struct outcome *native;
    uint64_t softened, inside, reset_inside;
    bool denied;
    bool diverged; /* a descriptor was received in one of the runs only: all numbers differ */
};

static bool exempt_line(struct comparison *c, const char *native, const char *enforced,
                        struct findings *findings)
{
    uint64_t about = connections_in(native) | connections_in(enforced);

    if (policy_denies(c->program) && operation_is(native, OP_linger) &&
        strstr(enforced, " = -1 1") != NULL) {
        c->denied = true;
        findings->exempt[EXEMPT_DENIED]++;
        return true;
    }
    if (c->denied && operation_is(native, OP_get_linger)) {
        findings->exempt[EXEMPT_DENIED]++;
        return true;
    }
    if ((about & c->softened) != 0) {
        findings->exempt[EXEMPT_SOFTENED]++;
        return true;
    }
    if ((about & c->reset_inside) != 0) {
        findings->exempt[EXEMPT_INSIDE]++;
        c->diverged |= operation_is(native, OP_take);
        return true;
    }
    return false;
}

static enum failure compare_results(struct comparison *c, const struct outcome *enforced,
                                    struct findings *findings, char *why)
{
    const char *one = c->native->trace, *other = enforced->trace;
    char line[600], second[600];

    while ((*one || *other) && !c->diverged) {
        const char *x = line_of(&one, line, sizeof line);
        const char *y = line_of(&other, second, sizeof second);
        if (!x || !y)
            return failed(RETURNED, why, "natively: %s\n enforce: %s", x ? x : "(nothing)",
                          y ? y : "(nothing)");
        if (reset_symptom(x))
            c->reset_inside |= connections_in(x) & c->inside;
        if (strcmp(x, y) != 0 && !exempt_line(c, x, y, findings))
            return failed(RETURNED, why, "natively: %s\n enforce: %s", x, y);
    }
    if (c->native->status != enforced->status)
        return failed(RETURNED, why, "wait status natively %x, enforce %x", c->native->status,
                      enforced->status);
    return FINE;
}

/* Whose reset is it? -1: not one that the program's side of a known connection sent. */
static int sender(const struct outcome *outcome, const struct reset *reset)
{
    for (uint32_t i = outcome->connection_count; i-- > 0;) {
        const struct connection *one = &outcome->connections[i];
        if (!one->inside && one->subject_port == reset->source && one->peer_port == reset->target)
            return (int)i;
    }
    return -1;
}

static const struct reset *reset_of(const struct outcome *outcome, int number)
{
    for (size_t i = 0; i < outcome->resets.count; i++)
        if (sender(outcome, &outcome->resets.list[i]) == number)
            return &outcome->resets.list[i];
    return NULL;
}

static bool uses_unix(const struct program *program, const struct outcome *outcome)
{
    bool any = has(program, OP_pair);

    for (uint32_t i = 0; i < outcome->connection_count; i++)
        any = any || outcome->connections[i].protocol >= STREAM;
    return any;
}

static enum failure judge_connection(struct comparison *c, const struct outcome *enforced,
                                     uint32_t i, struct findings *findings, char *why)
{
    const struct connection *one = &enforced->connections[i];
    const struct reset *reset = reset_of(enforced, (int)i);
    unsigned exempt = one->why | c->native->connections[i].why;
    char text[700];

    if (one->inside)
        return FINE;
    findings->connections++;
    for (int bit = 0; bit < WHYS; bit++) {
        if ((exempt & 1u << bit) == 0)
            continue;
        findings->exempt[bit]++;
        return FINE;
    }
    if (one->executed && uses_unix(c->program, enforced) &&
        (has(c->program, OP_thread) || has(c->program, OP_self) || has(c->program, OP_come))) {
        findings->exempt[EXEMPT_UNTOLD]++;
        return FINE;
    }
    if (one->got != one->sent || one->got_digest != one->sent_digest || one->end != END_EOF)
        return failed(PEER_LOST, why, "connection %u (slot %d, protocol %d): %s%s%s", i, one->tag,
                      one->protocol, connection_text(one, text, sizeof text),
                      reset ? ", reset " : "", reset ? reset->reason : "");
    bool holds_on = (one->manner & MANNER_FINISHES) == 0 || (one->manner & MANNER_READS) == 0;
    if (reset && holds_on && (has(c->program, OP_fork) || has(c->program, OP_exec))) {
        findings->exempt[EXEMPT_GAVE_UP]++;
        return FINE;
    }
    if (reset && one->renumbered && has(c->program, OP_epoll)) {
        findings->exempt[EXEMPT_EPOLL]++;
        return FINE;
    }
    if (reset)
        return failed(RESET_SENT, why, "connection %u (slot %d, protocol %d): %s, %s", i, one->tag,
                      one->protocol, reset->reason, connection_text(one, text, sizeof text));
    findings->whole++;
    return FINE;
}

enum failure judge_enforce(const struct program *program, const struct outcome *native,
                           const struct outcome *enforced, struct findings *findings, char *why)
{
    struct comparison c = {
        .program = program, .native = native, .reset_inside = reset_inside(native)};

    if (enforced->status == -1 && native->status != -1)
        return failed(HUNG, why, "under enforce it did not come to an end");
    for (uint32_t i = 0; i < native->connection_count; i++) {
        if (native->connections[i].softened || enforced->connections[i].softened)
            c.softened |= 1ull << i;
        if (native->connections[i].inside)
            c.inside |= 1ull << i;
    }
    findings->resets_native += (uint64_t)native->counters.out_rsts;
    findings->resets_enforced += (uint64_t)enforced->counters.out_rsts;
    enum failure failure = compare_results(&c, enforced, findings, why);
    for (uint32_t i = 0; i < enforced->connection_count && failure == FINE; i++)
        failure = judge_connection(&c, enforced, i, findings, why);
    return failure;
}
