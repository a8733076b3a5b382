/* SPDX-License-Identifier: MIT */
#include "report_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report_page.h"
#include "report_words.h"
#include "table.h"
#include "talk.h"

/* --- head --- */

static int64_t seconds_of(const char *ts)
{
    struct tm tm = {0};
    return strptime(ts, "%Y-%m-%dT%H:%M:%S", &tm) ? (int64_t)timegm(&tm) : -1;
}

static void duration(char *text, size_t size, int64_t seconds)
{
    if (seconds < 60)
        snprintf(text, size, "%" PRId64 " s", seconds);
    else if (seconds < 3600)
        snprintf(text, size, "%" PRId64 " min %" PRId64 " s", seconds / 60, seconds % 60);
    else if (seconds < 86400)
        snprintf(text, size, "%" PRId64 " h %" PRId64 " min", seconds / 3600, seconds / 60 % 60);
    else
        snprintf(text, size, "%" PRId64 " days %" PRId64 " h", seconds / 86400,
                 seconds / 3600 % 24);
}

static void print_head(const struct page *page, const char *title)
{
    const struct tally *tally = page->tally;
    uint64_t programs = HASH_COUNT(tally->programs.rows);
    fputs("softclose report: ", page->stream);
    print_clean(page->stream, title);
    fputc('\n', page->stream);
    if (tally->events == 0) {
        paragraph(page, "no events");
        return;
    }
    char span[40];
    int64_t from = seconds_of(tally->first);
    int64_t to = seconds_of(tally->last);
    if (from >= 0 && to >= from) {
        duration(span, sizeof span, to - from);
        paragraph(page, "from %.10s %.8s to %.10s %.8s UTC (%s)", tally->first, tally->first + 11,
                  tally->last, tally->last + 11, span);
    }
    paragraph(page,
              "%" PRIu64 " process%s of %" PRIu64 " program%s; %" PRIu64 " close%s of sockets",
              tally->process_count, tally->process_count == 1 ? "" : "es", programs,
              plural(programs), tally->total.closes, plural(tally->total.closes));
    if (tally->mode[UNDER_ENFORCE].processes == 0)
        paragraph(page, "audit: nothing was changed");
    else if (tally->mode[UNDER_AUDIT].processes == 0)
        paragraph(page, "enforce: the policy was applied");
    else
        paragraph(page, "some processes only observed (audit), others under the policy (enforce)");
}

/* --- totals --- */

static int by_outcome(const void *left, const void *right)
{
    const struct row *a = *(struct row *const *)left;
    const struct row *b = *(struct row *const *)right;
    int order = outcome_order(a->key) - outcome_order(b->key);
    return order ? order : strcmp(a->key, b->key);
}

/* Was anything done, so that it needs a column? */
static bool enforced(const struct page *page)
{
    return page->tally->mode[UNDER_ENFORCE].processes > 0 ||
           page->tally->mode[UNDER_ENFORCE].total.closes > 0;
}

static void add_repaired(struct text_table *table, const struct counts *counts)
{
    bool bad = counts->outcome[OUTCOME_RESET] + counts->outcome[OUTCOME_EXPOSED] > 0;
    if (bad)
        table_add(table, "%" PRIu64, counts->repaired_resets + counts->repaired_exposed);
    else
        table_add(table, "%s", "");
}

static void add_bytes(struct text_table *table, const struct counts *counts)
{
    char unread[HUMAN_BYTES_SIZE];
    char unsent[HUMAN_BYTES_SIZE];
    bool lost = counts->outcome[OUTCOME_RESET] > 0;
    table_add(table, "%s", lost ? human_bytes(counts->unread, unread) : "");
    table_add(table, "%s", lost ? human_bytes(counts->unsent, unsent) : "");
}

static void add_total_row(const struct page *page, struct text_table *table,
                          const struct counts *counts, const char *outcome, const char *cause)
{
    uint64_t all = page->tally->total.closes;
    table_add(table, "%" PRIu64, counts->closes);
    table_add(table, "%.1f", all ? 100.0 * (double)counts->closes / (double)all : 0);
    if (enforced(page))
        add_repaired(table, counts);
    add_bytes(table, counts);
    table_add(table, "%s", outcome);
    table_add(table, "%s", cause);
}

static void add_bytes_heads(struct text_table *table)
{
    table_add(table, "unread lost");
    table_add(table, "unsent, at most");
}

static void explain_totals(const struct page *page, struct row **rows, size_t count)
{
    fputc('\n', page->stream);
    for (size_t i = 0; i < count; i++) {
        char label[80];
        const char *meaning = outcome_meaning(rows[i]->key);
        snprintf(label, sizeof label, "  %s", rows[i]->key);
        print_wrapped(page->stream, label, 22, meaning ? meaning : "unknown to this softclose");
    }
    if (enforced(page))
        print_wrapped(page->stream, "  repaired", 22,
                      "softclose saw to an orderly end instead, so nothing counts as lost; the "
                      "drains tell where it gave up");
    if (page->tally->total.outcome[OUTCOME_RESET] == 0)
        return;
    print_wrapped(page->stream, "  unread lost", 22,
                  "bytes that had arrived and that the program never read");
    print_wrapped(page->stream, "  unsent, at most", 22,
                  "bytes that the program had written and the peer had not yet acknowledged: at "
                  "most these were lost, some may still have arrived");
}

static void print_totals(const struct page *page)
{
    const struct tally *tally = page->tally;
    struct text_table table;
    size_t count;
    struct row **rows = tally_sorted(&tally->causes, false, &count);
    if (!rows || count == 0) {
        free(rows);
        return;
    }
    qsort(rows, count, sizeof(struct row *), by_outcome);
    heading(page, "%s",
            enforced(page) ? "HOW THE CONNECTIONS WOULD HAVE ENDED, AND WHAT WAS REPAIRED"
                           : "HOW THE CONNECTIONS ENDED");
    size_t columns = enforced(page) ? 7 : 6;
    table_start(&table, columns);
    table_add(&table, "closes");
    table_add(&table, "%%");
    if (enforced(page))
        table_add(&table, "repaired");
    add_bytes_heads(&table);
    table_add(&table, "outcome");
    table_add(&table, "cause");
    for (size_t i = 0; i < count; i++) {
        char outcome[64];
        snprintf(outcome, sizeof outcome, "%s", rows[i]->key);
        char *cause = strchr(outcome, ' ');
        *cause++ = '\0';
        add_total_row(page, &table, &rows[i]->counts, outcome, cause);
    }
    add_total_row(page, &table, &tally->total, "in all", "");
    table_print(&table, columns - 2, page->stream);
    table_end(&table);
    explain_totals(page, rows, count);
    free(rows);
}

/* --- tables by site, peer, program --- */

static void add_key(struct text_table *table, enum report_key by, const struct row *row)
{
    if (by == BY_SITE && !row->module)
        table_add(table, "0x%" PRIx64 " (in no known module)", row->offset);
    else if (by == BY_SITE && *row->module->build_id)
        table_add(table, "%s+0x%" PRIx64 " [%.8s]", row->module->path, row->offset,
                  row->module->build_id);
    else if (by == BY_SITE)
        table_add(table, "%s+0x%" PRIx64, row->module->path, row->offset);
    else if (by == BY_PEER && strcmp(row->key, "unix:") == 0)
        table_add(table, "%s", "unix: (unnamed)");
    else
        table_add(table, "%s", *row->key ? row->key : "(no name)");
}

static void add_counts_row(const struct page *page, struct text_table *table, enum report_key by,
                           const struct counts *counts)
{
    if (by != BY_SITE)
        table_add(table, "%" PRIu64, counts->closes);
    table_add(table, "%" PRIu64, counts->outcome[OUTCOME_RESET]);
    table_add(table, "%" PRIu64, counts->outcome[OUTCOME_EXPOSED]);
    if (enforced(page))
        add_repaired(table, counts);
    add_bytes(table, counts);
}

static void print_ranking(const struct page *page, enum report_key by)
{
    static const struct {
        const char *title, *column;
        size_t table;
        bool bad_only;
    } kinds[] = {
        [BY_SITE] = {"CALL SITES", "called from (return address)", offsetof(struct tally, sites),
                     true},
        [BY_PEER] = {"PEERS", "peer", offsetof(struct tally, peers), true},
        [BY_PROGRAM] = {"PROGRAMS", "program", offsetof(struct tally, programs), false},
        [BY_CAUSE] = {"CAUSES", "outcome, cause", offsetof(struct tally, causes), false},
    };
    const struct table *source = (const void *)((const char *)page->tally + kinds[by].table);
    size_t count;
    struct row **rows = tally_sorted(source, kinds[by].bad_only, &count);
    size_t shown = page->options->top && page->options->top < count ? page->options->top : count;
    if (!rows || count == 0) {
        free(rows);
        return;
    }
    heading(page, "%s%s: %s%zu of %zu", kinds[by].title,
            !kinds[by].bad_only ? ""
            : enforced(page)    ? " of closes that would have reset or been exposed"
                                : " of closes that reset or are exposed",
            shown < count ? "the first " : "", shown, count);
    struct text_table table;
    table_start(&table, enforced(page) ? 7 : 6);
    if (by != BY_SITE)
        table_add(&table, "closes");
    table_add(&table, "resets");
    table_add(&table, "exposed");
    if (enforced(page))
        table_add(&table, "repaired");
    add_bytes_heads(&table);
    if (by == BY_SITE)
        table_add(&table, "by");
    table_add(&table, "%s", kinds[by].column);
    for (size_t i = 0; i < shown; i++) {
        add_counts_row(page, &table, by, &rows[i]->counts);
        if (by == BY_SITE)
            table_add(&table, "%s", rows[i]->via);
        add_key(&table, by, rows[i]);
    }
    if (source->rest.closes > 0) {
        add_counts_row(page, &table, by, &source->rest);
        if (by == BY_SITE)
            table_add(&table, "%s", "");
        table_add(&table, "(all others, not told apart)");
    }
    table_print(&table, (by == BY_SITE ? 4 : 5) + (enforced(page) ? 1 : 0), page->stream);
    table_end(&table);
    free(rows);
}

/* --- the rest --- */

static void print_double_closes(const struct page *page)
{
    struct text_table table;
    size_t count;
    size_t shown = 0;
    struct row **rows = tally_sorted(&page->tally->sites, false, &count);
    table_start(&table, 2);
    for (size_t i = 0; rows && i < count; i++) {
        uint64_t times = rows[i]->counts.outcome[OUTCOME_INVALID];
        if (times == 0 || (page->options->top && shown == page->options->top))
            continue;
        table_add(&table, "  %" PRIu64, times);
        add_key(&table, BY_SITE, rows[i]);
        shown++;
    }
    table_print(&table, 1, page->stream);
    table_end(&table);
    free(rows);
}

static void print_also(const struct page *page)
{
    const struct tally *tally = page->tally;
    uint64_t invalid = tally->total.outcome[OUTCOME_INVALID];
    const uint64_t *shutdowns = tally->shutdowns;
    heading(page, "ALSO SEEN");
    paragraph(page, "SO_LINGER {on, 0} was set %" PRIu64 " time%s", tally->lingers,
              plural(tally->lingers));
    paragraph(page,
              "shutdown was called %" PRIu64 " time%s: SHUT_RD %" PRIu64 ", SHUT_WR %" PRIu64
              ", SHUT_RDWR %" PRIu64,
              shutdowns[0] + shutdowns[1] + shutdowns[2],
              plural(shutdowns[0] + shutdowns[1] + shutdowns[2]), shutdowns[0], shutdowns[1],
              shutdowns[2]);
    if (tally->shutdown_exposed > 0)
        paragraph(page,
                  "%" PRIu64 " of these shut both halves while the peer was still open: whatever "
                  "it sends after that is answered with a reset",
                  tally->shutdown_exposed);
    if (tally->by_shutdown > 0)
        paragraph(page,
                  "%" PRIu64 " of these shut a listener with connections waiting; they are counted "
                  "as closes above",
                  tally->by_shutdown);
    if (tally->total.backlog > 0)
        paragraph(page, "%" PRIu64 " connection%s reset with the listener that %s waited in",
                  tally->total.backlog, tally->total.backlog == 1 ? " was" : "s were",
                  tally->total.backlog == 1 ? "it" : "they");
    paragraph(page, "double closes (of a descriptor that was not open): %" PRIu64, invalid);
    if (invalid > 0)
        print_double_closes(page);
}

static void print_missing(const struct page *page)
{
    const struct tally *tally = page->tally;
    if (tally->killed > 0)
        paragraph(page,
                  "%" PRIu64 " process%s left no summary: killed, or still running. What was open "
                  "when %s killed was closed by the kernel unseen.",
                  tally->killed, tally->killed == 1 ? "" : "es",
                  tally->killed == 1 ? "it was" : "they were");
    if (tally->unwritten > 0)
        paragraph(page, "%" PRIu64 " event%s could not be written: the log was full or gone.",
                  tally->unwritten, plural(tally->unwritten));
    if (tally->unseen > 0)
        paragraph(page,
                  "%" PRIu64 " socket%s closed by a road that softclose does not see (raw system "
                  "calls, io_uring).",
                  tally->unseen, tally->unseen == 1 ? " was" : "s were");
    if (tally->not_in_log > tally->unwritten)
        paragraph(page,
                  "%" PRIu64 " close%s counted by the processes are not in the log: log.events "
                  "left them out%s, or the log is not whole.",
                  tally->not_in_log - tally->unwritten,
                  plural(tally->not_in_log - tally->unwritten),
                  enforced(page) ? " (as it does under enforce with what needs no change)" : "");
    if (tally->bad_lines + tally->truncated > 0)
        paragraph(page,
                  "%" PRIu64 " line%s of the log could not be read (%" PRIu64
                  " broken off at the end, which is normal).",
                  tally->bad_lines + tally->truncated, plural(tally->bad_lines + tally->truncated),
                  tally->truncated);
    if (tally->out_of_memory)
        paragraph(page, "Memory ran out: some events are not counted here.");
}

static void print_uncovered(const struct page *page)
{
    const struct tally *tally = page->tally;
    size_t count;
    struct row **notes = tally_sorted(&tally->notes, false, &count);
    heading(page, "WHAT WAS NOT COVERED, AND WHY");
    print_missing(page);
    for (size_t i = 0; notes && i < count; i++) {
        uint64_t times = notes[i]->counts.closes;
        if (times > 1)
            paragraph(page, "%s (%" PRIu64 " times)", notes[i]->key, times);
        else
            paragraph(page, "%s", notes[i]->key);
    }
    if (tally->killed + tally->unwritten + tally->unseen + tally->not_in_log + tally->bad_lines +
            tally->truncated + tally->out_of_memory + count ==
        0)
        paragraph(page, "Nothing, as far as this log can tell.");
    free(notes);
}

void report_text(FILE *stream, const struct tally *tally, const char *title,
                 const struct report_options *options)
{
    const struct page page = {stream, tally, options};
    size_t count;
    print_head(&page, title);
    print_totals(&page);
    print_repairs(&page);
    if (options->by == BY_ALL) {
        print_ranking(&page, BY_SITE);
        print_ranking(&page, BY_PEER);
        print_ranking(&page, BY_PROGRAM);
    } else {
        print_ranking(&page, options->by);
    }
    print_also(&page);
    print_uncovered(&page);
    heading(&page, "NEXT");
    struct row **worst = tally_sorted(&tally->sites, true, &count);
    print_next(stream, tally, worst && count > 0 ? worst[0] : NULL);
    free(worst);
}
