/* SPDX-License-Identifier: MIT */
/* The SOFTCLOSE* variables (contract section 1). Read once, at the start. */
#ifndef SOFTCLOSE_SHIM_CONFIG_H
#define SOFTCLOSE_SHIM_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/policy.h"

enum { CONFIG_MESSAGE = 1024 };

struct config {
    enum policy_mode mode;
    const char *log; /* the pattern, never NULL */
    bool follow, strict;
    const struct policy *policy;
    const char *policy_path;   /* "built-in" or the file */
    bool policy_exposed;       /* others than its owner and root may write it */
    const char *policy_digest; /* SHA-256 of the file and SOFTCLOSE_SET in hex; NULL = built-in */
};

/* False with one sentence in `message` when a value cannot be used; `strict` is valid even then.
 * mode is MODE_OFF when softclose is not wanted, or the program is privileged (AT_SECURE). */
bool config_read(struct config *config, char message[CONFIG_MESSAGE]);

/* SOFTCLOSE_FOLLOW=0: takes the library out of LD_PRELOAD for what this program starts. */
void config_unfollow(void);

/* Would a program started with this environment be covered? */
bool config_in_environment(char *const *environment);

#endif
