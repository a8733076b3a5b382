/* SPDX-License-Identifier: MIT */
/*
 * The policy: its keys, where each value came from, and decide(), the one place where outcomes
 * and actions are chosen.
 *
 * Pure: no system calls, no globals, no allocation after parsing; every function may be called
 * from any thread and from a signal handler once the policy has been parsed.
 */
#ifndef SOFTCLOSE_POLICY_POLICY_H
#define SOFTCLOSE_POLICY_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include "facts.h"

enum half_close { HALF_CLOSE_ALWAYS, HALF_CLOSE_WHEN_UNREAD, HALF_CLOSE_NEVER };
enum drain_manner { DRAIN_BACKGROUND, DRAIN_BLOCK, DRAIN_INLINE, DRAIN_NONE };
enum on_limit { ON_LIMIT_CLOSE, ON_LIMIT_RESET };
enum linger_zero { LINGER_ZERO_FORBID, LINGER_ZERO_DENY, LINGER_ZERO_LOG, LINGER_ZERO_ALLOW };
enum shutdown_both { SHUTDOWN_BOTH_SOFTEN, SHUTDOWN_BOTH_LOG, SHUTDOWN_BOTH_ALLOW };
enum listener_backlog { BACKLOG_LOG, BACKLOG_DRAIN };
enum log_events { LOG_ALL, LOG_CHANGES, LOG_RESETS, LOG_NONE };

enum policy_mode { MODE_OFF, MODE_AUDIT, MODE_ENFORCE };

/* Every key of the policy file, in the order in which `softclose check` prints them. */
enum policy_key {
    KEY_HALF_CLOSE,
    KEY_DRAIN,
    KEY_DRAIN_IDLE,
    KEY_DRAIN_TOTAL,
    KEY_DRAIN_BYTES,
    KEY_ON_LIMIT,
    KEY_EXIT_WAIT,
    KEY_MAX_DRAINING,
    KEY_ON_SIGNAL,
    KEY_LINGER_ZERO,
    KEY_SHUTDOWN_BOTH,
    KEY_LISTENER_BACKLOG,
    KEY_LOG_EVENTS,
    KEY_LOG_SITES,
    KEY_COUNT
};

/* The effective value of every key for one connection. Durations in ms, sizes in bytes. */
struct settings {
    enum half_close half_close;
    enum drain_manner drain;
    uint32_t drain_idle_ms;
    uint32_t drain_total_ms;
    uint64_t drain_bytes; /* 0 = no limit */
    enum on_limit on_limit;
    uint32_t exit_wait_ms;
    uint32_t max_draining;
    uint64_t on_signal; /* bit N-1 = signal N */
    enum linger_zero linger_zero;
    enum shutdown_both shutdown_both;
    enum listener_backlog backlog;
    enum log_events events;
    uint8_t sites;              /* frames, 0 to 32 */
    uint16_t source[KEY_COUNT]; /* which rule set it: index for policy_source_name() */
};

/* Who a connection is, for the matchers of a rule. Strings are borrowed. */
struct subject {
    const char *program; /* name of the executable, or NULL */
    const char *path;    /* its whole path, or NULL */
    enum role role;
    enum proto proto;
    const struct endpoint *local, *peer; /* NULL = none */
};

/*
 * An address as events write it, and as people do: `10.0.0.1:80`, `[::1]:80`, `::1`,
 * `unix:/path`, `unix:@abstract`, `/path`. Without a port it is port 0. False when it is none.
 */
bool endpoint_parse(const char *text, struct endpoint *out);

struct policy; /* opaque: rules and defaults */

/* One error of a policy text. `line` 0 = the text as a whole. */
typedef void policy_error_fn(void *context, const char *file, int line, const char *message);

/* The built-in policy of the given mode (contract section 3). Static storage, never NULL. */
const struct policy *policy_builtin(enum policy_mode mode);

/* A policy file is no larger: whoever reads one stops there. */
enum { POLICY_LARGEST = 16 << 20 };

/* Bytes of memory that policy_parse() wants for a text of `length` bytes: an upper bound. */
size_t policy_memory_needed(size_t length);

/*
 * Parse `length` bytes of INI `text` over the built-in policy of `mode` into `memory` (aligned for
 * max_align_t, `size` bytes, owned by the caller; the policy lives in it and nothing else is
 * allocated). Every error is reported through `error`, each with its line. Returns the policy, or
 * NULL when there was any error or the memory did not suffice (which is reported too).
 * `file` is only for messages.
 */
const struct policy *policy_parse(void *memory, size_t size, enum policy_mode mode,
                                  const char *file, const char *text, size_t length,
                                  policy_error_fn *error, void *context);

/*
 * SOFTCLOSE_SET and --set: `key=value;key=value` over `base`, keys written `close.drain`. The
 * value wins over every rule of the file. Same memory and error rules as policy_parse(); `base`
 * must outlive the result.
 */
const struct policy *policy_override(void *memory, size_t size, const struct policy *base,
                                     const char *source, const char *assignments,
                                     policy_error_fn *error, void *context);

/* The effective value of every key for one connection: first matching rule that sets it wins. */
void policy_match(const struct policy *policy, const struct subject *subject, struct settings *out);

/* Does any rule look at addresses? If not, a subject without them has the same settings. */
bool policy_asks_addresses(const struct policy *policy);

/* "built-in", "SOFTCLOSE_SET", "[close] line 3" or the rule's name, for settings.source[]. */
const char *policy_source_name(const struct policy *policy, uint16_t source);

/* The line of the policy file on which that source sets `key`; 0 when it is no line of a file. */
int policy_source_line(const struct policy *policy, uint16_t source, enum policy_key key);

/* Is it a [rule] of the file? */
bool policy_source_is_rule(uint16_t source);

/*
 * Prints the policy in effect, one line (without newline) per call: a valid policy file that means
 * the same, in which a comment after each value says where it came from; built-in values are
 * comments themselves. What an override replaces is left out. Not for signal handlers.
 */
typedef void policy_line_fn(void *context, const char *line);
void policy_print(const struct policy *policy, policy_line_fn *print, void *context);

enum outcome {
    OUTCOME_RELEASED,
    OUTCOME_NONE,
    OUTCOME_FIN,
    OUTCOME_EXPOSED,
    OUTCOME_RESET,
    OUTCOME_INVALID,
    OUTCOME_COUNT
};

enum cause {
    CAUSE_NULL, /* printed as JSON null */
    CAUSE_UNCONNECTED,
    CAUSE_CONNECTING,
    CAUSE_ALREADY_RESET,
    CAUSE_FINISHED,
    CAUSE_DATAGRAM,
    CAUSE_PEER_OPEN,
    CAUSE_UNREAD,
    CAUSE_LINGER_ZERO,
    CAUSE_BACKLOG,
    CAUSE_LINGER2,
    CAUSE_SHUTDOWN_BOTH,
    CAUSE_DISCONNECT,
    CAUSE_BAD_FD,
    CAUSE_COUNT
};

/* Bits: several actions can apply to one operation. ACTION_PASS is the empty set. */
enum action {
    ACTION_PASS = 0,
    ACTION_DRAIN_BACKGROUND = 1 << 0,
    ACTION_DRAIN_BLOCK = 1 << 1,
    ACTION_DRAIN_INLINE = 1 << 2,
    ACTION_HALF_CLOSE = 1 << 3, /* FIN first; implied by a drain, so named only when alone */
    ACTION_LINGER_OFF = 1 << 4,
    ACTION_DENIED = 1 << 5,
    ACTION_SOFTENED = 1 << 6,
    ACTION_BACKLOG_DRAINED = 1 << 7,
};

struct verdict {
    enum outcome outcome;
    enum cause cause;
    unsigned actions;    /* what enforce does: enum action, or'ed */
    enum policy_key key; /* the key that decided on the actions; KEY_COUNT = none */
};

/*
 * The one decision. Given the facts, what does the kernel do if nothing is changed (outcome,
 * cause; kernel functions __tcp_close, tcp_disconnect, unix_release_sock, __mptcp_close), and what
 * do these settings do instead (actions)? Never any action unless facts->holders is HOLDERS_LAST,
 * except for OP_LINGER, where nothing is done but what the program asked for is left undone.
 */
struct verdict decide(const struct settings *settings, const struct facts *facts);

/* The actions that decide() would choose if nothing stood in their way (unflushed, no_thread,
 * epoll_uncertain, ended): what the policy asks for. */
unsigned decide_wish(const struct settings *settings, const struct facts *facts);

/* What the last close after a drain is to be, given how that ended and the bytes (and our FIN) that
 * are not acknowledged by then: close.on_limit, but a reset never cuts off what the program wrote,
 * nor follows from anything but a limit. */
enum on_limit decide_limit(enum on_limit wanted, enum drain_result result, int64_t unsent);

/* For how many seconds a repaired close waits until all that was written is acknowledged, as
 * SO_LINGER {on, N} promises: the last close will not be the program's. 0: not at all. */
int32_t decide_promise(const struct facts *facts);

#endif
