/* SPDX-License-Identifier: MIT */
#include "policy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "talk.h"

struct complaints {
    const char *prefix;
    unsigned count;
};

/* A file of junk has millions of errors, and stderr writes every character by itself. */
static void begin_complaints(void)
{
    static char buffer[1 << 16];
    setvbuf(stderr, buffer, _IOFBF, sizeof buffer);
}

static void end_complaints(void)
{
    fflush(stderr);
    setvbuf(stderr, NULL, _IONBF, 0);
}

/* "file:line: message", as compilers write it, so that editors find the place. */
static void complain(void *context, const char *file, int line, const char *message)
{
    struct complaints *complaints = context;
    complaints->count++;
    fputs(complaints->prefix, stderr);
    print_clean(stderr, file);
    if (line > 0)
        fprintf(stderr, ":%d", line);
    fputs(": ", stderr);
    print_clean(stderr, message);
    fputc('\n', stderr);
}

bool writable_by_others(const struct stat *status)
{
    return (status->st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

void say_exposed(const char *what, const char *path)
{
    fprintf(stderr, "softclose: warning: the %s ", what);
    print_clean(stderr, path);
    fputs(" can be written by others than its owner and root (chmod go-w)\n", stderr);
}

bool policy_set_add(char **set, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    char *joined = NULL;
    if (!equals || equals == assignment || strchr(assignment, ';'))
        return false;
    if (asprintf(&joined, "%s%s%s", *set ? *set : "", *set ? ";" : "", assignment) < 0) {
        say("out of memory");
        exit(STATUS_FAILED);
    }
    free(*set);
    *set = joined;
    return true;
}

/* All of it, or NULL and errno: EFBIG beyond POLICY_LARGEST, also for what never ends. */
static char *read_all(int fd, size_t *length)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t got = 1;
    *length = 0;
    while (got > 0) {
        if (*length == room) {
            room = room ? 2 * room : 1 << 16;
            char *grown = realloc(text, room);
            if (!grown)
                break;
            text = grown;
        }
        got = read(fd, text + *length, room - *length);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            *length += (size_t)got;
        if (*length > POLICY_LARGEST) {
            errno = EFBIG;
            got = -1;
        }
    }
    if (got == 0)
        return text;
    int error = got > 0 ? ENOMEM : errno;
    free(text);
    errno = error;
    return NULL;
}

/* The text, or NULL after saying why not. */
static char *read_file(struct policy_file *file, const struct policy_wanted *wanted, size_t *length)
{
    struct complaints complaints = {.prefix = wanted->prefix};
    bool standard = strcmp(wanted->path, "-") == 0 && !wanted->only_regular;
    int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | (wanted->only_regular ? O_NONBLOCK : 0);
    int fd = standard ? STDIN_FILENO : open(wanted->path, flags);
    struct stat status = {0};
    const char *why = NULL;
    char *text = NULL, message[300];
    file->name = standard ? "standard input" : wanted->path;
    if (fd < 0 || fstat(fd, &status) != 0)
        why = strerror(errno);
    else if (S_ISDIR(status.st_mode))
        why = "it is a directory";
    else if (wanted->only_regular && !S_ISREG(status.st_mode))
        why = "it is no regular file, and every program started has to read it again";
    if (!why) {
        file->exposed = S_ISREG(status.st_mode) && writable_by_others(&status);
        text = read_all(fd, length);
        if (!text)
            why = errno == EFBIG ? "it is larger than 16 MiB" : strerror(errno);
    }
    if (why) {
        snprintf(message, sizeof message, "cannot read the policy: %s", why);
        complain(&complaints, file->name, 0, message);
    }
    if (fd >= 0 && !standard)
        close(fd);
    return text;
}

bool policy_file_read(struct policy_file *file, const struct policy_wanted *wanted)
{
    struct complaints complaints = {.prefix = wanted->prefix};
    enum policy_mode mode = wanted->mode;
    size_t length = 0;
    *file = (struct policy_file){.policy = policy_builtin(mode)};
    begin_complaints();
    if (wanted->path) {
        char *text = read_file(file, wanted, &length);
        size_t size = policy_memory_needed(length);
        file->parsed = text ? malloc(size) : NULL;
        file->policy = text ? policy_parse(file->parsed, size, mode, file->name, text, length,
                                           complain, &complaints)
                            : NULL;
        free(text);
    }
    if (wanted->set) {
        /* When the file is wrong, over the built-in policy: the errors of both are named. */
        const struct policy *base = file->policy ? file->policy : policy_builtin(mode);
        size_t size = policy_memory_needed(strlen(wanted->set));
        file->changed = malloc(size);
        const struct policy *changed = policy_override(file->changed, size, base, wanted->set_name,
                                                       wanted->set, complain, &complaints);
        file->policy = file->policy ? changed : NULL;
    }
    end_complaints();
    return file->policy != NULL;
}

void policy_file_free(struct policy_file *file)
{
    free(file->changed);
    free(file->parsed);
    file->changed = file->parsed = NULL;
    file->policy = NULL;
}
