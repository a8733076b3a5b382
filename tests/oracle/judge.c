/* SPDX-License-Identifier: MIT */
#include "judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { TEXT = 256 };

__attribute__((format(printf, 3, 4))) static enum verdict because(enum verdict verdict, char *why,
                                                                  const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): a false alarm of clang 14 */
    vsnprintf(why, WHY, format, arguments);
    va_end(arguments);
    return verdict;
}

size_t resets_expected(const char *text)
{
    size_t count = 0;
    char copy[TEXT], *rest = NULL;
    snprintf(copy, sizeof copy, "%s", text ? text : "");
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        const char *times = strchr(word, '*');
        count += times ? (size_t)strtol(times + 1, NULL, 10) : 1;
    }
    return count;
}

const char *truth_text(const struct truth *truth, char *buffer, size_t size)
{
    char before[TEXT], close[TEXT], late[TEXT], last[TEXT], other[TEXT];
    resets_text(&truth->before, truth->port, true, before, sizeof before);
    resets_text(&truth->close, truth->port, true, close, sizeof close);
    resets_text(&truth->late, truth->port, true, late, sizeof late);
    resets_text(&truth->last, truth->port, true, last, sizeof last);
    resets_text(&truth->close, truth->port, false, other, sizeof other);
    snprintf(buffer, size,
             "before %s, at close %s, late %s, last %s, by the peer %s; peer got %zu of %zu, "
             "end \"%s%s%s\"; "
             "OutRsts %ld AbortOnClose %ld AbortOnData %ld AbortOnLinger %ld FastcloseTx %ld",
             before, close, late, last, other, truth->received, truth->sent, truth->end,
             truth->last_end[0] ? ", then " : "", truth->last_end, truth->counters.out_rsts,
             truth->counters.abort_on_close, truth->counters.abort_on_data,
             truth->counters.abort_on_linger, truth->counters.fastclose_tx);
    return buffer;
}

static bool same_resets(const struct truth *truth, const struct resets *resets, const char *text)
{
    char found[TEXT];
    return strcmp(resets_text(resets, truth->port, true, found, sizeof found), text ? text : "-") ==
           0;
}

/* Is it the text, or one of the alternatives "a|b"? */
static bool one_of(const char *alternatives, const char *text)
{
    size_t length = strlen(text);
    for (const char *at = alternatives;; at++) {
        size_t part = strcspn(at, "|");
        if (part == length && strncmp(at, text, length) == 0)
            return true;
        at += part;
        if (*at == '\0')
            return false;
    }
}

/* Nothing is lost unless a reset ended the connection. */
static bool all_received(const struct situation *situation, const struct truth *truth)
{
    return strcmp(situation->end, "eof") != 0 || truth->received == truth->sent;
}

enum verdict judge_truth(const struct situation *situation, const struct road *road,
                         enum proto_here proto, const struct truth *truth, char *why)
{
    char found[WHY / 2];
    (void)proto;
    if (truth->failure[0])
        return because(UNREACHED, why, "%s", truth->failure);
    if (!same_resets(truth, &truth->before, situation->resets_before) ||
        !same_resets(truth, &truth->close, situation->resets_at_close) ||
        !same_resets(truth, &truth->late, situation->resets_late) ||
        !one_of(situation->end, truth->end) || !all_received(situation, truth))
        return because(UNREACHED, why,
                       "kernel: %s; table: before %s, at close %s, late %s, end \"%s\"",
                       truth_text(truth, found, sizeof found),
                       situation->resets_before ? situation->resets_before : "-",
                       situation->resets_at_close ? situation->resets_at_close : "-",
                       situation->resets_late ? situation->resets_late : "-", situation->end);
    if (!WIFEXITED(truth->status) || WEXITSTATUS(truth->status) != road->status)
        return because(UNREACHED, why, "wait status %#x instead of exit %d", truth->status,
                       road->status);
    return RIGHT;
}

/* The table of outcomes and causes that the manual promises: which reasons a cause may have. */
static const char *reasons_of(const char *outcome, enum proto_here proto)
{
    static const struct {
        const char *outcome, *reasons;
    } promised[] = {
        {"reset/unread", "TCP_ABORT_ON_CLOSE"},
        {"reset/linger-zero", "TCP_STATE TCP_DISCONNECT_WITH_DATA"},
        {"reset/backlog", "TCP_STATE"},
        {"reset/linger2", "TCP_ABORT_ON_LINGER TCP_ABORT_ON_DATA"},
        {"reset/shutdown-both", "TCP_ABORT_ON_DATA"},
        {"reset/disconnect", "TCP_STATE"},
        {"exposed/peer-open", "TCP_ABORT_ON_DATA TCP_TIMEWAIT_SOCKET NO_SOCKET"},
        {"none/connecting", "NO_SOCKET"},
    };
    /* MPTCP aborts by MP_FASTCLOSE, which has one reason for all */
    if (proto == MPTCP && strcmp(outcome, "reset/backlog") == 0)
        return "TCP_ABORT_ON_CLOSE TCP_STATE";
    if (proto == MPTCP && strncmp(outcome, "reset/", 6) == 0)
        return "TCP_ABORT_ON_CLOSE";
    for (size_t i = 0; i < sizeof promised / sizeof *promised; i++)
        if (strcmp(promised[i].outcome, outcome) == 0)
            return promised[i].reasons;
    return "";
}

/* Are all resets of the program among those reasons? */
static bool reasons_fit(const struct resets *resets, uint16_t port, const char *reasons)
{
    for (size_t i = 0; i < resets->count; i++) {
        size_t length = strlen(resets->list[i].reason);
        const char *at =
            resets->list[i].source == port ? strstr(reasons, resets->list[i].reason) : reasons;
        if (!at || (resets->list[i].source == port && at[length] != ' ' && at[length] != '\0'))
            return false;
    }
    return true;
}

size_t sent_by(const struct resets *resets, uint16_t port)
{
    size_t count = 0;
    for (size_t i = 0; i < resets->count; i++)
        count += resets->list[i].source == port;
    return count;
}

/* Resets before the close: told when they were caused, or by the close as shutdown-both. */
static enum verdict judge_earlier(const struct truth *truth, const struct prediction *prediction,
                                  enum proto_here proto, char *why)
{
    size_t sent = sent_by(&truth->before, truth->port);
    const char *outcome = prediction->outcome;
    if (strcmp(outcome, "reset/shutdown-both") != 0) {
        const char *cause = strchr(prediction->earlier, ':');
        static char told[64];
        snprintf(told, sizeof told, "reset/%s", cause ? cause + 1 : "");
        outcome = told;
        if (sent > 0 && !cause)
            return because(MISSED, why, "a reset before the close was not told");
        if (sent == 0 && cause)
            return because(FALSE_ALARM, why, "told, but not sent: %s", prediction->earlier);
    } else if (sent == 0) {
        return because(FALSE_ALARM, why, "%s, but no reset before the close", outcome);
    }
    if (!reasons_fit(&truth->before, truth->port, reasons_of(outcome, proto)))
        return because(WRONG, why, "%s does not stand for the reason before the close", outcome);
    return RIGHT;
}

static bool is_unix(enum proto_here proto)
{
    return proto == UNIX || proto == SEQPACKET || proto == UNIXGRAM;
}

static enum verdict judge_close(const struct truth *truth, const struct prediction *prediction,
                                enum proto_here proto, char *why)
{
    const char *outcome = prediction->outcome, *reasons = reasons_of(outcome, proto);
    bool predicted =
        strncmp(outcome, "reset/", 6) == 0 && strcmp(outcome, "reset/shutdown-both") != 0;
    bool sent = is_unix(proto) ? strstr(truth->end, "ECONNRESET") != NULL
                               : sent_by(&truth->close, truth->port) > 0;
    if (sent && !predicted)
        return because(MISSED, why, "reset, but %s predicted", outcome);
    if (predicted && !sent)
        return because(FALSE_ALARM, why, "%s predicted, but no reset", outcome);
    if (!reasons_fit(&truth->close, truth->port, reasons))
        return because(WRONG, why, "%s does not stand for the kernel's reason", outcome);
    if (!predicted && !reasons_fit(&truth->late, truth->port, reasons))
        return because(MISSED, why, "a reset after the close that %s does not announce", outcome);
    return RIGHT;
}

/* The other holders: what is told of the last of them is what the kernel did then. */
static enum verdict judge_later(const struct truth *truth, const struct prediction *prediction,
                                enum proto_here proto, char *why)
{
    bool sent = is_unix(proto) ? strstr(truth->last_end, "ECONNRESET") != NULL
                               : sent_by(&truth->last, truth->port) > 0;
    bool predicted = strncmp(prediction->later, "reset/", 6) == 0;
    if (strcmp(prediction->outcome, "released") != 0 || sent == predicted)
        return RIGHT;
    return because(sent ? MISSED : FALSE_ALARM, why, "the last holder: reset %s, but %s predicted",
                   sent ? "sent" : "not sent", prediction->later);
}

enum verdict judge_prediction(const struct situation *situation, const struct road *road,
                              enum proto_here proto, const struct truth *truth,
                              const struct prediction *prediction, char *why)
{
    if (prediction->closes != 1)
        return because(sent_by(&truth->close, truth->port) ? MISSED : WRONG, why,
                       "%d close events of descriptor %d in the log", prediction->closes,
                       truth->fd);
    enum verdict verdict = judge_close(truth, prediction, proto, why);
    if (verdict == RIGHT)
        verdict = judge_earlier(truth, prediction, proto, why);
    if (verdict == RIGHT)
        verdict = judge_later(truth, prediction, proto, why);
    if (verdict != RIGHT)
        return verdict;
    if (prediction->others[0])
        return because(FALSE_ALARM, why, "resets told of other sockets: %s", prediction->others);
    if (!one_of(situation->outcome, prediction->outcome))
        return because(WRONG, why, "%s predicted instead of %s", prediction->outcome,
                       situation->outcome);
    if (strcmp(prediction->via, road->via) != 0)
        return because(WRONG, why, "via %s instead of %s", prediction->via, road->via);
    if (situation->unread > 0 && prediction->unread != situation->unread)
        return because(WRONG, why, "%ld bytes unread told instead of %ld", prediction->unread,
                       situation->unread);
    return RIGHT;
}

enum verdict judge_unchanged(const struct situation *situation, const struct truth *native,
                             const struct truth *audited, char *why)
{
    char left[WHY / 3], right[WHY / 3];
    if (native->failure[0])
        return because(UNREACHED, why, "natively: %s", native->failure);
    if (audited->failure[0])
        return because(WRONG, why, "audited: %s", audited->failure);
    truth_text(native, left, sizeof left);
    truth_text(audited, right, sizeof right);
    if (situation->racing && one_of(situation->end, audited->end))
        memcpy(right, left, sizeof right);
    if (strcmp(left, right) != 0)
        return because(WRONG, why, "natively: %s\naudited: %s", left, right);
    if (strcmp(native->printed, audited->printed) != 0)
        return because(WRONG, why, "printed natively:\n%saudited:\n%s", native->printed,
                       audited->printed);
    if (strcmp(native->complained, audited->complained) != 0)
        return because(WRONG, why, "stderr natively:\n%saudited:\n%s", native->complained,
                       audited->complained);
    if (native->status != audited->status)
        return because(WRONG, why, "wait status %#x natively, %#x audited", native->status,
                       audited->status);
    return RIGHT;
}
