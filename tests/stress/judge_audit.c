/* SPDX-License-Identifier: MIT */
#include "judging.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same_counters(const struct counters *a, const struct counters *b)
{
    return a->out_rsts == b->out_rsts && a->abort_on_close == b->abort_on_close &&
           a->abort_on_linger == b->abort_on_linger && a->fastclose_tx == b->fastclose_tx;
}

static const char *counters_text(const struct counters *c, char *text, size_t size)
{
    snprintf(text, size,
             "OutRsts %ld AbortOnClose %ld AbortOnData %ld AbortOnLinger %ld Fastclose %ld",
             c->out_rsts, c->abort_on_close, c->abort_on_data, c->abort_on_linger, c->fastclose_tx);
    return text;
}

/* Data for a socket that is closed: which of these the kernel gives, and whether it counts it as
 * TCPAbortOnData, depends on whether the acknowledgement of the FIN came while the socket was
 * locked, in every mode. */
static const char *reason(const struct reset *reset)
{
    static const char *const late[] = {"TCP_ABORT_ON_DATA", "TCP_TIMEWAIT_SOCKET", "NO_SOCKET"};

    for (size_t i = 0; i < sizeof late / sizeof *late; i++)
        if (strcmp(reset->reason, late[i]) == 0)
            return "late-data";
    return reset->reason;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(reason(a), reason(b));
}

static const char *reasons(const struct outcome *outcome, char *text, size_t size)
{
    struct reset sorted[ORACLE_RESETS];
    size_t count = outcome->resets.count, length = 0;

    memcpy(sorted, outcome->resets.list, sizeof sorted);
    qsort(sorted, count, sizeof *sorted, by_text);
    text[0] = '\0';
    for (size_t i = 0; i < count && length < size; i++)
        length += (size_t)snprintf(text + length, size - length, " %s", reason(&sorted[i]));
    return text;
}

static bool ends_inside(const struct outcome *outcome)
{
    for (uint32_t i = 0; i < outcome->connection_count; i++)
        if (outcome->connections[i].inside && outcome->connections[i].protocol < STREAM)
            return true;
    return false;
}

enum failure judge_audit(const struct program *program, const struct outcome *native,
                         const struct outcome *audited, struct findings *findings, char *why)
{
    const char *one = native->trace, *other = audited->trace;
    char line[600], second[600], a[700], b[700];

    if (native->status != audited->status && audited->status == -1)
        return failed(HUNG, why, "under audit it did not come to an end");
    while (*one || *other) {
        const char *x = line_of(&one, line, sizeof line);
        const char *y = line_of(&other, second, sizeof second);
        if (!x || !y || strcmp(x, y) != 0)
            return failed(DIFFERENT, why, "natively: %s\n   audit: %s", x ? x : "(nothing)",
                          y ? y : "(nothing)");
    }
    if (native->status != audited->status)
        return failed(DIFFERENT, why, "wait status natively %x, audit %x", native->status,
                      audited->status);
    for (uint32_t i = 0; i < native->connection_count; i++) {
        const struct connection *x = &native->connections[i], *y = &audited->connections[i];
        if (x->got != y->got || x->got_digest != y->got_digest || x->end != y->end ||
            x->error != y->error || strcmp(x->story, y->story) != 0)
            return failed(DIFFERENT, why, "connection %u (slot %d) natively: %s\n  audit: %s", i,
                          x->tag, connection_text(x, a, sizeof a), connection_text(y, b, sizeof b));
    }
    bool same = same_counters(&native->counters, &audited->counters) &&
                (native->resets.lost || audited->resets.lost ||
                 strcmp(reasons(native, a, sizeof a), reasons(audited, b, sizeof b)) == 0);
    /* The kernel closes what one call closes from the last to the first, at the end of the call;
     * softclose calls once for each socket. */
    if (!same && ends_inside(native) &&
        (has(program, OP_close_range) || has(program, OP_closefrom))) {
        findings->exempt[EXEMPT_ORDER]++;
        return FINE;
    }
    if (!same_counters(&native->counters, &audited->counters))
        return failed(DIFFERENT, why, "natively %s\n   audit %s",
                      counters_text(&native->counters, a, sizeof a),
                      counters_text(&audited->counters, b, sizeof b));
    if (!same)
        return failed(DIFFERENT, why, "reasons natively%s\n   audit%s",
                      reasons(native, a, sizeof a), reasons(audited, b, sizeof b));
    return FINE;
}
