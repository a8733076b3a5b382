/* SPDX-License-Identifier: MIT */
#include "shim/config.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "shim/line.h"
#include "shim/raw.h"

static char default_log[PATH_MAX];
static char digest[SHA256_DIGEST_STRING_LENGTH];

struct complaint {
    struct line line;
    unsigned count;
};

static void complain(struct line *line, const char *before, const char *what, const char *after)
{
    line_text(line, before);
    line_text(line, what);
    line_text(line, after);
    line_terminate(line);
}

/* The first error is the sentence; the others are counted. */
static void policy_error(void *context, const char *file, int number, const char *message)
{
    struct complaint *complaint = context;

    if (complaint->count++ > 0)
        return;
    line_text(&complaint->line, file);
    line_text(&complaint->line, ":");
    if (number > 0) {
        line_number(&complaint->line, number);
        line_text(&complaint->line, ":");
    }
    line_text(&complaint->line, " ");
    line_text(&complaint->line, message);
    line_terminate(&complaint->line);
}

static void count_errors(struct complaint *complaint)
{
    if (complaint->count > 1) {
        line_text(&complaint->line, " (and ");
        line_number(&complaint->line, complaint->count - 1);
        line_text(&complaint->line, " more)");
        line_terminate(&complaint->line);
    }
}

static void *reserve(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* The whole file in anonymous memory (a mapping of the file itself could be cut short under us). */
static long read_file(const char *path, char **text, bool *exposed)
{
    struct stat status;
    long fd = raw_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), result;

    if (fd < 0)
        return fd;
    result = raw_call(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH);
    if (result == 0 && S_ISDIR(status.st_mode))
        result = -EISDIR;
    else if (result == 0 && !S_ISREG(status.st_mode))
        result = -EINVAL;
    else if (result == 0 && status.st_size > POLICY_LARGEST)
        result = -EFBIG;
    *exposed = result == 0 && (status.st_mode & (S_IWGRP | S_IWOTH)) != 0;
    *text = result == 0 ? reserve((size_t)status.st_size + 1) : NULL;
    if (result == 0 && *text == NULL)
        result = -ENOMEM;
    for (long length = 0; result == 0 && length < status.st_size;) {
        long got = raw_call(SYS_read, fd, *text + length, status.st_size - length);
        if (got <= 0) {
            result = got < 0 ? got : length > 0 ? length : -EIO;
            break;
        }
        length += got;
        if (length == status.st_size)
            result = length;
    }
    raw_call(SYS_close, fd);
    return result;
}

static bool read_policy(struct config *config, const char *path, struct complaint *complaint)
{
    char *text = NULL;
    long length = read_file(path, &text, &config->policy_exposed);

    if (length < 0) {
        line_text(&complaint->line, "cannot read the policy '");
        complain(&complaint->line, path, "': ",
                 length == -EFBIG    ? "larger than 16 MiB"
                 : length == -EINVAL ? "it is no regular file"
                                     : strerrordesc_np((int)-length));
        return false;
    }
    size_t bytes = policy_memory_needed((size_t)length);
    void *memory = reserve(bytes);
    if (memory == NULL) {
        complain(&complaint->line, "no memory for the policy '", path, "'");
        return false;
    }
    config->policy = policy_parse(memory, bytes, config->mode, path, text, (size_t)length,
                                  policy_error, complaint);
    config->policy_path = path;
    config->policy_digest = SHA256Data((const uint8_t *)text, (size_t)length, digest);
    count_errors(complaint);
    return config->policy != NULL;
}

static bool apply_set(struct config *config, const char *assignments, struct complaint *complaint)
{
    size_t bytes = policy_memory_needed(strlen(assignments));
    void *memory = reserve(bytes);
    SHA2_CTX context;

    if (memory == NULL) {
        complain(&complaint->line, "no memory for ", "SOFTCLOSE_SET", "");
        return false;
    }
    config->policy = policy_override(memory, bytes, config->policy, "SOFTCLOSE_SET", assignments,
                                     policy_error, complaint);
    count_errors(complaint);
    SHA256Init(&context);
    if (config->policy_digest != NULL)
        SHA256Update(&context, (const uint8_t *)digest, strlen(digest));
    SHA256Update(&context, (const uint8_t *)assignments, strlen(assignments));
    config->policy_digest = SHA256End(&context, digest);
    return config->policy != NULL;
}

/* "1", "0" or unset. */
static bool read_switch(const char *name, bool otherwise, bool *value, struct line *line)
{
    const char *text = getenv(name);

    *value = otherwise;
    if (text == NULL || text[0] == '\0')
        return true;
    if ((text[0] == '0' || text[0] == '1') && text[1] == '\0') {
        *value = text[0] == '1';
        return true;
    }
    line_text(line, name);
    complain(line, "='", text, "' is not known; allowed: 0, 1");
    return false;
}

static bool read_mode(struct config *config, struct line *line)
{
    const char *text = getenv("SOFTCLOSE");

    config->mode = MODE_OFF;
    if (text == NULL || text[0] == '\0' || strcmp(text, "off") == 0)
        return true;
    if (strcmp(text, "audit") == 0) {
        config->mode = MODE_AUDIT;
        return true;
    }
    if (strcmp(text, "enforce") == 0) {
        config->mode = MODE_ENFORCE;
        return true;
    }
    complain(line, "SOFTCLOSE='", text, "' is not known; allowed: off, audit, enforce");
    return false;
}

static const char *log_pattern(void)
{
    const char *given = getenv("SOFTCLOSE_LOG");
    const char *directory = getenv("TMPDIR");
    struct line line = {.text = default_log, .size = sizeof default_log};

    if (given != NULL && given[0] != '\0')
        return given;
    line_text(&line, directory != NULL && directory[0] == '/' ? directory : "/tmp");
    line_text(&line, "/softclose.%e.%p.jsonl");
    line_terminate(&line);
    return default_log;
}

/* The name under which this library was loaded, as it stands in LD_PRELOAD. Asked once: dladdr()
 * takes a lock of the loader's. */
static char own_path[PATH_MAX] = "libsoftclose.so";

static void find_own_path(void)
{
    Dl_info info;
    struct line line = {.text = own_path, .size = sizeof own_path};

    if (dladdr((void *)config_unfollow, &info) == 0 || info.dli_fname == NULL)
        return;
    line_text(&line, info.dli_fname);
    line_terminate(&line);
}

bool config_read(struct config *config, char message[CONFIG_MESSAGE])
{
    struct complaint complaint = {.line = {.text = message, .size = CONFIG_MESSAGE}};
    const char *path, *set;

    *config = (struct config){.policy_path = "built-in"};
    if (getauxval(AT_SECURE) != 0)
        return true; /* setuid, setgid, capabilities: nobody else's variables */
    if (!read_switch("SOFTCLOSE_STRICT", false, &config->strict, &complaint.line) ||
        !read_mode(config, &complaint.line))
        return false;
    if (config->mode == MODE_OFF)
        return true;
    find_own_path();
    if (!read_switch("SOFTCLOSE_FOLLOW", true, &config->follow, &complaint.line))
        return false;
    config->log = log_pattern();
    config->policy = policy_builtin(config->mode);
    path = getenv("SOFTCLOSE_POLICY");
    if (path != NULL && path[0] != '\0' && !read_policy(config, path, &complaint))
        return false;
    set = getenv("SOFTCLOSE_SET");
    return set == NULL || set[0] == '\0' || apply_set(config, set, &complaint);
}

static bool is_own_name(const char *name, size_t length)
{
    const char *slash = strrchr(own_path, '/');
    const char *base = slash == NULL ? own_path : slash + 1;
    size_t base_length = strlen(base);

    if (length == strlen(own_path) && memcmp(name, own_path, length) == 0)
        return true;
    return length >= base_length && memcmp(name + length - base_length, base, base_length) == 0 &&
           (length == base_length || name[length - base_length - 1] == '/');
}

/* The first name in a list separated by spaces or colons (ld.so(8)) that is this library, or NULL.
 */
static char *find_own(char *list, size_t *length)
{
    while (*list != '\0') {
        size_t name = strcspn(list, " :");
        if (is_own_name(list, name)) {
            *length = name;
            return list;
        }
        list += name;
        list += strspn(list, " :");
    }
    return NULL;
}

void config_unfollow(void)
{
    /* In place, within the string that the kernel laid out: no allocation, and other names in the
     * list stay. */
    char *list = getenv("LD_PRELOAD");
    size_t length;
    char *own;

    while (list != NULL && (own = find_own(list, &length)) != NULL) {
        size_t skip = length + strspn(own + length, " :");
        memmove(own, own + skip, strlen(own + skip) + 1);
    }
}

bool config_in_environment(char *const *environment)
{
    bool preload = false, mode = false;
    size_t length;

    /* The program's pointers: a bad one is for the kernel to refuse. */
    for (; environment != NULL && raw_readable(environment, sizeof *environment) &&
           *environment != NULL;
         environment++) {
        if (!raw_readable(*environment, 1))
            return false;
        if (strncmp(*environment, "LD_PRELOAD=", 11) == 0)
            preload = find_own(*environment + 11, &length) != NULL;
        else if (strncmp(*environment, "SOFTCLOSE=", 10) == 0)
            mode = true;
    }
    return preload && mode;
}
