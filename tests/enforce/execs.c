/* SPDX-License-Identifier: MIT */
/*
 * execs WAY ADDRESS FOLDER: accepts one connection that an exec would close, and tries an exec in
 * that way when the request has arrived, which it has not read. Where the exec fails: prints the
 * error's name, reads the request, answers, closes. FOLDER holds the files that the driver has
 * made. A successful exec runs `true` or a script that does nothing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER = 200000, REQUEST = 4096, LONGEST = 131072 };

extern char **environ;
static char *plain[] = {(char[]){"program"}, NULL};
static char *empty[] = {NULL};
static char *volatile nowhere = (char *)8; /* volatile: the compiler would complain */

static char *long_string(size_t length)
{
    char *text = malloc(length + 1);
    memset(text, 'a', length);
    text[length] = '\0';
    return text;
}

static char **many(size_t count, char *text)
{
    char **list = calloc(count + 1, sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = text;
    return list;
}

static void long_argument(const char *file)
{
    char *arguments[] = {plain[0], long_string(LONGEST), NULL};
    execv(file, arguments);
}

static void longest_argument(const char *file)
{
    char *arguments[] = {plain[0], long_string(LONGEST - 1), NULL};
    execv(file, arguments);
}

static void many_arguments(const char *file)
{
    execv(file, many(70, long_string(100000)));
}

static void long_environment(const char *file)
{
    execve(file, plain, many(70, long_string(100000)));
}

static void small_stack(const char *file)
{
    struct rlimit limit = {1 << 20, 1 << 20}; /* a quarter may be arguments */
    setrlimit(RLIMIT_STACK, &limit);
    execv(file, many(3, long_string(100000)));
}

static void bad_argument(const char *file)
{
    char *arguments[] = {plain[0], nowhere, NULL};
    execv(file, arguments);
}

static void bad_list(const char *file)
{
    execv(file, (char **)nowhere);
}

static void bad_environment(const char *file)
{
    execve(file, plain, (char **)nowhere);
}

static void being_written(const char *file)
{
    int fd = open(file, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd >= 0)
        execv(file, plain);
}

static void interpreter_written(const char *file)
{
    int fd = open("interpreter", O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd >= 0)
        execv(file, plain);
}

static void by_path(const char *file)
{
    execv(file, plain);
}

static void by_search(const char *file)
{
    setenv("PATH", "/nowhere:.", 1);
    execvp(file, plain);
}

static void by_descriptor(const char *file)
{
    fexecve(open(file, O_RDONLY), plain, environ);
}

static void by_closing_descriptor(const char *file)
{
    fexecve(open(file, O_RDONLY | O_CLOEXEC), plain, environ);
}

static void by_no_descriptor(const char *file)
{
    (void)file;
    fexecve(1000, plain, empty);
}

static void at_directory(const char *file)
{
    execveat(open(".", O_RDONLY | O_DIRECTORY), file, plain, environ, 0);
}

static void at_bad_flags(const char *file)
{
    execveat(AT_FDCWD, file, plain, environ, 0x40000000);
}

static void at_link(const char *file)
{
    execveat(AT_FDCWD, file, plain, environ, AT_SYMLINK_NOFOLLOW);
}

static const struct {
    const char *name, *file;
    void (*try)(const char *file);
} ways[] = {
    /* These fail... */
    {"no such file", "missing", by_path},
    {"a directory", ".", by_path},
    {"no permission", "data", by_path},
    {"a long argument", "true", long_argument},
    {"many arguments", "true", many_arguments},
    {"a long environment", "true", long_environment},
    {"a small stack", "true", small_stack},
    {"a bad argument", "true", bad_argument},
    {"a bad list", "true", bad_list},
    {"a bad environment", "true", bad_environment},
    {"a text", "text", by_path},
    {"an empty file", "empty", by_path},
    {"an object file", "object", by_path},
    {"another processor", "foreign", by_path},
    {"a truncated program", "truncated", by_path},
    {"no loader", "no-loader", by_path},
    {"a loader that is a text", "text-loader", by_path},
    {"a loader for another processor", "foreign-loader", by_path},
    {"a text, by descriptor", "text", by_descriptor},
    {"a script, by a closing descriptor", "script", by_closing_descriptor},
    {"no descriptor", "", by_no_descriptor},
    {"no such file at a directory", "missing", at_directory},
    {"flags that do not exist", "true", at_bad_flags},
    {"a link that must be none", "link", at_link},
    {"a script without interpreter", "bad-script", by_path},
    {"scripts in a circle", "circle", by_path},
    {"being written", "busy", being_written},
    {"interpreter being written", "busy-script", interpreter_written},
    /* ... and these do not. */
    {"path", "true", by_path},
    {"search", "true", by_search},
    {"search, a text", "text", by_search},
    {"script", "script", by_path},
    {"descriptor", "true", by_descriptor},
    {"closing descriptor", "true", by_closing_descriptor},
    {"script by descriptor", "script", by_descriptor},
    {"directory", "true", at_directory},
    {"longest argument", "true", longest_argument},
};

static void attempt(const char *way)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (strcmp(way, ways[i].name) == 0)
            ways[i].try(ways[i].file);
}

static int accept_one(const char *address)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(address)};
    socklen_t length = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    static char request[REQUEST];

    if (bind(listener, (struct sockaddr *)&name, length) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&name, &length) != 0)
        exit(1);
    printf("%u\n", ntohs(name.sin_port));
    fflush(stdout);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (recv(fd, request, sizeof request, MSG_PEEK | MSG_WAITALL) != (ssize_t)sizeof request)
        exit(1);
    return fd;
}

int main(int argc, char **argv)
{
    static char data[ANSWER];
    ssize_t got;
    size_t received = 0, sent = 0;

    if (argc != 4 || chdir(argv[3]) != 0)
        return 2;
    int fd = accept_one(argv[2]);
    attempt(argv[1]);
    const char *error = strerrorname_np(errno);
    printf("%s\n", error);
    fflush(stdout); /* the peer goes on */
    while ((got = recv(fd, data, sizeof data, 0)) > 0)
        received += (size_t)got;
    while (sent < sizeof data && (got = send(fd, data, sizeof data - sent, MSG_NOSIGNAL)) > 0)
        sent += (size_t)got;
    printf("%zu %zu\n", received, sent);
    return close(fd) == 0 ? 0 : 1;
}
