/* SPDX-License-Identifier: MIT */
#include "talk.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say_list(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

static void say_list(const char *format, va_list arguments)
{
    fputs("softclose: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say_list(format, arguments);
    va_end(arguments);
}

int usage_error(int status, const char *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say_list(format, arguments);
    va_end(arguments);
    fprintf(stderr, "Try 'softclose %s%s--help'.\n", command, *command ? " " : "");
    return status;
}

bool color_parse(const char *word, enum color_when *when)
{
    static const char *const words[] = {"auto", "always", "never"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(word, words[i]) == 0) {
            *when = (enum color_when)i;
            return true;
        }
    }
    return false;
}

bool color_wanted(enum color_when when, FILE *stream)
{
    if (when != COLOR_AUTO)
        return when == COLOR_ALWAYS;
    const char *no = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    return isatty(fileno(stream)) && !(no && *no) && terminal && strcmp(terminal, "dumb") != 0;
}

char *human_bytes(uint64_t bytes, char text[HUMAN_BYTES_SIZE])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        snprintf(text, HUMAN_BYTES_SIZE, "%u B", (unsigned)bytes);
        return text;
    }
    double value = (double)bytes / 1024;
    size_t unit = 0;
    while (value >= 1023.95 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1024;
        unit++;
    }
    snprintf(text, HUMAN_BYTES_SIZE, "%.1f %s", value, units[unit]);
    return text;
}

/* The length of the control character at `at`, 0 when it is none. U+0080 to U+009F are, too, as C2
 * 80 to C2 9F in UTF-8. */
static size_t control_length(const unsigned char *at)
{
    if (*at == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f)
        return 2;
    return *at < 0x20 || *at == 0x7f ? 1 : 0;
}

void print_clean(FILE *stream, const char *text)
{
    const char *start = text;
    while (*text) {
        size_t control = control_length((const unsigned char *)text);
        if (control > 0) {
            fwrite(start, 1, (size_t)(text - start), stream);
            fputc('?', stream);
            start = text + control;
        }
        text += control > 0 ? control : 1;
    }
    fwrite(start, 1, (size_t)(text - start), stream);
}
