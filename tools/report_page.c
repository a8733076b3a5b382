/* SPDX-License-Identifier: MIT */
#include "report_page.h"

#include <stdarg.h>
#include <stdlib.h>

#include "table.h"

const char *plural(uint64_t number)
{
    return number == 1 ? "" : "s";
}

void heading(const struct page *page, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs(page->options->color ? "\n\033[1m" : "\n", page->stream);
    vfprintf(page->stream, format, arguments);
    fputs(page->options->color ? "\033[0m\n" : "\n", page->stream);
    va_end(arguments);
}

void paragraph(const struct page *page, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) >= 0)
        print_wrapped(page->stream, "  ", 2, text);
    va_end(arguments);
    free(text);
}
