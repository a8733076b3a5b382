/* SPDX-License-Identifier: MIT */
/*
 * The words that stand in events, policy files and reports for the enumerators of facts.h and
 * policy.h (contract sections 3 and 4). NAME_of(value) never returns NULL; NAME_from(word) returns
 * -1 for a word it does not know.
 */
#ifndef SOFTCLOSE_POLICY_NAMES_H
#define SOFTCLOSE_POLICY_NAMES_H

#include <stddef.h>

#include "policy.h"

const char *proto_name(enum proto proto);       /* tcp mptcp unix other */
const char *type_name(enum sock_type type);     /* stream seqpacket datagram */
const char *role_name(enum role role);          /* any accepted connected inherited */
const char *state_name(enum tcp_state state);   /* ESTABLISHED SYN_SENT ... UNKNOWN */
const char *holders_name(enum holders holders); /* last shared unknown */
const char *shut_name(enum shut shut);          /* none rd wr both */
const char *outcome_name(enum outcome outcome);
const char *cause_name(enum cause cause);                /* "" for CAUSE_NULL */
const char *drain_result_name(enum drain_result result); /* eof idle ... under-way */
const char *key_name(enum policy_key key);               /* close.drain_idle */

/* The value of one key as a policy file writes it: "5s", "1MiB", "background", "TERM, INT". */
const char *value_name(const struct settings *settings, enum policy_key key, char *buffer,
                       size_t size);

/* "drain-background+linger-off", "pass" for none; cut to `size` bytes, always terminated. */
const char *actions_name(unsigned actions, char *buffer, size_t size);

int proto_from(const char *word);
int type_from(const char *word);
int role_from(const char *word);
int state_from(const char *word);
int holders_from(const char *word);
int shut_from(const char *word);
int outcome_from(const char *word);
int cause_from(const char *word);
int drain_result_from(const char *word);
int actions_from(const char *words); /* -1 when any word is unknown */

#endif
