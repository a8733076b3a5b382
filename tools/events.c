/* SPDX-License-Identifier: MIT */
#include "events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yajl/yajl_parse.h>

#include "event_fields.h"
#include "policy/names.h"

/* Which member of the event the parser is in, where that matters below the first level. */
enum member { MEMBER_OTHER, MEMBER_SITE, MEMBER_MAPS, MEMBER_CLOSES, MEMBER_CAUSES, MEMBER_POLICY };

struct parse {
    yajl_handle handle;
    struct event *event;
    int depth;
    enum member member;
    const struct field *field; /* of the value to come at depth 1 */
    int values;                /* at depth 0: a line holds exactly one, an object */
    int in_site;               /* elements of the site array so far */
    const char **map_text;     /* of the value to come in an object of maps */
    uint64_t *counter;         /* of the value to come in a summary's object */
    uint64_t *map_address;
    struct mapped *maps;
    size_t map_count, map_room;
    char *arena; /* the texts of this event */
    size_t used;
};

/* Texts of one line are together shorter than the line, their terminators take the quotes' room. */
static const char *keep(struct parse *parse, const unsigned char *text, size_t length)
{
    char *copy = parse->arena + parse->used;
    memcpy(copy, text, length);
    copy[length] = '\0';
    parse->used += length + 1;
    return copy;
}

static uint64_t address_of(const unsigned char *text, size_t length)
{
    char digits[20];
    if (length >= sizeof digits)
        return 0;
    memcpy(digits, text, length);
    digits[length] = '\0';
    return strtoull(digits, NULL, 16);
}

static bool is(const unsigned char *text, size_t length, const char *word)
{
    return length == strlen(word) && memcmp(text, word, length) == 0;
}

enum { KIND_NULL = -1, KIND_OTHER = -2 };

/* A value of `kind` (enum field_kind, or what no field is) begins. */
static void at_value(struct parse *parse, int kind)
{
    if (parse->depth == 0)
        parse->values++;
    if (parse->depth == 1 && parse->field && kind != KIND_NULL && kind != (int)parse->field->kind)
        parse->event->mistyped = parse->field->name;
}

static int on_null(void *context)
{
    at_value(context, KIND_NULL);
    return 1;
}

static int on_boolean(void *context, int value)
{
    struct parse *parse = context;
    at_value(parse, FIELD_FLAG);
    if (parse->depth == 1 && parse->field && parse->field->kind == FIELD_FLAG)
        *(bool *)((char *)parse->event + parse->field->offset) = value != 0;
    return 1;
}

static int on_integer(void *context, long long value)
{
    struct parse *parse = context;
    at_value(parse, FIELD_NUMBER);
    if (parse->depth == 1 && parse->field && parse->field->kind == FIELD_NUMBER)
        *(int64_t *)((char *)parse->event + parse->field->offset) = value;
    else if (parse->depth == 2 && parse->counter && value > 0)
        *parse->counter += (uint64_t)value;
    return 1;
}

static int on_double(void *context, double value)
{
    (void)value;
    at_value(context, KIND_OTHER);
    return 1;
}

static int on_string(void *context, const unsigned char *text, size_t length)
{
    struct parse *parse = context;
    at_value(parse, FIELD_TEXT);
    if (parse->depth == 1) {
        if (parse->field && parse->field->kind == FIELD_TEXT)
            *(const char **)((char *)parse->event + parse->field->offset) =
                keep(parse, text, length);
    } else if (parse->depth == 2 && parse->member == MEMBER_SITE) {
        if (parse->in_site++ == 0)
            parse->event->site = address_of(text, length);
    } else if (parse->depth == 2 && parse->member == MEMBER_POLICY) {
        if (parse->map_text)
            *parse->map_text = keep(parse, text, length);
    } else if (parse->depth == 3 && parse->member == MEMBER_MAPS) {
        if (parse->map_text)
            *parse->map_text = keep(parse, text, length);
        else if (parse->map_address)
            *parse->map_address = address_of(text, length);
    }
    return 1;
}

static void find_field(struct parse *parse, const unsigned char *key, size_t length)
{
    parse->field = event_field((const char *)key, length);
    parse->member = MEMBER_OTHER;
    if (parse->field)
        return;
    if (is(key, length, "site"))
        parse->member = MEMBER_SITE;
    else if (is(key, length, "maps"))
        parse->member = MEMBER_MAPS;
    else if (is(key, length, "closes"))
        parse->member = MEMBER_CLOSES;
    else if (is(key, length, "causes"))
        parse->member = MEMBER_CAUSES;
    else if (is(key, length, "policy"))
        parse->member = MEMBER_POLICY;
}

static void find_map_field(struct parse *parse, const unsigned char *key, size_t length)
{
    struct mapped *map = &parse->maps[parse->map_count - 1];
    if (is(key, length, "module"))
        parse->map_text = &map->module;
    else if (is(key, length, "build_id") || is(key, length, "build-id"))
        parse->map_text = &map->build_id;
    else if (is(key, length, "base"))
        parse->map_address = &map->base;
    else if (is(key, length, "end"))
        parse->map_address = &map->end;
}

static int on_key(void *context, const unsigned char *key, size_t length)
{
    struct parse *parse = context;
    parse->map_text = NULL;
    parse->map_address = NULL;
    parse->counter = NULL;
    if (parse->depth == 1)
        find_field(parse, key, length);
    else if (parse->depth == 2 && parse->member == MEMBER_CLOSES)
        parse->counter = &parse->event->closes;
    else if (parse->depth == 2 && parse->member == MEMBER_CAUSES &&
             is(key, length, cause_name(CAUSE_ALREADY_RESET)))
        parse->counter = &parse->event->already_reset;
    else if (parse->depth == 2 && parse->member == MEMBER_POLICY && is(key, length, "path"))
        parse->map_text = &parse->event->policy;
    else if (parse->depth == 3 && parse->member == MEMBER_MAPS && parse->map_count > 0)
        find_map_field(parse, key, length);
    return 1;
}

static int on_map_start(void *context)
{
    struct parse *parse = context;
    at_value(parse, KIND_OTHER);
    parse->depth++;
    parse->map_text = NULL; /* would dangle once the maps move */
    parse->map_address = NULL;
    if (parse->depth != 3 || parse->member != MEMBER_MAPS)
        return 1;
    if (parse->map_count == parse->map_room) {
        size_t room = parse->map_room ? 2 * parse->map_room : 64;
        struct mapped *maps = realloc(parse->maps, room * sizeof *maps);
        if (!maps)
            return 0;
        parse->maps = maps;
        parse->map_room = room;
    }
    parse->maps[parse->map_count++] = (struct mapped){0};
    return 1;
}

static int on_array_start(void *context)
{
    struct parse *parse = context;
    at_value(parse, KIND_OTHER);
    parse->values += parse->depth == 0 ? 1 : 0; /* an event is no array */
    parse->depth++;
    parse->map_text = NULL;
    parse->map_address = NULL;
    return 1;
}

static int on_end(void *context)
{
    struct parse *parse = context;
    parse->depth--;
    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_integer = on_integer,
    .yajl_double = on_double,
    .yajl_string = on_string,
    .yajl_start_map = on_map_start,
    .yajl_map_key = on_key,
    .yajl_end_map = on_end,
    .yajl_start_array = on_array_start,
    .yajl_end_array = on_end,
};

static bool parser_start(struct parse *parse)
{
    if (parse->handle)
        yajl_free(parse->handle);
    parse->handle = yajl_alloc(&callbacks, NULL, parse);
    /* one handle for all lines saves an allocation each; every line must end at depth 0 */
    return parse->handle && yajl_config(parse->handle, yajl_allow_multiple_values, 1);
}

static struct parse *parse_new(void)
{
    struct parse *parse = calloc(1, sizeof *parse);
    if (!parse)
        return NULL;
    parse->arena = malloc(LINE_MAX_BYTES + 1);
    if (!parse->arena || !parser_start(parse)) {
        free(parse->arena);
        free(parse);
        return NULL;
    }
    return parse;
}

static int open_fd(struct events_reader *reader, int fd)
{
    if (!lines_start(&reader->lines, fd))
        return ENOMEM;
    reader->parse = parse_new();
    return reader->parse ? 0 : ENOMEM;
}

int events_open(struct events_reader *reader, const char *path, int64_t from)
{
    int fd = STDIN_FILENO;
    *reader = (struct events_reader){.lines.fd = -1};
    if (strcmp(path, "-") != 0) {
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return errno;
        struct stat status;
        if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
            close(fd);
            return EISDIR;
        }
        if (from > 0 && lseek(fd, from, SEEK_SET) < 0) {
            int error = errno;
            close(fd);
            return error;
        }
    }
    return open_fd(reader, fd);
}

int events_open_text(struct events_reader *reader, const char *text)
{
    int fd = memfd_create("events", MFD_CLOEXEC);
    char *line = strdup(text);
    int error = fd < 0 || !line ? errno : 0;
    *reader = (struct events_reader){.lines.fd = -1};
    /* One event, though it may stand in several lines: no string of JSON holds a newline. */
    size_t length = line ? strlen(line) : 0;
    for (size_t i = 0; i < length; i++)
        if (line[i] == '\n')
            line[i] = ' ';
    for (size_t at = 0; at < length && error == 0;) {
        ssize_t written = write(fd, line + at, length - at);
        error = written < 0 ? errno : 0;
        at += written < 0 ? 0 : (size_t)written;
    }
    free(line);
    if (error == 0 && lseek(fd, 0, SEEK_SET) == 0)
        return open_fd(reader, fd);
    if (fd >= 0)
        close(fd);
    return error;
}

void events_close(struct events_reader *reader)
{
    lines_end(&reader->lines);
    if (!reader->parse)
        return;
    yajl_free(reader->parse->handle);
    free(reader->parse->maps);
    free(reader->parse->arena);
    free(reader->parse);
    reader->parse = NULL;
}

static enum event_kind kind_of(const char *event)
{
    static const char *const names[] = {"process", "close",   "shutdown", "linger",
                                        "drain",   "summary", "note"};
    for (int i = 0; i < EVENT_OTHER; i++)
        if (strcmp(event, names[i]) == 0)
            return (enum event_kind)i;
    return EVENT_OTHER;
}

/* NULL, or why the line is no event. */
static const char *parse_line(struct parse *parse, const char *line, size_t length)
{
    struct event *event = parse->event;
    parse->depth = parse->values = parse->in_site = 0;
    parse->member = MEMBER_OTHER;
    parse->field = NULL;
    parse->counter = NULL;
    parse->map_count = parse->used = 0;
    yajl_status status = yajl_parse(parse->handle, (const unsigned char *)line, length);
    if (status != yajl_status_ok || parse->depth != 0 || parse->values != 1) {
        bool blank = status == yajl_status_ok && parse->depth == 0 && parse->values == 0;
        parser_start(parse);
        return blank ? "empty line" : "not one JSON object";
    }
    if (event->version != 1)
        return event->version == 0 ? "no version (\"v\")" : "a version other than 1";
    if (!event->event)
        return "no \"event\"";
    event->kind = kind_of(event->event);
    event->maps = parse->maps;
    event->map_count = parse->map_count;
    return NULL;
}

/* A process that was killed while it wrote an event has left half of it, and another one's event
 * stands in the same line. No string of an event holds this beginning: quotes are escaped there. */
static bool find_rest(struct events_reader *reader, const char *line, size_t length)
{
    static const char beginning[] = "{\"v\":";
    const char *found = NULL, *at = line + 1, *end = line + length;
    while (at < end && (at = memmem(at, (size_t)(end - at), beginning, sizeof(beginning) - 1)))
        found = at++;
    if (!found || parse_line(reader->parse, found, (size_t)(end - found)))
        return false;
    reader->rest = found;
    reader->rest_length = (size_t)(end - found);
    return true;
}

enum events_result events_next(struct events_reader *reader, struct event *event)
{
    const char *line;
    size_t length;
    *event = (struct event){.linger = -1};
    reader->parse->event = event;
    if (reader->rest) {
        parse_line(reader->parse, reader->rest, reader->rest_length);
        reader->rest = NULL;
        return EVENTS_EVENT;
    }
    switch (lines_next(&reader->lines, &line, &length)) {
    case LINE_WHOLE:
        reader->reason = parse_line(reader->parse, line, length);
        if (reader->reason && find_rest(reader, line, length))
            reader->reason = "not one JSON object; the event at its end is read";
        return reader->reason ? EVENTS_BAD : EVENTS_EVENT;
    case LINE_UNFINISHED:
        reader->reason = parse_line(reader->parse, line, length);
        return reader->reason ? EVENTS_TRUNCATED : EVENTS_EVENT;
    case LINE_TOO_LONG:
        reader->reason = "longer than 1 MiB";
        return EVENTS_BAD;
    default:
        return reader->lines.error ? EVENTS_ERROR : EVENTS_END;
    }
}
