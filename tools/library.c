/* SPDX-License-Identifier: MIT */
#include "library.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "talk.h"

static const char *const places[] = {
    SOFTCLOSE_LIBRARY_FROM_BIN, "../shim/libsoftclose.so", /* in a build folder */
};

enum { PLACES = sizeof places / sizeof *places };

/* The folder of this program, with a slash at the end. */
static int own_folder(char folder[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    if (length <= 0)
        return -1;
    folder[length] = '\0';
    char *slash = strrchr(folder, '/');
    if (!slash)
        return -1;
    slash[1] = '\0';
    return 0;
}

char *library_find(void)
{
    char folder[PATH_MAX];
    char path[PATH_MAX + 256];
    if (own_folder(folder) < 0) {
        say("cannot find libsoftclose.so: /proc/self/exe cannot be read");
        return NULL;
    }
    for (int i = 0; i < PLACES; i++) {
        snprintf(path, sizeof path, "%s%s", folder, places[i]);
        if (access(path, R_OK) != 0)
            continue;
        char *library = realpath(path, NULL);
        if (library && strpbrk(library, ": \t\n")) {
            say("cannot preload %s: LD_PRELOAD allows no colon or space in a path; install "
                "softclose elsewhere",
                library);
            free(library);
            return NULL;
        }
        return library;
    }
    say("cannot find libsoftclose.so; looked for:");
    for (int i = 0; i < PLACES; i++)
        fprintf(stderr, "  %s%s\n", folder, places[i]);
    return NULL;
}

int library_preload(const char *library)
{
    const char *own = getenv("LD_PRELOAD");
    char *list = NULL;
    if (!own || !*own)
        return setenv("LD_PRELOAD", library, 1) == 0;
    if (asprintf(&list, "%s:%s", library, own) < 0)
        return 0;
    int done = setenv("LD_PRELOAD", list, 1) == 0;
    free(list);
    return done;
}
