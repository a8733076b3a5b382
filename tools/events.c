/* SPDX-License-Identifier: MIT */
#include "events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yajl/yajl_parse.h>

#include "policy/names.h"

/* Which member of the event the parser is in, where that matters below the first level. */
enum member { MEMBER_OTHER, MEMBER_SITE, MEMBER_MAPS, MEMBER_CLOSES, MEMBER_CAUSES, MEMBER_POLICY };

enum field_kind { FIELD_TEXT, FIELD_NUMBER };

struct field {
    const char *name;
    enum field_kind kind;
    size_t offset;
};

#define TEXT(name, member)                                                                         \
    {                                                                                              \
        name, FIELD_TEXT, offsetof(struct event, member)                                           \
    }
#define NUMBER(name, member)                                                                       \
    {                                                                                              \
        name, FIELD_NUMBER, offsetof(struct event, member)                                         \
    }

/* By length of the name: parse.by_length finds the first of each. */
static const struct field fields[] = {NUMBER("v", version),       TEXT("ts", ts),
                                      NUMBER("ms", ms),           NUMBER("pid", pid),
                                      NUMBER("tid", tid),         TEXT("exe", exe),
                                      TEXT("via", via),           TEXT("how", how),
                                      TEXT("path", path),         TEXT("mode", mode),
                                      TEXT("peer", peer),         TEXT("code", code),
                                      TEXT("text", text),         TEXT("rule", rule),
                                      TEXT("shut", shut),         TEXT("event", event),
                                      TEXT("cause", cause),       TEXT("would", would),
                                      TEXT("errno", error),       TEXT("state", state),
                                      TEXT("proto", proto),       NUMBER("count", count),
                                      TEXT("action", action),     TEXT("result", result),
                                      NUMBER("linger", linger),   NUMBER("unread", unread),
                                      NUMBER("unsent", unsent),   NUMBER("unseen", unseen),
                                      TEXT("outcome", outcome),   TEXT("holders", holders),
                                      NUMBER("backlog", backlog), NUMBER("drained", drained),
                                      NUMBER("unacked", unacked), NUMBER("unwritten", unwritten)};

enum { FIELD_COUNT = sizeof fields / sizeof *fields, FIELD_LENGTHS = 10 };

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
    const struct field *by_length[FIELD_LENGTHS + 1];
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

static void at_value(struct parse *parse)
{
    if (parse->depth == 0)
        parse->values++;
}

static int on_null(void *context)
{
    at_value(context);
    return 1;
}

static int on_boolean(void *context, int value)
{
    (void)value;
    at_value(context);
    return 1;
}

static int on_integer(void *context, long long value)
{
    struct parse *parse = context;
    at_value(parse);
    if (parse->depth == 1 && parse->field && parse->field->kind == FIELD_NUMBER)
        *(int64_t *)((char *)parse->event + parse->field->offset) = value;
    else if (parse->depth == 2 && parse->counter && value > 0)
        *parse->counter += (uint64_t)value;
    return 1;
}

static int on_double(void *context, double value)
{
    (void)value;
    at_value(context);
    return 1;
}

static int on_string(void *context, const unsigned char *text, size_t length)
{
    struct parse *parse = context;
    at_value(parse);
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
    parse->field = NULL;
    parse->member = MEMBER_OTHER;
    if (length < FIELD_LENGTHS) {
        for (const struct field *at = parse->by_length[length]; at < parse->by_length[length + 1];
             at++) {
            if (memcmp(at->name, key, length) == 0) {
                parse->field = at;
                return;
            }
        }
    }
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
    at_value(parse);
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
    parse->values += parse->depth == 0 ? 2 : 0; /* an event is no array */
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
    size_t at = 0;
    for (size_t length = 0; length <= FIELD_LENGTHS; length++) {
        while (at < FIELD_COUNT && strlen(fields[at].name) < length)
            at++;
        parse->by_length[length] = fields + at;
    }
    parse->arena = malloc(LINE_MAX_BYTES + 1);
    if (!parse->arena || !parser_start(parse)) {
        free(parse->arena);
        free(parse);
        return NULL;
    }
    return parse;
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
    if (!lines_start(&reader->lines, fd))
        return ENOMEM;
    reader->parse = parse_new();
    return reader->parse ? 0 : ENOMEM;
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

enum events_result events_next(struct events_reader *reader, struct event *event)
{
    const char *line;
    size_t length;
    *event = (struct event){.linger = -1};
    reader->parse->event = event;
    switch (lines_next(&reader->lines, &line, &length)) {
    case LINE_WHOLE:
        reader->reason = parse_line(reader->parse, line, length);
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
