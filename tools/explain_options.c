/* SPDX-License-Identifier: MIT */
#include "explain_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "policy/names.h"

static const char help[] =
    "Usage: softclose explain [OPTION]...\n"
    "Shows what a policy means for one connection: the value of each key and the line it comes\n"
    "from, what the kernel does when that connection is closed, and what enforce does instead.\n"
    "\n"
    "  --policy=FILE    the policy file (default: the built-in policy; - is standard input)\n"
    "  --set=KEY=VALUE  one key over the policy; repeatable\n"
    "  --audit, --enforce  built-in values of that mode (default enforce)\n"
    "\n"
    "The connection:\n"
    "  --program=NAME   name of the executable, or its path\n"
    "  --role=ROLE      accepted, connected, inherited, any\n"
    "  --proto=PROTO    tcp (default), mptcp, unix\n"
    "  --local=ADDRESS  10.0.0.1:80, [::1]:80, /run/x.sock\n"
    "  --peer=ADDRESS   likewise\n"
    "  --event=EVENT    take it all from an event: '{...}', - (standard input) or @LOG;\n"
    "                   then also compare the decision with what the event says\n"
    "\n"
    "Its state, where it is not as usual (established, nothing unread, last holder):\n"
    "  --unread=BYTES   received and not read      --urgent   an unread urgent byte\n"
    "  --unsent=BYTES   not yet acknowledged       --peer-fin the peer has finished sending\n"
    "  --linger=SECONDS SO_LINGER; off (default)   --shut=HALVES none, rd, wr, both\n"
    "  --holders=WHO    last, shared, unknown      --backlog=N   a listener with N waiting\n"
    "  --state=STATE    ESTABLISHED, CLOSE_WAIT... --type=TYPE   stream, seqpacket, datagram\n"
    "  --operation=WHAT close (default), exit, exec, shutdown-rd, shutdown-wr, shutdown-both,\n"
    "                   linger (setting SO_LINGER {on, 0}), disconnect\n"
    "\n"
    "  --color=WHEN     auto (default), always, never\n"
    "  -q, --quiet      no remarks\n"
    "  --help           this text\n"
    "  --version        the version\n"
    "\n"
    "Exit status: 0, or 2 for bad usage, a bad policy or an event that cannot be read.\n";

enum { OPTION_PROGRAM = OPTION_OWN, OPTION_EVENT, OPTION_FACT };

static const struct option options_known[] = {
    {"program", required_argument, NULL, OPTION_PROGRAM},
    {"event", required_argument, NULL, OPTION_EVENT},
    {"role", required_argument, NULL, OPTION_FACT},
    {"proto", required_argument, NULL, OPTION_FACT},
    {"local", required_argument, NULL, OPTION_FACT},
    {"peer", required_argument, NULL, OPTION_FACT},
    {"unread", required_argument, NULL, OPTION_FACT},
    {"unsent", required_argument, NULL, OPTION_FACT},
    {"linger", required_argument, NULL, OPTION_FACT},
    {"shut", required_argument, NULL, OPTION_FACT},
    {"holders", required_argument, NULL, OPTION_FACT},
    {"backlog", required_argument, NULL, OPTION_FACT},
    {"state", required_argument, NULL, OPTION_FACT},
    {"type", required_argument, NULL, OPTION_FACT},
    {"operation", required_argument, NULL, OPTION_FACT},
    {"peer-fin", no_argument, NULL, OPTION_FACT},
    {"urgent", no_argument, NULL, OPTION_FACT},
    POLICY_OPTIONS,
    COMMON_OPTIONS,
    {0},
};

/* --- one fact --- */

static bool read_number(const char *text, int64_t high, int64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoll(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno && *number <= high;
}

struct operation_word {
    const char *word;
    enum operation op;
    enum shut how;
    bool at_exit, awaited;
};

static const struct operation_word operations[] = {
    {"close", OP_CLOSE, SHUT_NONE, false, false},
    {"exit", OP_CLOSE, SHUT_NONE, true, true},
    {"exec", OP_CLOSE, SHUT_NONE, false, true},
    {"shutdown-rd", OP_SHUTDOWN, SHUT_READ, false, false},
    {"shutdown-wr", OP_SHUTDOWN, SHUT_WRITE, false, false},
    {"shutdown-both", OP_SHUTDOWN, SHUT_BOTH, false, false},
    {"linger", OP_LINGER, SHUT_NONE, false, false},
    {"disconnect", OP_DISCONNECT, SHUT_NONE, false, false},
};

static bool set_operation(const char *value, struct facts *facts)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (strcmp(operations[i].word, value) != 0)
            continue;
        facts->op = operations[i].op;
        facts->how = operations[i].how;
        facts->at_exit = operations[i].at_exit;
        facts->awaited = operations[i].awaited;
        if (facts->op == OP_LINGER)
            facts->linger = 0;
        return true;
    }
    return false;
}

/* NULL, or what is allowed. */
static const char *set_word(const char *name, const char *value, struct facts *facts)
{
    int found;
    if (strcmp(name, "role") == 0) {
        facts->role = (enum role)(found = role_from(value));
        return found < 0 ? "accepted, connected, inherited, any" : NULL;
    }
    if (strcmp(name, "proto") == 0) {
        facts->proto = (enum proto)(found = proto_from(value));
        return found < 0 ? "tcp, mptcp, unix" : NULL;
    }
    if (strcmp(name, "shut") == 0) {
        facts->shut = (enum shut)(found = shut_from(value));
        return found < 0 ? "none, rd, wr, both" : NULL;
    }
    if (strcmp(name, "holders") == 0) {
        facts->holders = (enum holders)(found = holders_from(value));
        return found < 0 ? "last, shared, unknown" : NULL;
    }
    if (strcmp(name, "state") == 0) {
        facts->state = (enum tcp_state)(found = state_from(value));
        return found < 0 ? "ESTABLISHED, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, "
                           "CLOSE, CLOSE_WAIT, LAST_ACK, LISTEN, CLOSING, UNKNOWN"
                         : NULL;
    }
    facts->type = (enum sock_type)(found = type_from(value));
    return found < 0 ? "stream, seqpacket, datagram" : NULL;
}

static const char *set_number(const char *name, const char *value, struct facts *facts)
{
    int64_t number = -1;
    bool off = strcmp(name, "linger") == 0 && strcmp(value, "off") == 0;
    if (!off && !read_number(value, INT32_MAX, &number))
        return strcmp(name, "linger") == 0 ? "a number of seconds, or off" : "a whole number";
    if (strcmp(name, "linger") == 0)
        facts->linger = (int32_t)number;
    else if (strcmp(name, "unread") == 0)
        facts->unread = number;
    else if (strcmp(name, "unsent") == 0)
        facts->unsent = number;
    else
        facts->backlog = (uint32_t)number;
    return NULL;
}

/* NULL, or what is allowed. */
static const char *set_fact(const char *name, const char *value, struct facts *facts)
{
    if (strcmp(name, "peer-fin") == 0) {
        facts->peer_fin = true;
        return NULL;
    }
    if (strcmp(name, "urgent") == 0) {
        facts->urgent = true;
        return NULL;
    }
    if (strcmp(name, "local") == 0 || strcmp(name, "peer") == 0) {
        struct endpoint *endpoint = *name == 'l' ? &facts->local : &facts->peer;
        return endpoint_parse(value, endpoint)
                   ? NULL
                   : "an address such as 10.0.0.1:80, [::1]:80 or /run/x.sock";
    }
    if (strcmp(name, "operation") == 0)
        return set_operation(value, facts) ? NULL
                                           : "close, exit, exec, shutdown-rd, "
                                             "shutdown-wr, shutdown-both, linger, "
                                             "disconnect";
    if (strcmp(name, "linger") == 0 || strcmp(name, "unread") == 0 || strcmp(name, "unsent") == 0 ||
        strcmp(name, "backlog") == 0)
        return set_number(name, value, facts);
    return set_word(name, value, facts);
}

/* --- the command line --- */

static int add_fact(struct explain_options *options, const char *name, char *value)
{
    struct facts tried = {0};
    const char *allowed = set_fact(name, value, &tried);
    char **facts;
    if (allowed)
        return usage_error(STATUS_USAGE, "explain", "--%s must be %s, not '%s'", name, allowed,
                           value);
    facts = realloc(options->facts, ((size_t)options->fact_count + 1) * 2 * sizeof *facts);
    if (!facts) {
        say("out of memory");
        return STATUS_USAGE;
    }
    options->facts = facts;
    facts[2 * options->fact_count] = (char *)name;
    facts[2 * options->fact_count++ + 1] = value;
    options->role_given |= strcmp(name, "role") == 0;
    options->proto_given |= strcmp(name, "proto") == 0;
    options->local_given |= strcmp(name, "local") == 0;
    options->peer_given |= strcmp(name, "peer") == 0;
    options->state_given |= strcmp(name, "state") == 0;
    return -1;
}

/* Returns an exit status, or -1 to go on. */
static int take_option(int option, int index, struct explain_options *options)
{
    switch (option) {
    case OPTION_PROGRAM:
        options->program = optarg;
        return -1;
    case OPTION_EVENT:
        options->event = optarg;
        return -1;
    case OPTION_FACT:
        return add_fact(options, options_known[index].name, optarg);
    default:
        return common_options_take(&options->common, option);
    }
}

int explain_options_parse(struct explain_options *options, int argc, char **argv)
{
    int option, index = 0;
    *options = (struct explain_options){
        .common = {
            .command = "explain", .help = help, .bad_usage = STATUS_USAGE, .mode = MODE_ENFORCE}};
    argv[0] = (char *)"softclose explain"; /* how getopt signs its messages */
    while ((option = getopt_long(argc, argv, "q", options_known, &index)) != -1) {
        int status = take_option(option, index, options);
        if (status >= 0)
            return status;
    }
    if (optind < argc)
        return usage_error(STATUS_USAGE, "explain",
                           "every argument is an option, such as --program=%s", argv[optind]);
    return -1;
}

void explain_options_free(struct explain_options *options)
{
    common_options_free(&options->common);
    free(options->facts);
    options->facts = NULL;
}

void explain_options_apply(const struct explain_options *options, struct facts *facts)
{
    for (int i = 0; i < options->fact_count; i++)
        set_fact(options->facts[2 * i], options->facts[2 * i + 1], facts);
}

void explain_options_complete(const struct explain_options *options, struct facts *facts)
{
    bool finished = (facts->shut & SHUT_WRITE) != 0;
    if (!options->proto_given && (facts->local.address.any.sa_family == AF_UNIX ||
                                  facts->peer.address.any.sa_family == AF_UNIX))
        facts->proto = PROTO_UNIX;
    if (!options->state_given) {
        if (facts->backlog > 0)
            facts->state = STATE_LISTEN;
        else if (facts->peer_fin)
            facts->state = finished ? STATE_LAST_ACK : STATE_CLOSE_WAIT;
        else if (finished)
            facts->state = facts->unsent > 0 ? STATE_FIN_WAIT1 : STATE_FIN_WAIT2;
        else
            facts->state = STATE_ESTABLISHED;
    }
    facts->peer_fin = facts->peer_fin || facts->state == STATE_CLOSE_WAIT ||
                      facts->state == STATE_LAST_ACK || facts->state == STATE_CLOSING ||
                      facts->state == STATE_TIME_WAIT;
    facts->was_connected = facts->state != STATE_LISTEN && facts->state != STATE_SYN_SENT &&
                           facts->state != STATE_CLOSE;
}
