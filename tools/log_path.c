/* SPDX-License-Identifier: MIT */
#include "log_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The position of the specifier `which` in a pattern, stepping over %%; NULL when absent. */
static const char *find_specifier(const char *pattern, char which)
{
    for (const char *at = strchr(pattern, '%'); at && at[1]; at = strchr(at + 2, '%'))
        if (at[1] == which)
            return at;
    return NULL;
}

enum log_kind log_kind(const char *given)
{
    if (strcmp(given, "stderr") == 0 || strcmp(given, "none") == 0 ||
        strncmp(given, "unix:", strlen("unix:")) == 0)
        return LOG_STREAM;
    return find_specifier(given, 'p') ? LOG_MANY : LOG_ONE_FILE;
}

static void put_specifier(FILE *out, char which, pid_t pid, const char *program, time_t start)
{
    char host[256] = "localhost";
    switch (which) {
    case 'p':
        fprintf(out, "%ld", (long)pid);
        break;
    case 'e':
        fputs(program, out);
        break;
    case 'h':
        gethostname(host, sizeof host - 1);
        fputs(host, out);
        break;
    case 't':
        fprintf(out, "%lld", (long long)start);
        break;
    case '%':
        fputc('%', out);
        break;
    default: /* none of ours: as it stands */
        fprintf(out, "%%%c", which);
        break;
    }
}

char *log_expand(const char *pattern, pid_t pid, const char *program, time_t start)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (const char *at = pattern; *at; at++) {
        if (at[0] == '%' && at[1])
            put_specifier(out, *++at, pid, program, start);
        else
            fputc(*at, out);
    }
    return fclose(out) == 0 ? text : NULL;
}

char *log_absolute(const char *path)
{
    char *whole = NULL;
    if (*path == '/')
        return strdup(path);
    char *directory = getcwd(NULL, 0);
    if (!directory)
        return NULL;
    if (asprintf(&whole, "%s/%s", strcmp(directory, "/") == 0 ? "" : directory, path) < 0)
        whole = NULL;
    free(directory);
    return whole;
}

char *log_escape(const char *path)
{
    char *escaped = malloc(2 * strlen(path) + 1);
    char *to = escaped;
    for (; escaped && *path; path++) {
        if (*path == '%')
            *to++ = '%';
        *to++ = *path;
    }
    if (to)
        *to = '\0';
    return escaped;
}

static const char *const PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 "/._-+=:,@";

char *log_shell_word(const char *path, bool many)
{
    char *text = NULL;
    size_t size;
    bool quote = strspn(path, many ? "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789/._-+=:,@%"
                                   : PLAIN) != strlen(path);
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    if (quote)
        fputc('\'', out);
    for (; *path; path++) {
        if (many && path[0] == '%' && strchr("peht", path[1]) && path[1]) {
            fputs(quote ? "'*'" : "*", out);
            path++;
        } else if (*path == '\'') {
            fputs("'\\''", out);
        } else {
            fputc(*path, out);
        }
    }
    if (quote)
        fputc('\'', out);
    return fclose(out) == 0 ? text : NULL;
}
