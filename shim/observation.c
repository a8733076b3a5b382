/* SPDX-License-Identifier: MIT */
#include "shim/observation.h"

#include "shim/audit.h"
#include "shim/facts.h"
#include "shim/holders.h"
#include "shim/process.h"

static const struct policy *policy;
static struct subject program;
static bool enforcing;

bool observation_enforces(void)
{
    return enforcing;
}

void observation_start(const struct policy *in_force, enum policy_mode mode, const char *name,
                       const char *path)
{
    policy = in_force;
    enforcing = mode == MODE_ENFORCE;
    program = (struct subject){.program = name, .path = path};
}

bool observation_identify(struct observation *observation, int fd)
{
    struct socket *socket = &observation->socket;
    bool known = sockets_find(fd, socket);

    observation->fd = fd;
    observation->started = process_now();
    if (known && socket->id == facts_id(fd, socket->proto))
        return true;
    if (known) {
        /* Closed, and perhaps used again, by a road that cannot be seen. */
        sockets_remove(fd, socket->id);
        audit_unseen();
    }
    if (!facts_identify(fd, socket)) {
        sockets_state_clear(fd, DESCRIPTOR_SOCKET | DESCRIPTOR_UNSURE);
        return false;
    }
    socket->role = ROLE_INHERITED;
    socket->elsewhere = true;
    socket->since = observation->started;
    socket->spawned = holders_generation();
    sockets_add(fd, socket);
    socket->descriptors = 1;
    return true;
}

static bool is_wanted(enum log_events events, const struct verdict *verdict)
{
    bool reset = verdict->outcome == OUTCOME_RESET;

    switch (events) {
    case LOG_ALL:
        return true;
    case LOG_CHANGES:
        return reset || verdict->actions != ACTION_PASS || verdict->outcome == OUTCOME_INVALID;
    case LOG_RESETS:
        return reset;
    case LOG_NONE:
        break;
    }
    return false;
}

static void match(const struct observation *observation, struct settings *settings)
{
    struct subject subject = program;

    subject.role = observation->facts.role;
    subject.proto = observation->facts.proto;
    subject.local = &observation->facts.local;
    subject.peer = &observation->facts.peer;
    policy_match(policy, &subject, settings);
}

/* A search through /proc is worth its time only where the answer makes a difference. */
static bool search_matters(const struct observation *observation)
{
    struct facts alone = observation->facts;

    if (observation->verdict.outcome == OUTCOME_RESET)
        return true;
    alone.holders = HOLDERS_LAST;
    return enforcing && decide(&observation->settings, &alone).actions != ACTION_PASS;
}

/* Once: otherwise it would stand beside every close. */
static void note_unknown(void)
{
    static bool told;

    if (!__atomic_exchange_n(&told, true, __ATOMIC_RELAXED))
        audit_note(
            "holders-unknown",
            "some process cannot be looked into (another user's, or /proc is hidden): whether "
            "it holds an inherited socket stays unknown, and such a socket is never touched",
            NULL, 0);
}

void observation_process_settings(struct settings *out)
{
    policy_match(policy, &program, out);
}

void observation_decide(struct observation *observation, enum operation op, enum shut how,
                        int32_t linger, bool at_exit, void *caller)
{
    struct facts *facts = &observation->facts;
    struct settings *settings = &observation->settings;

    facts_collect(observation->fd, &observation->socket, facts);
    facts->op = op;
    facts->how = how;
    facts->at_exit = at_exit;
    if (op == OP_LINGER)
        facts->linger = linger;
    facts->holders = op == OP_CLOSE ? holders_leave(observation->fd, &observation->socket)
                                    : holders_of(observation->fd, &observation->socket);
    match(observation, settings);
    observation->taken = ACTION_PASS;
    observation->verdict = decide(settings, facts);
    if (facts->holders == HOLDERS_UNKNOWN && search_matters(observation)) {
        facts->holders = holders_search(observation->fd, &observation->socket, at_exit);
        if (facts->holders == HOLDERS_UNKNOWN)
            note_unknown();
        observation->verdict = decide(settings, facts);
    }
    observation->wanted = is_wanted(settings->events, &observation->verdict);
    observation->rule =
        observation->verdict.key == KEY_COUNT
            ? "built-in"
            : policy_source_name(policy, settings->source[observation->verdict.key]);
    observation->site_count = 0;
    if (observation->wanted && settings->sites > 0)
        observation->site_count = sites_collect(
            caller, observation->verdict.outcome == OUTCOME_RESET ? settings->sites : 1,
            observation->sites);
}

bool observation_accepted(struct observation *out, const struct observation *listener, int fd)
{
    out->fd = fd;
    out->via = "backlog";
    out->started = process_now();
    if (!facts_identify_like(fd, &listener->socket, &out->socket))
        return false;
    out->socket.role = ROLE_ACCEPTED;
    out->socket.since = out->started;
    out->socket.spawned = holders_generation();
    out->socket.descriptors = 1;
    observation_decide(out, OP_CLOSE, SHUT_NONE, 0, false, NULL);
    return true;
}

void observation_tell(const struct observation *observation, int error)
{
    struct audit_event event = {
        .event = observation->facts.op == OP_SHUTDOWN ? "shutdown"
                 : observation->facts.op == OP_LINGER ? "linger"
                                                      : "close",
        .fd = observation->fd,
        .via = observation->via,
        .socket = &observation->socket,
        .facts = &observation->facts,
        .verdict = &observation->verdict,
        .rule = observation->rule,
        .taken = observation->taken,
        .started = observation->started,
        .error = error,
        .sites = observation->sites,
        .site_count = observation->site_count,
    };
    audit_tell(&event, observation->wanted);
}

void observation_bad_fd(int fd, const char *via, void *caller)
{
    struct facts facts = {.op = OP_CLOSE, .bad_fd = true};
    struct subject subject = program;
    struct settings settings;

    policy_match(policy, &subject, &settings);
    struct verdict verdict = decide(&settings, &facts);
    audit_bad_fd(fd, via, &verdict, (uintptr_t)caller, is_wanted(settings.events, &verdict));
}
