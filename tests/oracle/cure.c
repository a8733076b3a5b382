/* SPDX-License-Identifier: MIT */
#include "cure.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum late {
    LATE,    /* the peer goes on sending after the close */
    NO_LATE, /* it must not: then nobody can keep the kernel from a reset */
    AS_IS,   /* there is no connection to speak of: the table holds under enforce, too */
    LIMIT,   /* cannot be cured */
};

#define ALL ~0U
#define MPTCP_ONLY (1U << MPTCP)

/* What differs from "read to the end, send late, finish". */
static const struct exception {
    const char *name;
    unsigned protos;
    enum late late;
    const char *why;
    const char *before; /* in place of the situation's, NULL = the same */
} exceptions[] = {
    {"shut-rd", ALL, NO_LATE, "the program has shut its reading half: late data is reset", NULL},
    {"shut-rd-unread", ALL, NO_LATE, "the same", NULL},
    {"unread-shut-rd", ALL, NO_LATE, "the same", NULL},
    {"listener-shut-rd", ALL, LIMIT,
     "shutdown(SHUT_RD) is no close: the listener stays, the program asked for the resets", NULL},
    {"disconnect", ALL, LIMIT, "connect(AF_UNSPEC): the program asked for the reset", NULL},
    {"listener-empty", ALL, AS_IS, NULL, NULL},
    {"syn-sent", ALL, AS_IS, NULL, NULL},
    {"syn-sent-late", ALL, AS_IS, NULL, NULL},
    {"fresh", ALL, AS_IS, NULL, NULL},
    {"peer-reset", ALL, AS_IS, NULL, NULL},
    {"peer-reset-read", ALL, AS_IS, NULL, NULL},
    {"peer-reset-unread", ALL, AS_IS, NULL, NULL},
    {"peer-gone", ALL, AS_IS, NULL, NULL},
    {"peer-gone-unread", ALL, AS_IS, NULL, NULL},
    {"datagram", ALL, AS_IS, NULL, NULL},
    /* what came late has been discarded by then: nothing is unread */
    {"shut-both-late", MPTCP_ONLY, LATE, NULL,
     "open; own send 50; own shutdown both; peer end; peer late 10"},
};

static const struct exception *exception_of(const struct situation *situation,
                                            enum proto_here proto)
{
    for (size_t i = 0; i < sizeof exceptions / sizeof *exceptions; i++)
        if (strcmp(exceptions[i].name, situation->name) == 0 && exceptions[i].protos & 1U << proto)
            return &exceptions[i];
    return NULL;
}

static enum late late_of(const struct situation *situation, enum proto_here proto)
{
    const struct exception *exception = exception_of(situation, proto);
    return exception ? exception->late : LATE;
}

const char *cure_limit(const struct situation *situation, enum proto_here proto)
{
    const struct exception *exception = exception_of(situation, proto);
    if (situation->limit) /* what cannot be known cannot be cured */
        return situation->limit;
    return exception && exception->late == LIMIT ? exception->why : NULL;
}

static bool other_holder(const struct situation *situation)
{
    return strstr(situation->after, "holder ") != NULL;
}

/* The peer has finished before: it cannot send any more. */
static bool peer_finishes_before(const struct situation *situation)
{
    return strstr(situation->before, "peer shut") != NULL;
}

static void steps_after(const struct situation *situation, enum proto_here proto, int late_ms,
                        char *steps, size_t size)
{
    bool floods = late_of(situation, proto) == LATE && !peer_finishes_before(situation);
    bool first = strncmp(situation->after, "peer late", 9) == 0;
    char flood[40] = "";

    if (floods)
        snprintf(flood, sizeof flood, "peer flood %d;", late_ms);
    if (other_holder(situation)) {
        /* in flight: its last holder is this process, which knows nothing of softclose */
        bool foreign = strstr(situation->after, "flight") != NULL;
        snprintf(steps, size, "%s%s", situation->after, foreign ? "" : "; release");
        return;
    }
    snprintf(steps, size, "%s%speer end; %speer shut; gone", first ? flood : "",
             situation->blocks ? "await FIN_WAIT1;" : "", first ? "" : flood);
}

void cure_scenario(const struct situation *situation, const struct road *road,
                   enum proto_here proto, int late_ms, struct scenario *scenario, char *steps,
                   size_t size)
{
    const struct exception *exception = exception_of(situation, proto);
    bool waits = road->ends || strcmp(road->name, "exec") == 0;

    scenario->mode = "enforce";
    /* On a loaded machine the peer may be late: no limit of a drain shall decide. */
    scenario->set = "listener.backlog=drain;log.events=all;close.exit_wait=60s;"
                    "close.drain_idle=60s;close.drain_total=120s";
    if (late_of(situation, proto) == AS_IS)
        return;
    scenario->resets_at_close = scenario->resets_late = 0;
    if (exception && exception->before)
        scenario->before = exception->before;
    /* It ends only when the drains have: the peer must go on meanwhile. */
    scenario->blocks = situation->blocks || (waits && !other_holder(situation));
    steps_after(situation, proto, late_ms, steps, size);
    scenario->after = steps;
    if (other_holder(situation) && strstr(situation->after, "flight") == NULL) {
        static char finish[64];
        snprintf(finish, sizeof finish, "peer end; peer flood %d; peer shut; gone", late_ms);
        scenario->finally = finish;
    }
}

/* "eof" and nothing worse; what was sent late was taken. A UNIX peer may be told EPIPE: there is
 * no half-close to hide behind, and nothing is lost. */
static bool ended_well(const char *end, bool unix_socket)
{
    char copy[96], *rest = NULL;
    bool eof = false;
    snprintf(copy, sizeof copy, "%s", end);
    for (char *word = strtok_r(copy, ", ", &rest); word; word = strtok_r(NULL, ", ", &rest)) {
        if (strcmp(word, "eof") == 0)
            eof = true;
        else if (strcmp(word, "swallowed") != 0 && !(unix_socket && strcmp(word, "EPIPE") == 0))
            return false;
    }
    return eof;
}

static enum verdict because(enum verdict verdict, const char *what, const struct truth *truth,
                            char *why)
{
    char kernel[WHY / 2];
    snprintf(why, WHY, "%.400s; wait status %#x; kernel: %s", what, (unsigned)truth->status,
             truth_text(truth, kernel, sizeof kernel));
    return verdict;
}

enum verdict judge_cure(const struct situation *situation, const struct road *road,
                        enum proto_here proto, const struct truth *truth, char *why)
{
    bool holders = other_holder(situation);
    bool foreign = strstr(situation->after, "flight") != NULL;

    if (late_of(situation, proto) == AS_IS)
        return judge_truth(situation, road, proto, truth, why);
    if (truth->failure[0])
        return because(UNREACHED, truth->failure, truth, why);
    if (sent_by(&truth->before, truth->port) + sent_by(&truth->close, truth->port) +
            sent_by(&truth->late, truth->port) + sent_by(&truth->last, truth->port) >
        0)
        return because(MISSED, "a reset", truth, why);
    if (holders && strcmp(truth->end, "open") != 0)
        return because(WRONG, "the other holder was disturbed", truth, why);
    if (!ended_well(holders ? truth->last_end : truth->end, proto == UNIX || proto == SEQPACKET))
        return because(WRONG, "the end", truth, why);
    if (truth->received != truth->sent && !foreign)
        return because(WRONG, "bytes lost", truth, why);
    if (!WIFEXITED(truth->status) || WEXITSTATUS(truth->status) != road->status)
        return because(WRONG, "another exit status", truth, why);
    return RIGHT;
}
