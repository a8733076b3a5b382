/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "talk.h"

enum { WIDTH = 78 };

void table_start(struct text_table *table, size_t columns)
{
    *table = (struct text_table){.columns = columns < TABLE_COLUMNS ? columns : TABLE_COLUMNS};
}

void table_add(struct text_table *table, const char *format, ...)
{
    va_list arguments;
    char *text = NULL;
    if (table->cells == table->room) {
        size_t room = table->room ? 2 * table->room : 64;
        char **cell = realloc(table->cell, room * sizeof *cell);
        if (!cell) {
            table->failed = true;
            return;
        }
        table->cell = cell;
        table->room = room;
    }
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    if (text)
        table->cell[table->cells++] = text;
    else
        table->failed = true;
}

/* Characters of UTF-8, taking each for one column. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

void table_print(const struct text_table *table, size_t first_left, FILE *stream)
{
    int widths[TABLE_COLUMNS] = {0};
    if (table->failed)
        return;
    for (size_t i = 0; i < table->cells; i++) {
        int width = width_of(table->cell[i]);
        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
    for (size_t i = 0; i < table->cells; i++) {
        size_t column = i % table->columns;
        int padding = widths[column] - width_of(table->cell[i]);
        bool left = column >= first_left;
        bool rest_empty = true; /* no blanks at the end of a line */
        for (size_t j = i; rest_empty && j < i - column + table->columns && j < table->cells; j++)
            rest_empty = !*table->cell[j];
        if (!rest_empty) {
            fputs("  ", stream);
            if (!left)
                fprintf(stream, "%*s", padding, "");
            print_clean(stream, table->cell[i]);
            bool more = false;
            for (size_t j = i + 1; j < i - column + table->columns && j < table->cells; j++)
                more = more || *table->cell[j];
            if (left && more)
                fprintf(stream, "%*s", padding, "");
        }
        if (column + 1 == table->columns)
            fputc('\n', stream);
    }
}

void table_end(struct text_table *table)
{
    for (size_t i = 0; i < table->cells; i++)
        free(table->cell[i]);
    free(table->cell);
    *table = (struct text_table){0};
}

void print_wrapped(FILE *stream, const char *label, size_t indent, const char *text)
{
    char word[WIDTH * 8];
    size_t column = strlen(label);
    fputs(label, stream);
    if (column < indent) {
        fprintf(stream, "%*s", (int)(indent - column), "");
        column = indent;
    }
    for (bool first = true; *text; first = false) {
        size_t length = strcspn(text, " ");
        size_t kept = length < sizeof word ? length : sizeof word - 1;
        memcpy(word, text, kept);
        word[kept] = '\0';
        size_t width = (size_t)width_of(word);
        if (!first && column + 1 + width > WIDTH) {
            fprintf(stream, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            fputc(' ', stream);
            column++;
        }
        print_clean(stream, word);
        column += width;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', stream);
}
