/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/names.h"
#include "report_page.h"
#include "table.h"
#include "talk.h"

static const struct {
    const char *action, *meaning;
} actions[] = {
    {"drain-background", "send FIN, let close() return, then read and throw away what the peer "
                         "still sends, on a thread of softclose"},
    {"drain-block", "the same within close()"},
    {"drain-inline", "send FIN, read and throw away what is here, within close()"},
    {"half-close", "send FIN before the close"},
    {"linger-off", "keep SO_LINGER {on, 0} from the kernel: it takes away the reset"},
    {"denied", "let SO_LINGER {on, 0} fail with EPERM"},
    {"softened", "at SHUT_RDWR send FIN, shut the reading half only when the peer has finished"},
    {"backlog-drained", "accept what waits in the listener and close each in order"},
};

static const char *const meanings[DRAIN_RESULT_COUNT] = {
    [DRAIN_EOF] = "the peer finished: all in order",
    [DRAIN_IDLE] = "given up: nothing came for close.drain_idle",
    [DRAIN_TOTAL] = "given up after close.drain_total",
    [DRAIN_BYTES] = "given up after close.drain_bytes; what came after that was reset",
    [DRAIN_EVICTED] = "given up for a newer drain: close.max_draining, or the limit of descriptors",
    [DRAIN_EXIT] = "given up: the program ended, and close.exit_wait was over",
    [DRAIN_ERROR] = "the connection broke (reset, no answer), or no descriptor was left for it",
    [RESULT_OTHER] = "unknown to this softclose",
};

static const char *result_word(int result)
{
    return result == RESULT_OTHER ? "other" : drain_result_name((enum drain_result)result);
}

/* "CALL\tREST" in two cells. */
static void add_call(struct text_table *table, const char *key)
{
    const char *tab = strchr(key, '\t');
    table_add(table, "%.*s", (int)(tab - key), key);
    table_add(table, "%s", tab + 1);
}

static void add_or_blank(struct text_table *table, uint64_t number)
{
    if (number > 0)
        table_add(table, "%" PRIu64, number);
    else
        table_add(table, "%s", "");
}

static void explain_actions(const struct page *page, struct row **rows, size_t count)
{
    fputc('\n', page->stream);
    for (size_t at = 0; at < sizeof actions / sizeof *actions; at++) {
        char label[40];
        bool seen = false;
        for (size_t i = 0; i < count; i++)
            seen |= strstr(rows[i]->key, actions[at].action) != NULL;
        snprintf(label, sizeof label, "  %s", actions[at].action);
        if (seen)
            print_wrapped(page->stream, label, 22, actions[at].meaning);
    }
}

/* Closes first, then by number, then by name. */
static int by_call(const void *left, const void *right)
{
    const struct row *a = *(struct row *const *)left;
    const struct row *b = *(struct row *const *)right;
    bool same = strncmp(a->key, b->key, 2) == 0;
    if (same && a->counts.closes != b->counts.closes)
        return a->counts.closes > b->counts.closes ? -1 : 1;
    return strcasecmp(a->key, b->key);
}

static void print_actions(const struct page *page, const struct table *source)
{
    struct text_table table;
    size_t count;
    struct row **rows = tally_sorted(source, false, &count);
    if (rows && count > 0) {
        qsort(rows, count, sizeof(struct row *), by_call);
        fputc('\n', page->stream);
        table_start(&table, 5);
        static const char *const heads[] = {"times", "resets", "exposed", "call", "action"};
        for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
            table_add(&table, "%s", heads[i]);
        for (size_t i = 0; i < count; i++) {
            table_add(&table, "%" PRIu64, rows[i]->counts.closes);
            add_or_blank(&table, rows[i]->counts.curable_resets);
            add_or_blank(&table, rows[i]->counts.curable_exposed);
            add_call(&table, rows[i]->key);
        }
        table_print(&table, 3, page->stream);
        table_end(&table);
        explain_actions(page, rows, count);
    }
    free(rows);
}

static void print_reasons(const struct page *page, const struct table *source, bool enforcing)
{
    struct text_table table;
    size_t count;
    struct row **rows = tally_sorted(source, false, &count);
    if (rows && count > 0) {
        fputc('\n', page->stream);
        paragraph(page, "%s",
                  enforcing ? "Not repaired, and why:" : "Would not be repaired, and why:");
        table_start(&table, 4);
        static const char *const heads[] = {"resets", "exposed", "call", "why"};
        for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
            table_add(&table, "%s", heads[i]);
        for (size_t i = 0; i < count; i++) {
            add_or_blank(&table, rows[i]->counts.outcome[OUTCOME_RESET]);
            add_or_blank(&table, rows[i]->counts.outcome[OUTCOME_EXPOSED]);
            add_call(&table, rows[i]->key);
        }
        table_print(&table, 2, page->stream);
        table_end(&table);
    }
    free(rows);
}

/* "Repaired: 3 of 4 resets, 2 of 3 exposed closes." */
static void print_share(const struct page *page, const struct counts *total, const char *what)
{
    uint64_t resets = total->outcome[OUTCOME_RESET];
    uint64_t exposed = total->outcome[OUTCOME_EXPOSED];
    char of_resets[80] = "";
    char of_exposed[80] = "";
    if (resets > 0)
        snprintf(of_resets, sizeof of_resets, "%" PRIu64 " of %" PRIu64 " reset%s",
                 total->curable_resets, resets, plural(resets));
    if (exposed > 0)
        snprintf(of_exposed, sizeof of_exposed, "%" PRIu64 " of %" PRIu64 " exposed close%s",
                 total->curable_exposed, exposed, plural(exposed));
    paragraph(page, "%s: %s%s%s.", what, of_resets, resets > 0 && exposed > 0 ? ", " : "",
              of_exposed);
}

static void print_mode(const struct page *page, const struct under_mode *mode, bool enforcing)
{
    const struct counts *total = &mode->total;
    uint64_t resets = total->outcome[OUTCOME_RESET];
    uint64_t exposed = total->outcome[OUTCOME_EXPOSED];
    if (!enforcing && resets + exposed == 0 && !mode->actions.rows)
        return;
    if (enforcing && mode->processes == 0 && total->closes == 0)
        return;
    heading(page, "%s", enforcing ? "WHAT ENFORCE DID" : "WHAT --enforce WOULD DO");
    if (resets + exposed == 0)
        paragraph(page, "%s", enforcing ? "No close needed a repair." : "No close needs a repair.");
    else
        print_share(page, total, enforcing ? "Repaired" : "Would be repaired by --enforce");
    print_actions(page, &mode->actions);
    print_reasons(page, &mode->reasons, enforcing);
}

static void add_duration(struct text_table *table, uint64_t ms)
{
    if (ms < 10000)
        table_add(table, "%" PRIu64 " ms", ms);
    else
        table_add(table, "%" PRIu64 ".%" PRIu64 " s", ms / 1000, ms / 100 % 10);
}

static void add_drains(struct text_table *table, const struct drains *drains, const char *result)
{
    char drained[HUMAN_BYTES_SIZE];
    char unacked[HUMAN_BYTES_SIZE];
    table_add(table, "%" PRIu64, drains->count);
    table_add(table, "%s", human_bytes(drains->drained, drained));
    table_add(table, "%s", human_bytes(drains->unacked, unacked));
    add_duration(table, drains->longest);
    table_add(table, "%s", result);
}

static void print_inline(const struct page *page, uint64_t drained)
{
    char bytes[HUMAN_BYTES_SIZE];
    if (page->tally->drained > drained)
        paragraph(page, "%s more were read and thrown away at once, within the call.",
                  human_bytes(page->tally->drained - drained, bytes));
}

static void print_drains(const struct page *page)
{
    const struct tally *tally = page->tally;
    struct drains all = {0};
    struct text_table table;
    table_start(&table, 5);
    static const char *const heads[] = {"drains", "drained", "unacknowledged", "longest", "result"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        table_add(&table, "%s", heads[i]);
    for (int i = 1; i <= DRAIN_RESULT_COUNT; i++) { /* the unknown ones last */
        const struct drains *drains = &tally->drains[i % DRAIN_RESULT_COUNT];
        all.count += drains->count;
        all.drained += drains->drained;
        all.unacked += drains->unacked;
        all.longest = drains->longest > all.longest ? drains->longest : all.longest;
        if (drains->count > 0)
            add_drains(&table, drains, result_word(i % DRAIN_RESULT_COUNT));
    }
    add_drains(&table, &all, "in all");
    if (all.count > 0) {
        heading(page, "DRAINS");
        table_print(&table, 4, page->stream);
        fputc('\n', page->stream);
        for (int i = 1; i <= DRAIN_RESULT_COUNT; i++) {
            int result = i % DRAIN_RESULT_COUNT;
            char label[40];
            snprintf(label, sizeof label, "  %s", result_word(result));
            if (tally->drains[result].count > 0)
                print_wrapped(page->stream, label, 22, meanings[result]);
        }
        print_wrapped(page->stream, "  unacknowledged", 22,
                      "bytes that the peer had not acknowledged when the drain ended; the kernel "
                      "goes on sending them unless the connection was reset");
    }
    table_end(&table);
    print_inline(page, all.drained);
}

void print_repairs(const struct page *page)
{
    const struct tally *tally = page->tally;
    const struct under_mode *enforce = &tally->mode[UNDER_ENFORCE];
    print_mode(page, enforce, true);
    if (enforce->processes > 0 && tally->already_reset > 0)
        paragraph(page,
                  "%" PRIu64 " connection%s already dead when the program closed %s: too late for "
                  "a repair.",
                  tally->already_reset, tally->already_reset == 1 ? " was" : "s were",
                  tally->already_reset == 1 ? "it" : "them");
    print_drains(page);
    print_mode(page, &tally->mode[UNDER_AUDIT], false);
}
