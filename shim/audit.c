/* SPDX-License-Identifier: MIT */
#include "shim/audit.h"

#include <string.h>

#include "policy/names.h"
#include "shim/counters.h"
#include "shim/endpoint.h"
#include "shim/event.h"
#include "shim/facts.h"
#include "shim/line.h"
#include "shim/log.h"
#include "shim/process.h"
#include "shim/raw.h"

static struct audit_identity identity;
static bool introduced; /* this process has written its process event */
static size_t modules_told;

static void put_module(struct line *line, const struct module *module)
{
    line_text(line, "{\"module\":");
    line_quoted(line, module->path == NULL ? "" : module->path);
    line_text(line, ",\"base\":");
    line_hex(line, module->base);
    line_text(line, ",\"end\":");
    line_hex(line, module->end);
    line_text(line, ",\"build_id\":\"");
    for (size_t i = 0; i < module->build_id_length; i++) {
        const char *digits = "0123456789abcdef";
        line_text(line, (char[]){digits[module->build_id[i] >> 4], digits[module->build_id[i] & 15],
                                 '\0'});
    }
    line_text(line, "\"}");
}

/* As many modules from `first` on as fit; the rest goes into notes. Returns the next one. */
static size_t put_modules(struct line *line, size_t first)
{
    size_t count = sites_modules(), index = first;

    line_field_name(line, "maps");
    line_text(line, "[");
    for (; index < count; index++) {
        struct line before = *line;
        if (index > first)
            line_text(line, ",");
        put_module(line, sites_module(index));
        if (line->cut || line->size - line->length < 64) {
            *line = before;
            break;
        }
    }
    line_text(line, "]");
    return index > first ? index : first + 1; /* a path too long for any event is passed over */
}

static void tell_modules(void)
{
    while (modules_told < sites_modules()) {
        struct line line;
        if (!event_start(&line, "note"))
            return;
        line_field_string(&line, "code", "modules");
        line_field_string(&line, "text", "modules loaded in this process");
        modules_told = put_modules(&line, modules_told);
        event_end(&line);
    }
}

static const char *mode_name(enum policy_mode mode)
{
    return mode == MODE_ENFORCE ? "enforce" : mode == MODE_AUDIT ? "audit" : "off";
}

void audit_introduce(void)
{
    struct line line;

    if (__atomic_exchange_n(&introduced, true, __ATOMIC_ACQ_REL) || !event_start(&line, "process"))
        return;
    line_field_number(&line, "ppid", raw_call(SYS_getppid));
    line_field_string(&line, "path", identity.path);
    line_field_string(&line, "mode", mode_name(identity.mode));
    line_field_string(&line, "engine", "preload");
    line_text(&line, ",\"policy\":{\"path\":");
    line_quoted(&line, identity.policy_path);
    line_field_string(&line, "digest", identity.policy_digest);
    line_text(&line, "}");
    modules_told = put_modules(&line, 0);
    event_end(&line);
    tell_modules();
}

void audit_start(const struct audit_identity *given)
{
    identity = *given;
    event_program(identity.executable);
    audit_introduce();
}

void audit_forked(void)
{
    event_forked();
    introduced = false;
    modules_told = 0;
    counters_forked();
    log_forked();
}

static void put_endpoint(struct line *line, const char *name, const struct endpoint *endpoint)
{
    char text[ENDPOINT_TEXT];
    line_field_string(line, name, endpoint_format(endpoint, text, sizeof text) ? text : NULL);
}

static void put_socket(struct line *line, const struct audit_event *event)
{
    const struct facts *facts = event->facts;
    uint64_t age = event->started - event->socket->since;

    line_field_number(line, "fd", event->fd);
    line_field_number(line, "sock", (int64_t)(event->socket->id & INT64_MAX));
    line_field_string(line, "proto", proto_name(facts->proto));
    line_field_string(line, "type", type_name(facts->type));
    line_field_string(line, "role", role_name(facts->role));
    put_endpoint(line, "local", &facts->local);
    put_endpoint(line, "peer", &facts->peer);
    line_field_string(line, "state", state_name(facts->state));
    line_field_number(line, "age_ms", (int64_t)(age / 1000000));
    line_field_number(line, "rx", facts->rx);
    line_field_number(line, "tx", facts->tx);
}

/* The facts that decide() takes. Those that are rarely set are written only then. */
static void put_facts(struct line *line, const struct facts *facts)
{
    line_field_string(line, "holders", holders_name(facts->holders));
    line_field_number(line, "unread", facts->unread);
    line_field_number(line, "unsent", facts->unsent);
    line_field_number(line, "linger", facts->linger);
    line_field_bool(line, "peer_fin", facts->peer_fin);
    line_field_bool(line, "urgent", facts->urgent);
    line_field_string(line, "shut", shut_name(facts->shut));
    if (facts->notsent != 0)
        line_field_number(line, "notsent", facts->notsent);
    if (facts->linger2 < 0)
        line_field_number(line, "linger2", facts->linger2);
    if (facts->backlog != 0)
        line_field_number(line, "backlog", facts->backlog);
    const struct {
        const char *name;
        bool set;
    } rare[] = {
        {"record", facts->record},
        {"peer_gone", facts->peer_gone},
        {"was_connected", facts->was_connected && facts->state == STATE_CLOSE},
        {"pending_error", facts->pending_error},
        {"late_data", facts->late_data},
        {"at_exit", facts->at_exit},
        {"awaited", facts->awaited},
        {"unflushed", facts->unflushed},
        {"no_thread", facts->no_thread},
        {"epoll_uncertain", facts->epoll_uncertain},
    };
    for (size_t i = 0; i < sizeof rare / sizeof *rare; i++)
        if (rare[i].set)
            line_field_bool(line, rare[i].name, true);
    if (facts->ended != DRAIN_UNDER_WAY)
        line_field_string(line, "ended", drain_result_name(facts->ended));
}

static void put_verdict(struct line *line, const struct verdict *verdict, unsigned wish,
                        unsigned taken, const char *rule)
{
    char actions[128];

    line_field_string(line, "outcome", outcome_name(verdict->outcome));
    line_field_string(line, "cause",
                      verdict->cause == CAUSE_NULL ? NULL : cause_name(verdict->cause));
    line_field_string(line, "action", actions_name(taken, actions, sizeof actions));
    if (identity.mode == MODE_AUDIT || wish != taken)
        line_field_string(line, "would", actions_name(wish, actions, sizeof actions));
    line_field_string(line, "rule", rule);
}

static void put_sites(struct line *line, const uintptr_t *sites, size_t count)
{
    line_field_name(line, "site");
    line_text(line, "[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            line_text(line, ",");
        line_hex(line, sites[i]);
    }
    line_text(line, "]");
}

static void put_error(struct line *line, int error)
{
    if (error != 0)
        line_field_string(line, "errno", strerrorname_np(error));
}

void audit_tell(const struct audit_event *event, bool wanted)
{
    struct line line;

    counters_operation(event->event, event->facts, event->verdict, event->wish, event->taken);
    if (!wanted)
        return;
    audit_introduce();
    if (event->site_count > 1) {
        sites_learn(event->sites, event->site_count);
        tell_modules();
    }
    if (!event_start(&line, event->event))
        return;
    put_socket(&line, event);
    if (event->facts->op == OP_SHUTDOWN)
        line_field_string(&line, "how", shut_name(event->facts->how));
    else
        line_field_string(&line, event->facts->op == OP_LINGER ? "result" : "via",
                          event->facts->op != OP_LINGER ? event->via
                          : event->error == 0           ? "ok"
                                                        : strerrorname_np(event->error));
    put_facts(&line, event->facts);
    put_verdict(&line, event->verdict, event->wish, event->taken, event->rule);
    line_field_number(&line, "took_us", (int64_t)((process_now() - event->started) / 1000));
    put_sites(&line, event->sites, event->site_count);
    put_error(&line, event->error);
    event_end(&line);
}

void audit_drain(int fd, int program_fd, const struct socket *socket, const struct drain *drain,
                 enum drain_result result)
{
    struct facts facts;
    struct audit_event event = {.fd = program_fd, .socket = socket, .facts = &facts};
    struct line line;

    counters_drained(drain->bytes);
    if (drain->telling == TELL_NEVER || (drain->telling == TELL_FAILURE && result == DRAIN_EOF))
        return;
    facts_collect(fd, socket, &facts);
    facts_collect_addresses(fd, socket, &facts);
    if (result == DRAIN_EOF)
        facts_end_of_peer(&facts);
    event.started = process_now();
    if (!event_start(&line, "drain"))
        return;
    put_socket(&line, &event);
    line_field_string(&line, "result", drain_result_name(result));
    line_field_number(&line, "drained", (int64_t)drain->bytes);
    line_field_number(&line, "unacked", facts.unsent);
    line_field_number(&line, "ms", (int64_t)((event.started - drain->started) / 1000000));
    event_end(&line);
}

void audit_bad_fd(int fd, const char *via, const struct verdict *verdict, uintptr_t site,
                  bool wanted)
{
    struct line line;
    struct facts facts = {.op = OP_CLOSE, .bad_fd = true};

    counters_operation("close", &facts, verdict, ACTION_PASS, ACTION_PASS);
    if (!wanted)
        return;
    audit_introduce();
    if (!event_start(&line, "close"))
        return;
    line_field_number(&line, "fd", fd);
    line_field_string(&line, "via", via);
    put_verdict(&line, verdict, ACTION_PASS, ACTION_PASS, "built-in");
    put_sites(&line, &site, 1);
    put_error(&line, EBADF);
    event_end(&line);
}

void audit_note(const char *code, const char *text, const char *path, uint64_t count)
{
    struct line line;

    audit_introduce();
    if (!event_start(&line, "note"))
        return;
    line_field_string(&line, "code", code);
    line_field_string(&line, "text", text);
    if (path != NULL)
        line_field_string(&line, "path", path);
    if (count != 0)
        line_field_number(&line, "count", (int64_t)count);
    event_end(&line);
}

void audit_summary(void)
{
    struct line line;

    if (!__atomic_load_n(&introduced, __ATOMIC_ACQUIRE) && counters_empty())
        return; /* a forked child that never touched a socket */
    audit_introduce();
    if (event_start(&line, "summary")) {
        counters_put(&line);
        event_end(&line);
    }
    counters_tell_unwritten(log_name());
}
