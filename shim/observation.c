/* SPDX-License-Identifier: MIT */
#include "shim/observation.h"

#include "shim/audit.h"
#include "shim/counters.h"
#include "shim/epoll_sets.h"
#include "shim/facts.h"
#include "shim/holders.h"
#include "shim/ledger.h"
#include "shim/matched.h"
#include "shim/process.h"
#include "shim/rings.h"

static const struct policy *policy;
static struct subject program;
static bool enforcing;
static bool rules_ask_addresses;

bool observation_enforces(void)
{
    return enforcing;
}

void observation_start(const struct policy *in_force, enum policy_mode mode, const char *name,
                       const char *path)
{
    policy = in_force;
    enforcing = mode == MODE_ENFORCE;
    rules_ask_addresses = policy_asks_addresses(in_force);
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
        counters_unseen();
    }
    if (!facts_identify(fd, socket)) {
        sockets_state_clear(fd, DESCRIPTOR_SOCKET | DESCRIPTOR_UNSURE);
        return false;
    }
    holders_inherited(socket);
    socket->since = observation->started;
    socket->spawned = holders_generation();
    socket->opened = ledger_now();
    sockets_add(fd, socket);
    socket->descriptors = 1;
    return true;
}

static bool is_wanted(enum log_events events, const struct verdict *verdict, unsigned wish)
{
    bool reset = verdict->outcome == OUTCOME_RESET;

    switch (events) {
    case LOG_ALL:
        return true;
    case LOG_CHANGES:
        return reset || wish != ACTION_PASS || verdict->outcome == OUTCOME_INVALID;
    case LOG_RESETS:
        return reset;
    case LOG_NONE:
        break;
    }
    return false;
}

static void match(struct observation *observation, struct settings *settings)
{
    struct subject subject = program;

    subject.role = observation->facts.role;
    subject.proto = observation->facts.proto;
    if (rules_ask_addresses) {
        facts_collect_addresses(observation->fd, &observation->socket, &observation->facts);
        subject.local = &observation->facts.local;
        subject.peer = &observation->facts.peer;
    }
    matched_settings(policy, &subject, &observation->socket, settings);
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
            "whether others hold a socket that was inherited, received or sent cannot be found "
            "out (some process cannot be looked into, or a message waits in a UNIX socket): such a "
            "socket is not touched",
            NULL, 0);
}

static enum holders search(const struct observation *observation)
{
    enum holders holders =
        holders_search(observation->fd, &observation->socket, observation->facts.at_exit);

    if (holders == HOLDERS_UNKNOWN && !rings_any())
        note_unknown();
    return holders;
}

/* Once, too. */
static void note_silent(void)
{
    static bool told;

    if (!__atomic_exchange_n(&told, true, __ATOMIC_RELAXED))
        audit_note("threads-unknown",
                   "it could not be found out in time whether another thread is inside a call on a "
                   "connection that is closed: such a connection is not touched",
                   NULL, 0);
}

/* Asked only where the connection would be touched: it takes longest. */
static void prove_last(struct observation *observation)
{
    struct facts *facts = &observation->facts;

    if (!enforcing || facts->holders != HOLDERS_LAST || facts->op != OP_CLOSE ||
        observation->verdict.actions == ACTION_PASS)
        return;
    if (rings_any()) {
        facts->holders = HOLDERS_UNKNOWN;
    } else if (!facts->at_exit) { /* the threads end, too */
        facts->holders = holders_in_call(observation->fd, observation->settings.max_draining);
        if (facts->holders == HOLDERS_UNKNOWN)
            note_silent();
    }
    if (facts->holders != HOLDERS_LAST)
        observation_decide_again(observation);
}

void observation_process_settings(struct settings *out)
{
    policy_match(policy, &program, out);
}

/* Before a repair, which may make the kernel forget the addresses. */
static void prepare_event(struct observation *observation, void *caller)
{
    const struct settings *settings = &observation->settings;
    const struct verdict *verdict = &observation->verdict;

    facts_collect_addresses(observation->fd, &observation->socket, &observation->facts);
    observation->rule = verdict->key == KEY_COUNT
                            ? "built-in"
                            : policy_source_name(policy, settings->source[verdict->key]);
    if (settings->sites > 0)
        observation->site_count = sites_collect(
            caller, verdict->outcome == OUTCOME_RESET ? settings->sites : 1, observation->sites);
}

void observation_decide(struct observation *observation, struct question question, void *caller)
{
    struct facts *facts = &observation->facts;
    struct settings *settings = &observation->settings;

    facts_collect(observation->fd, &observation->socket, facts);
    facts->op = question.op;
    facts->how = question.how;
    facts->at_exit = question.at_exit;
    if (question.op == OP_LINGER)
        facts->linger = question.linger;
    facts->unflushed = question.unflushed;
    facts->awaited = question.awaited;
    facts->epoll_uncertain = enforcing && epoll_sets_may_keep(&observation->socket);
    facts->holders = question.op == OP_CLOSE ? holders_leave(observation->fd, &observation->socket,
                                                             question.awaited, question.perhaps)
                                             : holders_of(observation->fd, &observation->socket);
    match(observation, settings);
    observation->taken = ACTION_PASS;
    observation->verdict = decide(settings, facts);
    if (facts->holders == HOLDERS_UNKNOWN) {
        facts->holders = search_matters(observation) ? search(observation)
                                                     : holders_presumed(&observation->socket);
        observation_decide_again(observation);
    }
    prove_last(observation);
    observation->wish = decide_wish(settings, facts);
    observation->wanted = is_wanted(settings->events, &observation->verdict, observation->wish);
    observation->rule = NULL;
    observation->site_count = 0;
    if (observation->wanted)
        prepare_event(observation, caller);
}

void observation_decide_again(struct observation *observation)
{
    observation->verdict = decide(&observation->settings, &observation->facts);
}

bool observation_goes_on(struct observation *observation, int fd)
{
    struct socket *socket = &observation->socket;
    struct facts *facts = &observation->facts;

    if (rules_ask_addresses || !sockets_find(fd, socket) ||
        !ledger_goes_on(socket->id, socket->opened))
        return false;
    *facts = (struct facts){.op = OP_CLOSE,
                            .at_exit = true,
                            .awaited = true,
                            .role = socket->role,
                            .proto = socket->proto,
                            .type = socket->type,
                            .holders = HOLDERS_SHARED};
    match(observation, &observation->settings);
    observation->taken = ACTION_PASS;
    observation->verdict = decide(&observation->settings, facts);
    observation->wish = decide_wish(&observation->settings, facts);
    observation->wanted =
        is_wanted(observation->settings.events, &observation->verdict, observation->wish);
    return !observation->wanted;
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
    out->socket.opened = ledger_now();
    out->socket.descriptors = 1;
    observation_decide(out, (struct question){.op = OP_CLOSE}, NULL);
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
        .wish = observation->wish,
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
    audit_bad_fd(fd, via, &verdict, (uintptr_t)caller,
                 is_wanted(settings.events, &verdict, ACTION_PASS));
}
