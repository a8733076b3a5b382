/* SPDX-License-Identifier: MIT */
/* The fields of an event that stand at its first level and hold a text, a number or a flag, and
 * where struct event keeps each. */
#ifndef SOFTCLOSE_TOOLS_EVENT_FIELDS_H
#define SOFTCLOSE_TOOLS_EVENT_FIELDS_H

#include <stddef.h>

enum field_kind { FIELD_TEXT, FIELD_NUMBER, FIELD_FLAG };

struct field {
    const char *name;
    enum field_kind kind;
    size_t offset;
};

/* NULL when it is none of them. `name` need not be terminated. */
const struct field *event_field(const char *name, size_t length);

#endif
