/* SPDX-License-Identifier: MIT */
/* Reading a policy file and the keys set over it, for every command that takes --policy. */
#ifndef SOFTCLOSE_TOOLS_POLICY_FILE_H
#define SOFTCLOSE_TOOLS_POLICY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "policy/policy.h"

struct policy_file {
    const struct policy *policy; /* NULL after errors */
    const char *name;            /* of the file for messages, NULL = built-in */
    bool exposed;                /* others than its owner and root may write it */
    void *parsed, *changed;
};

/* What to read, and how to talk of it. */
struct policy_wanted {
    const char *path; /* NULL = built-in, "-" = standard input */
    const char *set;  /* KEY=VALUE;... over it, or NULL */
    const char *set_name;
    enum policy_mode mode;
    const char *prefix; /* of messages */
    bool only_regular;  /* no pipe: the preloaded library will have to read it again */
};

/* Says every error on stderr, each as "file:line: message", and then returns false. */
bool policy_file_read(struct policy_file *file, const struct policy_wanted *wanted);
void policy_file_free(struct policy_file *file);

/* May others than the owner and root write it? */
bool writable_by_others(const struct stat *status);

/* The warning for that, on stderr. `what` is "policy" or "log". */
void say_exposed(const char *what, const char *path);

/* One more `KEY=VALUE` behind the `;`-separated ones in *set; false without saying anything when it
 * is no such thing. Ends the program when there is no memory. */
bool policy_set_add(char **set, const char *assignment);

#endif
