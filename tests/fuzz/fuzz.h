/* SPDX-License-Identifier: MIT */
/* What the fuzz targets share. A property that does not hold ends the run, and leaves the input. */
#ifndef SOFTCLOSE_TESTS_FUZZ_H
#define SOFTCLOSE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/names.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Lines of policy_print() or messages of policy_parse(). */
struct page {
    char *text;
    size_t used, room;
    unsigned count;
};

static inline void page_line(void *context, const char *line)
{
    struct page *page = context;
    size_t length = strlen(line);

    if (page->used + length + 2 > page->room) {
        page->room = 2 * (page->used + length + 2);
        page->text = realloc(page->text, page->room);
        HOLDS(page->text != NULL);
    }
    memcpy(page->text + page->used, line, length);
    page->text[page->used + length] = '\n';
    page->used += length + 1;
    page->text[page->used] = '\0';
    page->count++;
}

static inline void page_error(void *context, const char *file, int line, const char *message)
{
    struct page *page = context;

    HOLDS(file != NULL && line >= 0 && message[0] != '\0');
    /* Quoted input may say so, too; a number of bytes stands before it only in that message. */
    HOLDS(message[0] < '0' || message[0] > '9' || strstr(message, "do not suffice") == NULL);
    page_line(page, message);
}

/* Without the comments, which name lines that have moved. */
static inline void page_bare(struct page *page)
{
    char *to = page->text;

    for (char *from = page->text; from != NULL && *from != '\0'; *to++ = *from++) {
        if (strncmp(from, "  ; ", 4) == 0)
            from += strcspn(from, "\n");
    }
    if (to != NULL)
        *to = '\0';
}

/* The text followed by a NUL, in memory that ends right behind it. */
static inline char *fuzz_string(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    HOLDS(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

#endif
