/* SPDX-License-Identifier: MIT */
#include "shim/counters.h"

#include <string.h>

#include "policy/names.h"
#include "shim/ledger.h"
#include "shim/log.h"

enum { ACTIONS = 8 };

static struct counters {
    uint64_t outcomes[OUTCOME_COUNT];
    uint64_t causes[CAUSE_COUNT];
    uint64_t taken[ACTIONS + 1]; /* the last one: pass */
    uint64_t would[ACTIONS + 1];
    uint64_t shutdowns, lingers;
    uint64_t drained;        /* bytes that drains discarded */
    uint64_t unread, unsent; /* bytes that resets threw away */
    uint64_t unwritten, unseen;
} counters;

static bool relative; /* a forked child: the first process speaks for all */

static void count(uint64_t *counter, uint64_t more)
{
    __atomic_add_fetch(counter, more, __ATOMIC_RELAXED);
}

static void count_actions(uint64_t *table, unsigned actions)
{
    if (actions == ACTION_PASS)
        count(&table[ACTIONS], 1);
    for (unsigned i = 0; i < ACTIONS; i++)
        if ((actions & 1u << i) != 0)
            count(&table[i], 1);
}

void counters_operation(const char *event, const struct facts *facts, const struct verdict *verdict,
                        unsigned wish, unsigned taken)
{
    count_actions(counters.taken, taken);
    count_actions(counters.would, wish);
    if (strcmp(event, "close") != 0) {
        count(facts->op == OP_LINGER ? &counters.lingers : &counters.shutdowns, 1);
        return;
    }
    count(&counters.outcomes[verdict->outcome], 1);
    count(&counters.causes[verdict->cause], 1);
    if (verdict->outcome == OUTCOME_RESET && taken == ACTION_PASS) {
        count(&counters.unread, (uint64_t)facts->unread);
        count(&counters.unsent, (uint64_t)facts->unsent);
    }
}

void counters_drained(uint64_t bytes)
{
    count(&counters.drained, bytes);
}

void counters_unwritten(void)
{
    count(&counters.unwritten, 1);
    ledger_add_unwritten(1);
}

void counters_unseen(void)
{
    count(&counters.unseen, 1);
}

void counters_forked(void)
{
    counters = (struct counters){0};
    relative = true;
}

enum { COUNTERS = sizeof counters / sizeof(uint64_t) };

bool counters_empty(void)
{
    const uint64_t *all = (const uint64_t *)&counters;

    for (unsigned i = 0; i < COUNTERS; i++)
        if (__atomic_load_n(&all[i], __ATOMIC_RELAXED) != 0)
            return false;
    return true;
}

/* What other threads count meanwhile is the next summary's. */
static struct counters take_all(void)
{
    struct counters taken = {0};
    uint64_t *all = (uint64_t *)&counters, *to = (uint64_t *)&taken;

    for (unsigned i = 0; i < COUNTERS; i++)
        to[i] = __atomic_exchange_n(&all[i], 0, __ATOMIC_RELAXED);
    return taken;
}

static void put_table(struct line *line, const char *name, const uint64_t *table, size_t size,
                      const char *(*name_of)(size_t index))
{
    bool first = true;

    line_field_name(line, name);
    line_text(line, "{");
    for (size_t i = 0; i < size; i++) {
        if (table[i] == 0)
            continue;
        line_text(line, first ? "\"" : ",\"");
        line_text(line, name_of(i));
        line_text(line, "\":");
        line_number(line, (int64_t)table[i]);
        first = false;
    }
    line_text(line, "}");
}

static const char *outcome_of(size_t index)
{
    return outcome_name((enum outcome)index);
}

static const char *cause_of(size_t index)
{
    return cause_name((enum cause)(index + 1)); /* the table is given without CAUSE_NULL */
}

static const char *action_of(size_t index)
{
    static char names[ACTIONS + 1][24];
    return actions_name(index == ACTIONS ? ACTION_PASS : 1u << index, names[index],
                        sizeof names[index]);
}

void counters_put(struct line *line)
{
    const struct counters now = take_all();

    put_table(line, "closes", now.outcomes, OUTCOME_COUNT, outcome_of);
    /* Closes without a cause (fin, released) are complete in "closes". */
    put_table(line, "causes", now.causes + 1, CAUSE_COUNT - 1, cause_of);
    put_table(line, "actions", now.taken, ACTIONS + 1, action_of);
    put_table(line, "would", now.would, ACTIONS + 1, action_of);
    line_field_number(line, "shutdowns", (int64_t)now.shutdowns);
    line_field_number(line, "lingers", (int64_t)now.lingers);
    line_field_number(line, "drained", (int64_t)now.drained);
    line_field_number(line, "unread", (int64_t)now.unread);
    line_field_number(line, "unsent", (int64_t)now.unsent);
    line_field_number(line, "unwritten", (int64_t)now.unwritten);
    line_field_number(line, "unseen", (int64_t)now.unseen);
}

void counters_tell_unwritten(const char *log_name_text)
{
    uint64_t lost = ledger_add_unwritten(0);
    char text[512];
    struct line line = {.text = text, .size = sizeof text};

    if (lost == 0 || relative)
        return;
    line_text(&line, "softclose: ");
    line_number(&line, (int64_t)lost);
    line_text(&line, lost == 1 ? " event" : " events");
    line_text(&line, " could not be written to '");
    line_text(&line, log_name_text);
    line_text(&line, "' (full, closed or not writable); the program was not affected\n");
    line_terminate(&line);
    log_tell(text);
}
