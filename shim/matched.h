/* SPDX-License-Identifier: MIT */
/*
 * What the rules of the policy say of a connection, found out once and kept with it.
 *
 * The table of sockets keeps of that a mark of who the connection was (role, protocol, addresses)
 * and the number of its settings; most connections share a few. A connect(), an accept() or a
 * bind() by whatever road changes the mark, and the rules are matched anew. Async-signal-safe, no
 * locks.
 */
#ifndef SOFTCLOSE_SHIM_MATCHED_H
#define SOFTCLOSE_SHIM_MATCHED_H

#include "policy/policy.h"
#include "shim/sockets.h"

/* How many different settings are kept; connections with others are matched at each operation. */
enum { MATCHED_MOST = 1024 };

/* The settings of the socket whose subject this is; policy and program are the same in every call.
 * A subject without addresses (policy_asks_addresses()) has those of its role and protocol, and the
 * socket is not touched. */
void matched_settings(const struct policy *policy, const struct subject *subject,
                      struct socket *socket, struct settings *out);

#endif
