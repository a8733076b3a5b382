/* SPDX-License-Identifier: MIT */
/* The judge is itself put to the test: logs written by hand, right ones and each kind of wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "judge.h"

#define CLOSE(fields) "{\"v\":1,\"event\":\"close\",\"pid\":7,\"fd\":5," fields "}\n"
#define UNREAD CLOSE("\"sock\":1,\"via\":\"close\",\"outcome\":\"reset\",\"cause\":\"unread\"")
#define OPEN CLOSE("\"sock\":1,\"via\":\"close\",\"outcome\":\"exposed\",\"cause\":\"peer-open\"")
#define FIN CLOSE("\"sock\":1,\"via\":\"close\",\"outcome\":\"fin\",\"cause\":null")

static const struct {
    const char *what;
    const char *expected;        /* outcome that the situation calls for */
    const char *at_close, *late; /* reasons that the kernel gave */
    const char *end;
    const char *log;
    enum proto_here proto;
    enum verdict verdict;
} cases[] = {
    {"as it is", "reset/unread", "TCP_ABORT_ON_CLOSE", NULL, "ECONNRESET", UNREAD, TCP4, RIGHT},
    {"reset not predicted", "fin", "TCP_ABORT_ON_CLOSE", NULL, "ECONNRESET", FIN, TCP4, MISSED},
    {"reset not sent", "reset/unread", NULL, NULL, "eof", UNREAD, TCP4, FALSE_ALARM},
    {"another reason", "reset/unread", "TCP_STATE", NULL, "ECONNRESET", UNREAD, TCP4, WRONG},
    {"part of a name", "reset/unread", "TCP_ABORT", NULL, "ECONNRESET", UNREAD, TCP4, WRONG},
    {"not the cause wanted", "fin", NULL, NULL, "eof", OPEN, TCP4, WRONG},
    {"late data", "exposed/peer-open", NULL, "TCP_TIMEWAIT_SOCKET", "eof", OPEN, TCP4, RIGHT},
    {"late, but called fin", "fin", NULL, "TCP_TIMEWAIT_SOCKET", "eof", FIN, TCP4, MISSED},
    {"UNIX as it is", "reset/unread", NULL, NULL, "ECONNRESET", UNREAD, UNIX, RIGHT},
    {"UNIX not predicted", "fin", NULL, NULL, "eof, ECONNRESET", FIN, UNIX, MISSED},
    {"UNIX not sent", "reset/unread", NULL, NULL, "eof", UNREAD, UNIX, FALSE_ALARM},
    {"no event", "reset/unread", "TCP_ABORT_ON_CLOSE", NULL, "ECONNRESET", "", TCP4, MISSED},
    {"told twice", "fin", NULL, NULL, "eof", FIN FIN, TCP4, WRONG},
    {"number used before", "fin", NULL, NULL, "eof",
     CLOSE("\"sock\":9,\"via\":\"close\",\"outcome\":\"none\"") FIN, TCP4, RIGHT},
    {"another road", "fin", NULL, NULL, "eof",
     CLOSE("\"sock\":1,\"via\":\"dup2\",\"outcome\":\"fin\""), TCP4, WRONG},
    {"another process", "fin", NULL, NULL, "eof",
     "{\"event\":\"close\",\"pid\":8,\"fd\":5,\"via\":\"close\",\"outcome\":\"fin\"}\n", TCP4,
     WRONG},
    {"reset of another socket", "fin", NULL, NULL, "eof",
     FIN "{\"event\":\"close\",\"pid\":7,\"fd\":6,\"outcome\":\"reset\",\"cause\":\"unread\"}\n",
     TCP4, FALSE_ALARM},
    {"reset by connect, not sent", "fin", NULL, NULL, "eof",
     CLOSE("\"sock\":1,\"via\":\"connect\",\"outcome\":\"reset\",\"cause\":\"disconnect\"") FIN,
     TCP4, FALSE_ALARM},
    {"alternatives", "fin|reset/unread", NULL, NULL, "eof", FIN, TCP4, RIGHT},
    {"alternatives, the wrong one", "fin|reset/unread", NULL, NULL, "eof", UNREAD, UNIX,
     FALSE_ALARM},
};

static void reset_sent(struct resets *resets, const char *reason)
{
    if (reason) {
        snprintf(resets->list[0].reason, sizeof resets->list[0].reason, "%s", reason);
        resets->list[0].source = 80;
        resets->count = 1;
    }
}

static bool write_log(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    return file && fputs(text, file) >= 0 && fclose(file) == 0;
}

int main(void)
{
    static char why[WHY];
    static struct truth truth;
    static struct prediction prediction;
    size_t count = sizeof cases / sizeof *cases, right = 0;
    char path[] = "/tmp/softclose-judge.XXXXXX";
    close(mkstemp(path));
    for (size_t i = 0; i < count; i++) {
        struct situation situation = {.name = "test", .outcome = cases[i].expected};
        truth = (struct truth){.port = 80, .pid = 7, .fd = 5};
        reset_sent(&truth.close, cases[i].at_close);
        reset_sent(&truth.late, cases[i].late);
        snprintf(truth.end, sizeof truth.end, "%s", cases[i].end);
        why[0] = '\0';
        if (!write_log(path, cases[i].log) || !prediction_read(path, 7, 5, &prediction))
            return 2;
        enum verdict verdict =
            judge_prediction(&situation, &roads[0], cases[i].proto, &truth, &prediction, why);
        if (verdict == cases[i].verdict)
            right++;
        else
            printf("%s: verdict %d instead of %d: %s\n", cases[i].what, verdict, cases[i].verdict,
                   why);
    }
    unlink(path);
    printf("judge: %zu of %zu logs judged right\n", right, count);
    return right == count ? 0 : 1;
}
