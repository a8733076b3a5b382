/* SPDX-License-Identifier: MIT */
/*
 * data_loss: a client writes 200,000 bytes to a server that has read nothing, and closes. What the
 * server receives when it reads afterwards, beside what softclose said of the close.
 *
 * SOFTCLOSE_LIB names the library. Exit status 0 when every trial was as predicted, 1 when not,
 * 77 when it cannot be run here.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "play.h"
#include "prediction.h"

enum { TRIALS = 20, BYTES = 200000 };

struct way {
    const char *name;
    const char *before, *after;
    bool blocks; /* close() waits for the server */
    bool loses;
    const char *outcome; /* to be predicted */
};

#define WRITE "open connected; own send 200000;"

static const struct way ways[] = {
    {"linger 0", WRITE "own linger 0", "peer end", false, true, "reset/linger-zero"},
    {"default", WRITE, "await FIN_WAIT1; peer end", false, false, "exposed/peer-open"},
    {"linger 10", WRITE "own linger 10", "await FIN_WAIT1; peer end", true, false,
     "exposed/peer-open"},
};
enum { WAYS = sizeof ways / sizeof *ways };

struct trial {
    bool played, as_predicted;
    size_t received;
    struct prediction prediction;
    struct truth truth;
};

/* A reset loses what was never sent, and at most what was not acknowledged. Nothing else does. */
static bool as_predicted(const struct way *way, const struct trial *trial)
{
    const struct prediction *prediction = &trial->prediction;
    long lost = BYTES - (long)trial->received;
    if (strcmp(prediction->outcome, way->outcome) != 0 || prediction->closes != 1)
        return false;
    if (!way->loses)
        return lost == 0 && trial->truth.close.count == 0;
    return lost > 0 && trial->truth.close.count == 1 && prediction->unsent > 0 &&
           prediction->notsent <= lost && lost <= prediction->unsent;
}

static void run(struct tracer *tracer, const char *shim, unsigned number, const struct way *way,
                struct trial *trial)
{
    const char *log = tracer_log(0);
    struct scenario scenario = {.proto = TCP4,
                                .before = way->before,
                                .after = way->after,
                                .road = "close",
                                .blocks = way->blocks,
                                .resets_at_close = way->loses,
                                .number = number,
                                .shim = shim,
                                .log = log};
    trial->played = play(&scenario, tracer, &trial->truth);
    trial->received = trial->truth.received;
    trial->as_predicted =
        trial->played &&
        prediction_read(log, trial->truth.pid, trial->truth.fd, &trial->prediction) &&
        as_predicted(way, trial);
    unlink(log);
}

static void print_trial(const struct way *way, unsigned number, const struct trial *trial)
{
    char resets[256];
    printf("%-10s %5u %8zu %7zu  %-10s  %-10s  %-18s %7ld %7ld  %s\n", way->name, number,
           trial->received, BYTES - trial->received, trial->truth.end,
           resets_text(&trial->truth.close, trial->truth.port, true, resets, sizeof resets),
           trial->prediction.outcome, trial->prediction.unsent, trial->prediction.notsent,
           trial->as_predicted       ? "ok"
           : trial->truth.failure[0] ? trial->truth.failure
                                     : "WRONG");
    if (!trial->as_predicted)
        printf("    event: %s\n", trial->prediction.line);
}

/* All trials of one way; the number of those that went as predicted. */
static unsigned try_way(struct tracer *tracer, const char *shim, const struct way *way)
{
    static struct trial trial;
    unsigned right = 0, whole = 0;
    size_t least = BYTES, most = 0;
    for (unsigned i = 0; i < TRIALS; i++) {
        trial = (struct trial){.played = false};
        run(tracer, shim, (unsigned)(way - ways) * TRIALS + i, way, &trial);
        print_trial(way, i + 1, &trial);
        right += trial.as_predicted;
        whole += trial.received == BYTES;
        least = trial.received < least ? trial.received : least;
        most = trial.received > most ? trial.received : most;
    }
    printf("data loss: %s: %u of %d whole, %zu to %zu of %d bytes received, %u of %d as "
           "predicted (%s)\n",
           way->name, whole, TRIALS, least, most, BYTES, right, TRIALS, way->outcome);
    return right;
}

int main(void)
{
    static struct tracer tracer;
    const char *shim = getenv("SOFTCLOSE_LIB"), *missing = oracle_missing();
    if (missing) {
        printf("skipped: %s\n", missing);
        return ORACLE_SKIPPED;
    }
    if (!shim || access(shim, R_OK) != 0) {
        fputs("data_loss: SOFTCLOSE_LIB does not name the library\n", stderr);
        return 2;
    }
    if (!tracer_make(0) || !tracer_open(&tracer, 0)) {
        fprintf(stderr, "data_loss: %s\n", strerror(errno));
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    printf("%-10s %5s %8s %7s  %-10s  %-10s  %-18s %7s %7s\n", "close", "trial", "received", "lost",
           "end", "resets", "predicted", "unsent", "notsent");
    unsigned right = 0;
    for (int i = 0; i < WAYS; i++)
        right += try_way(&tracer, shim, &ways[i]);
    close(tracer.fd);
    return right == WAYS * TRIALS ? 0 : 1;
}
