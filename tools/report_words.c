/* SPDX-License-Identifier: MIT */
#include "report_words.h"

#include <inttypes.h>
#include <string.h>

#include "table.h"
#include "talk.h"

/* In the order in which they are shown. */
static const struct {
    const char *key, *meaning;
} meanings[] = {
    {"reset unread", "closed with received bytes unread: the peer gets a reset (ECONNRESET)"},
    {"reset linger-zero", "closed with SO_LINGER {on, 0}: a reset instead of an orderly end"},
    {"reset backlog", "a listener closed while connections waited to be accepted: all are reset"},
    {"reset linger2", "closed with TCP_LINGER2 < 0: reset instead of waiting for the peer"},
    {"reset shutdown-both", "data that came after SHUT_RDWR was answered with a reset"},
    {"reset disconnect", "connect(AF_UNSPEC) on a connection resets it"},
    {"exposed peer-open", "the peer sees an orderly end, but it had not finished sending: whatever "
                          "it still sends is answered with a reset"},
    {"invalid bad-fd", "a close of a descriptor that was not open (double close)"},
    {"fin ", "an orderly end: the peer had already finished sending"},
    {"none unconnected", "the socket was not connected"},
    {"none connecting", "closed before the connection was made"},
    {"none already-reset", "the connection was already dead when the program closed it"},
    {"none finished", "both sides had already finished"},
    {"none datagram", "a datagram socket, which has no connection"},
    {"none ", "nothing happens on the connection"},
    {"released ", "another descriptor or process still has the socket open"},
};

enum { MEANINGS = sizeof meanings / sizeof *meanings };

int outcome_order(const char *key)
{
    int at = 0;
    while (at < MEANINGS && strcmp(meanings[at].key, key) != 0)
        at++;
    return at;
}

const char *outcome_meaning(const char *key)
{
    int at = outcome_order(key);
    return at < MEANINGS ? meanings[at].meaning : NULL;
}

static void print_cures(FILE *stream, const struct tally *tally)
{
    if (tally_named(tally, "unread") > 0 || tally_named(tally, "peer-open") > 0)
        print_wrapped(stream, "  ", 2,
                      "Against unread and peer-open: before close(), call shutdown(fd, SHUT_WR), "
                      "then read and discard until the peer has finished, with a time limit.");
    if (tally_named(tally, "linger-zero") > 0)
        print_wrapped(stream, "  ", 2,
                      "Against linger-zero: do not set SO_LINGER {on, 0} where the peer is still "
                      "to get what was written. Health checks and the like may mean it.");
    if (tally_named(tally, "backlog") > 0)
        print_wrapped(stream, "  ", 2,
                      "Against backlog: accept what waits before the listener is closed, or hand "
                      "the listener on to the next process.");
}

static void print_where(FILE *stream, const struct row *worst)
{
    if (worst && strcmp(worst->via, "exit") == 0) {
        print_wrapped(stream, "  ", 2,
                      "Begin with the first call site: there the process ends with sockets still "
                      "open, and the kernel closes them.");
        return;
    }
    if (!worst || !worst->module)
        return;
    print_wrapped(stream, "  ", 2,
                  "Begin with the first call site. With debug information installed, this names "
                  "its line in the source:");
    fputs("\n    addr2line -Cfpie ", stream);
    print_clean(stream, worst->module->path);
    /* a return address; the call is the instruction before */
    fprintf(stream, " 0x%" PRIx64 "\n\n", worst->offset ? worst->offset - 1 : 0);
}

/* In mode enforce: what was left to do is the rest. */
static void print_repaired(FILE *stream, const struct tally *tally)
{
    char text[200];
    const struct counts *total = &tally->total;
    uint64_t repaired = total->repaired_resets + total->repaired_exposed;
    uint64_t given_up = drains_given_up(tally);
    if (repaired == 0)
        return;
    snprintf(text, sizeof text,
             "softclose repaired %" PRIu64 " close%s: %" PRIu64 " reset%s, %" PRIu64 " exposed.",
             repaired, repaired == 1 ? "" : "s", total->repaired_resets,
             total->repaired_resets == 1 ? "" : "s", total->repaired_exposed);
    print_wrapped(stream, "  ", 2, text);
    if (given_up == 0)
        return;
    snprintf(text, sizeof text,
             "%" PRIu64 " drain%s gave up before the peer had finished. The limits are in the "
             "policy: close.drain_idle and the like.",
             given_up, given_up == 1 ? "" : "s");
    print_wrapped(stream, "  ", 2, text);
}

static void print_enforce(FILE *stream, const struct counts *audit)
{
    char text[200];
    uint64_t curable = audit->curable_resets + audit->curable_exposed;
    if (curable == 0)
        return;
    snprintf(text, sizeof text,
             "Or leave the program as it is and run it with --enforce, which would repair %" PRIu64
             " of these %" PRIu64 " closes.",
             curable, audit->outcome[OUTCOME_RESET] + audit->outcome[OUTCOME_EXPOSED]);
    print_wrapped(stream, "  ", 2, text);
}

void print_next(FILE *stream, const struct tally *tally, const struct row *worst)
{
    char text[200];
    uint64_t resets = resets_left(&tally->total);
    uint64_t exposed = exposed_left(&tally->total);
    if (tally->total.closes == 0) {
        print_wrapped(stream, "  ", 2,
                      "No socket was closed while the log was written, so there is nothing to "
                      "judge. Let the program do the work in question and look again.");
        return;
    }
    print_repaired(stream, tally);
    if (resets + exposed == 0) {
        bool repaired = tally->total.repaired_resets + tally->total.repaired_exposed > 0;
        print_wrapped(
            stream, "  ", 2,
            repaired ? "No other close needed one. Peers that are slow or still sending show most: "
                       "look again under the load that gave trouble."
                     : "Every connection seen here ended in order. Peers that are slow "
                       "or still sending show most: look again under the load that gave "
                       "trouble.");
        return;
    }
    if (resets > 0)
        snprintf(text, sizeof text, "%" PRIu64 " of %" PRIu64 " closes %s a connection.", resets,
                 tally->total.closes, resets == 1 ? "resets" : "reset");
    else
        snprintf(text, sizeof text,
                 "No close resets a connection by itself, but %" PRIu64 " of %" PRIu64
                 " leave%s a peer that may run into one.",
                 exposed, tally->total.closes, exposed == 1 ? "s" : "");
    print_wrapped(stream, "  ", 2, text);
    print_where(stream, worst);
    print_cures(stream, tally);
    print_enforce(stream, &tally->mode[UNDER_AUDIT].total);
}
