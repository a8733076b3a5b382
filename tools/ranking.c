/* SPDX-License-Identifier: MIT */
/* What is asked of a tally: counts by name, rows in order. */
#include <stdlib.h>
#include <string.h>

#include "policy/names.h"
#include "tally.h"

uint64_t resets_left(const struct counts *counts)
{
    return counts->outcome[OUTCOME_RESET] - counts->repaired_resets;
}

uint64_t exposed_left(const struct counts *counts)
{
    return counts->outcome[OUTCOME_EXPOSED] - counts->repaired_exposed;
}

uint64_t drains_given_up(const struct tally *tally)
{
    uint64_t sum = 0;
    for (int i = DRAIN_EOF + 1; i < DRAIN_ERROR; i++)
        sum += tally->drains[i].count;
    return sum;
}

uint64_t tally_named(const struct tally *tally, const char *name)
{
    int outcome = outcome_from(name);
    if (outcome == OUTCOME_RESET)
        return resets_left(&tally->total);
    if (outcome == OUTCOME_EXPOSED)
        return exposed_left(&tally->total);
    if (outcome >= 0)
        return tally->total.outcome[outcome];
    uint64_t sum = 0;
    for (const struct row *row = tally->causes.rows; row; row = row->hh.next) {
        const char *cause = strchr(row->key, ' ');
        if (cause && strcmp(cause + 1, name) == 0)
            sum += row->counts.closes - row->counts.repaired_resets - row->counts.repaired_exposed;
    }
    return sum;
}

/* What is left of resets before what is left of exposed closes, then what was repaired, then by
 * bytes lost, then by name for a stable order. */
static int by_weight(const void *left, const void *right)
{
    const struct row *a = *(struct row *const *)left;
    const struct row *b = *(struct row *const *)right;
    const struct counts *x = &a->counts;
    const struct counts *y = &b->counts;
    const uint64_t weights[][2] = {
        {resets_left(x), resets_left(y)},
        {exposed_left(x), exposed_left(y)},
        {x->outcome[OUTCOME_RESET], y->outcome[OUTCOME_RESET]},
        {x->outcome[OUTCOME_EXPOSED], y->outcome[OUTCOME_EXPOSED]},
        {x->unread + x->unsent, y->unread + y->unsent},
        {x->closes, y->closes},
    };
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        if (weights[i][0] != weights[i][1])
            return weights[i][0] > weights[i][1] ? -1 : 1;
    if (a->module && b->module && a->module != b->module)
        return strcmp(a->module->path, b->module->path);
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    if (strcmp(a->via, b->via) != 0)
        return strcmp(a->via, b->via);
    return strcmp(a->key, b->key);
}

struct row **tally_sorted(const struct table *table, bool bad_only, size_t *count)
{
    struct row **sorted = calloc(HASH_COUNT(table->rows) + 1, sizeof(void *));
    *count = 0;
    if (!sorted)
        return NULL;
    for (struct row *row = table->rows; row; row = row->hh.next) {
        uint64_t bad = row->counts.outcome[OUTCOME_RESET] + row->counts.outcome[OUTCOME_EXPOSED];
        if (bad_only ? bad > 0 : row->counts.closes > 0)
            sorted[(*count)++] = row;
    }
    qsort(sorted, *count, sizeof(void *), by_weight);
    return sorted;
}
