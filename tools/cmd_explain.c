/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "event_facts.h"
#include "explain_options.h"
#include "policy/names.h"
#include "policy_file.h"
#include "repairs.h"
#include "report_words.h"
#include "shim/endpoint.h"
#include "table.h"

/* What one answer is made of. */
struct explanation {
    const struct explain_options *options;
    struct policy_file file;
    const char *program;       /* the name or path in question, or NULL */
    const struct event *event; /* NULL = imagined */
    struct facts facts;
    struct settings settings;
    struct verdict verdict; /* with what stands in the way */
    unsigned wish;          /* without: what the policy asks for */
    bool color;
    uint64_t explained, different;
};

static void match(struct explanation *explanation)
{
    const char *slash = explanation->program ? strrchr(explanation->program, '/') : NULL;
    struct subject subject = {
        .program = slash ? slash + 1 : explanation->program,
        .path = slash ? explanation->program : NULL,
        .role = explanation->facts.role,
        .proto = explanation->facts.proto,
        .local = &explanation->facts.local,
        .peer = &explanation->facts.peer,
    };
    policy_match(explanation->file.policy, &subject, &explanation->settings);
    explanation->verdict = decide(&explanation->settings, &explanation->facts);
    explanation->wish = decide_wish(&explanation->settings, &explanation->facts);
}

/* --- what it says --- */

static void print_endpoint(const char *what, const struct endpoint *endpoint)
{
    char text[ENDPOINT_TEXT];
    if (!endpoint_format(endpoint, text, sizeof text))
        return;
    printf(", %s ", what);
    print_clean(stdout, text);
}

static void print_subject(const struct explanation *explanation)
{
    const struct facts *facts = &explanation->facts;
    print_clean(stdout, explanation->program ? explanation->program : "any program");
    printf(": %s, role %s", proto_name(facts->proto), role_name(facts->role));
    print_endpoint("local", &facts->local);
    print_endpoint("peer", &facts->peer);
    fputs("\n\n", stdout);
}

/* "web.ini:7 [rule uploads]", "web.ini:3 [close]", "--set", "built-in". */
static char *source_of(const struct explanation *explanation, enum policy_key key)
{
    const struct policy *policy = explanation->file.policy;
    uint16_t source = explanation->settings.source[key];
    const char *name = policy_source_name(policy, source), *key_word = key_name(key);
    int line = policy_source_line(policy, source, key);
    struct settings usual;
    char text[100], other[100];
    char *made = NULL;
    if (line > 0 && policy_source_is_rule(source)) {
        if (asprintf(&made, "%s:%d [rule %s]", explanation->file.name, line, name) < 0)
            return NULL;
        return made;
    }
    if (line > 0) {
        int section = (int)strcspn(key_word, ".");
        if (asprintf(&made, "%s:%d [%.*s]", explanation->file.name, line, section, key_word) < 0)
            return NULL;
        return made;
    }
    policy_match(policy_builtin(explanation->options->common.mode), &(struct subject){0}, &usual);
    value_name(&usual, key, other, sizeof other);
    value_name(&explanation->settings, key, text, sizeof text);
    if (source == 0 && strcmp(text, other) != 0 &&
        asprintf(&made, "built-in for role %s", role_name(explanation->facts.role)) >= 0)
        return made;
    return strdup(name);
}

static void print_settings(const struct explanation *explanation)
{
    char value[300];
    for (unsigned at = 0; at < KEY_COUNT; at++) {
        enum policy_key key = (enum policy_key)at;
        char *source = source_of(explanation, key);
        bool built_in = source && strncmp(source, "built-in", 8) == 0;
        const char *dim = explanation->color && built_in ? "\033[2m" : "";
        printf("%s%-18s  %-10s  ", dim, key_name(key),
               value_name(&explanation->settings, key, value, sizeof value));
        print_clean(stdout, source ? source : "?");
        puts(*dim ? "\033[0m" : "");
        free(source);
    }
    putchar('\n');
}

static void print_operation(const struct facts *facts)
{
    switch (facts->op) {
    case OP_SHUTDOWN:
        printf("shutdown(%s)", shut_name(facts->how));
        break;
    case OP_LINGER:
        fputs("setting SO_LINGER {on, 0}", stdout);
        break;
    case OP_DISCONNECT:
        fputs("connect(AF_UNSPEC)", stdout);
        break;
    default:
        fputs(facts->at_exit   ? "the end of the program"
              : facts->awaited ? "an exec"
                               : "close",
              stdout);
        break;
    }
}

static void print_facts(const struct facts *facts)
{
    if (facts->bad_fd) {
        puts("at      close of a number that is not open");
        return;
    }
    fputs("at      ", stdout);
    print_operation(facts);
    printf(": %s, holders %s, unread %" PRId64 ", unsent %" PRId64, state_name(facts->state),
           holders_name(facts->holders), facts->unread, facts->unsent);
    if (facts->linger >= 0)
        printf(", linger %d", facts->linger);
    if (facts->shut != SHUT_NONE)
        printf(", shut %s", shut_name(facts->shut));
    if (facts->backlog > 0)
        printf(", backlog %u", facts->backlog);
    fputs(facts->urgent ? ", urgent byte" : "", stdout);
    fputs(facts->peer_fin ? ", peer has finished" : "", stdout);
    if (repairs_hindrance(facts))
        printf("; %s", repairs_hindrance(facts));
    putchar('\n');
}

static void print_verdict(const struct explanation *explanation)
{
    const struct verdict *verdict = &explanation->verdict;
    bool audit = explanation->options->common.mode == MODE_AUDIT;
    char actions[128], sentence[300], key[64];
    const char *meaning;
    snprintf(key, sizeof key, "%s %s", outcome_name(verdict->outcome), cause_name(verdict->cause));
    meaning = outcome_meaning(key);
    if (verdict->cause == CAUSE_NULL)
        key[strcspn(key, " ")] = '\0';
    snprintf(sentence, sizeof sentence, "%s: %s", key, meaning ? meaning : "");
    print_wrapped(stdout, "kernel  ", 8, sentence);
    actions_name(audit ? explanation->wish : verdict->actions, actions, sizeof actions);
    printf("%s%s", audit ? "would   " : "action  ", actions);
    if (verdict->key != KEY_COUNT) {
        char value[300];
        char *source = source_of(explanation, verdict->key);
        printf(", by %s = %s (", key_name(verdict->key),
               value_name(&explanation->settings, verdict->key, value, sizeof value));
        print_clean(stdout, source ? source : "?");
        putchar(')');
        free(source);
    } else if (explanation->facts.holders == HOLDERS_UNKNOWN) {
        fputs(", because others may hold the socket", stdout);
    }
    putchar('\n');
    if (!audit && explanation->wish != verdict->actions)
        printf("would   %s, if that did not stand in the way\n",
               actions_name(explanation->wish, actions, sizeof actions));
}

static bool same_word(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_actions(const char *words, unsigned actions)
{
    char text[128];
    return same_word(words, actions_name(actions, text, sizeof text));
}

/* Does its action follow from the facts? In audit none does, nor before an exec that may well fail:
 * then `would` stands alone, and nothing in the way. */
static bool action_was_decided(const struct explanation *explanation)
{
    const struct event *event = explanation->event;
    return !event->would || !same_actions(event->action, ACTION_PASS) ||
           repairs_hindrance(&explanation->facts);
}

/* What the event says was decided then, beside what is decided now. */
static void print_comparison(struct explanation *explanation)
{
    const struct event *event = explanation->event;
    const struct verdict *verdict = &explanation->verdict;
    bool decided = action_was_decided(explanation);
    bool outcome = same_word(event->outcome, outcome_name(verdict->outcome)) &&
                   same_word(event->cause, cause_name(verdict->cause));
    bool action = (!decided || same_actions(event->action, verdict->actions)) &&
                  same_actions(event->would ? event->would : event->action, explanation->wish);
    fputs("event   ", stdout);
    print_clean(stdout, event->outcome ? event->outcome : "no outcome");
    if (event->cause) {
        putchar(' ');
        print_clean(stdout, event->cause);
    }
    if (decided) {
        fputs(", action ", stdout);
        print_clean(stdout, event->action ? event->action : "not told");
    }
    if (event->would) {
        fputs(", would ", stdout);
        print_clean(stdout, event->would);
    }
    if (event->rule) {
        fputs(", rule ", stdout);
        print_clean(stdout, event->rule);
    }
    printf(": %s\n", outcome && action ? "the same"
                     : !outcome        ? "the OUTCOME differs"
                                       : "the action differs");
    if (!outcome || !action)
        explanation->different++;
}

static void explain(struct explanation *explanation)
{
    match(explanation);
    if (explanation->explained++ > 0)
        putchar('\n');
    print_subject(explanation);
    print_settings(explanation);
    print_facts(&explanation->facts);
    print_verdict(explanation);
    if (explanation->event)
        print_comparison(explanation);
}

/* --- imagined, or from an event --- */

static void remark_on_what_is_missing(const struct explain_options *options)
{
    if (options->common.quiet || !options->common.policy ||
        (options->program && options->role_given && options->local_given && options->peer_given))
        return;
    say("not given:%s%s%s%s; a rule that asks for it does not match",
        options->program ? "" : " --program", options->role_given ? "" : " --role",
        options->local_given ? "" : " --local", options->peer_given ? "" : " --peer");
}

static int explain_imagined(struct explanation *explanation)
{
    const struct explain_options *options = explanation->options;
    explanation->program = options->program;
    explanation->facts = (struct facts){.holders = HOLDERS_LAST, .linger = -1};
    explain_options_apply(options, &explanation->facts);
    explain_options_complete(options, &explanation->facts);
    remark_on_what_is_missing(options);
    explain(explanation);
    return 0;
}

static bool explain_event(struct explanation *explanation, const struct event *event)
{
    const char *field, *value;
    if (!event_was_decided(event))
        return true;
    if (!event_facts(event, &explanation->facts, &field, &value)) {
        fprintf(stderr, "softclose: --event: the field \"%s\" holds what no event can: '", field);
        print_clean(stderr, value);
        fputs("'\n", stderr);
        return false;
    }
    explanation->event = event;
    explanation->program =
        explanation->options->program ? explanation->options->program : event->exe;
    explain_options_apply(explanation->options, &explanation->facts);
    explain(explanation);
    return true;
}

static int open_events(struct events_reader *reader, const char *given)
{
    if (given[0] == '{')
        return events_open_text(reader, given);
    return events_open(reader, given[0] == '@' ? given + 1 : given, 0);
}

static int finish_events(const struct explanation *explanation)
{
    if (explanation->explained == 0) {
        say("--event: there is no close, shutdown or linger event");
        return STATUS_USAGE;
    }
    if (explanation->explained > 1 && !explanation->options->common.quiet)
        say("%" PRIu64 " events, %" PRIu64 " decided differently", explanation->explained,
            explanation->different);
    return 0;
}

static int explain_events(struct explanation *explanation)
{
    const char *given = explanation->options->event;
    struct events_reader reader;
    struct event event;
    int status = -1, error;
    if (given[0] != '{' && given[0] != '@' && strcmp(given, "-") != 0)
        return usage_error(STATUS_USAGE, "explain", "--event must be '{...}', - or @LOG, not '%s'",
                           given);
    error = open_events(&reader, given);
    if (error) {
        say("--event: cannot read %s: %s", given[0] == '@' ? given + 1 : "it", strerror(error));
        events_close(&reader);
        return STATUS_USAGE;
    }
    while (status < 0) {
        switch (events_next(&reader, &event)) {
        case EVENTS_EVENT:
            status = explain_event(explanation, &event) ? -1 : STATUS_USAGE;
            break;
        case EVENTS_BAD:
        case EVENTS_TRUNCATED:
            say("--event: line %" PRIu64 ": %s; an event is one line of a log (jq -c keeps it so)",
                reader.lines.number, reader.reason);
            status = STATUS_USAGE;
            break;
        case EVENTS_ERROR:
            say("--event: %s", strerror(reader.lines.error));
            status = STATUS_USAGE;
            break;
        default:
            status = finish_events(explanation);
            break;
        }
    }
    events_close(&reader);
    return status;
}

static int run(const struct explain_options *options)
{
    struct explanation explanation = {.options = options,
                                      .color = color_wanted(options->common.color, stdout)};
    int status = STATUS_USAGE;
    if (policy_file_read(&explanation.file, &(struct policy_wanted){
                                                .path = options->common.policy,
                                                .set = options->common.set,
                                                .set_name = "--set",
                                                .mode = options->common.mode,
                                                .prefix = "",
                                            })) {
        if (explanation.file.exposed && !options->common.quiet)
            say_exposed("policy", explanation.file.name);
        status = options->event ? explain_events(&explanation) : explain_imagined(&explanation);
    }
    if (fflush(stdout) != 0) {
        say("cannot write the answer: %s", strerror(errno));
        status = STATUS_USAGE;
    }
    policy_file_free(&explanation.file);
    return status;
}

int cmd_explain(int argc, char **argv)
{
    struct explain_options options;
    int status = explain_options_parse(&options, argc, argv);
    if (status < 0)
        status = run(&options);
    explain_options_free(&options);
    return status;
}
