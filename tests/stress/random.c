/* SPDX-License-Identifier: MIT */
/*
 * random: random programs natively, under audit and under enforce. See usage().
 *
 * SOFTCLOSE_LIB names the library. Exit status 0: nothing found; 1: something found; 77: cannot be
 * run here.
 */
#include "lab.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Fresh namespaces now and then: connections in TIME_WAIT pile up. */
enum { BATCH = 250, JOBS_MOST = 8 };

static struct {
    uint64_t seed, operations;
    unsigned programs, modes, jobs, found_most;
    double seconds;
    bool shrink, show, print, unsteady;
    const char *file, *shim;
} options = {.programs = 100, .modes = 1 << AUDIT | 1 << ENFORCE, .found_most = 1, .shrink = true};

/* Shared with the workers. */
static struct totals {
    _Atomic uint64_t next, programs, operations, unsteady, found;
    struct findings findings[JOBS_MOST];
} * totals;

static void usage(FILE *file)
{
    fputs("usage: random [OPTION]...\n"
          "\n"
          "Generates programs of socket, descriptor, thread, fork and signal operations and runs\n"
          "each natively, under audit (everything must be the same) and under enforce (the peer\n"
          "gets every byte and EOF, unless the program asked for less).\n"
          "\n"
          "  --seed N         of the first program; the next have N+1, ... (default: the time)\n"
          "  --programs N     how many (default 100)\n"
          "  --operations N   go on until so many operations have been performed\n"
          "  --seconds N      stop after that time\n"
          "  --mode MODE      audit or enforce (default: both)\n"
          "  --jobs N         at a time (default: one for each processor)\n"
          "  --find N         stop after N findings (default 1)\n"
          "  --no-shrink      show failing programs as they are\n"
          "  --program FILE   run this program only (as printed by a failure)\n"
          "  --print          print the program of --seed and stop\n"
          "  --show           print what each run returned, and the logs\n"
          "  --unsteady       also print what failed at first and not again\n"
          "\n"
          "One actor at a time, one processor for each program, and a peer that answers when all\n"
          "has arrived keep results from depending on time. Where packets race all the same, a\n"
          "program that fails is run again, and counts when it fails three times in a row.\n"
          "Exit status: 0 nothing found, 1 found, 2 bad usage, 3 could not go on, 77 cannot be "
          "run.\n",
          file);
}

enum failure lab_try(struct lab *lab, const struct program *program, unsigned modes,
                     struct findings *findings, uint64_t *unsteady, char *why)
{
    static struct outcome native, other;
    enum failure failure = FINE;

    for (int tries = 0; tries < 3; tries++) {
        struct findings once = {0};
        failure = FINE;
        if (!lab_run(lab, program, NATIVE, &native)) {
            *unsteady += 1;
            continue;
        }
        if (native.status == -1) {
            snprintf(why, WHY_ROOM, "natively it did not come to an end");
            failure = HUNG;
        }
        for (enum mode mode = AUDIT; mode < MODES && failure == FINE; mode++) {
            if ((modes & 1u << mode) == 0 || !lab_run(lab, program, mode, &other))
                continue;
            failure = mode == AUDIT ? judge_audit(program, &native, &other, &once, why)
                                    : judge_enforce(program, &native, &other, &once, why);
        }
        if (failure == FINE) {
            for (int i = 0; i < EXEMPTIONS; i++)
                findings->exempt[i] += once.exempt[i];
            findings->connections += once.connections;
            findings->whole += once.whole;
            findings->resets_native += once.resets_native;
            findings->resets_enforced += once.resets_enforced;
            *unsteady += tries > 0;
            break;
        }
    }
    totals->operations += native.operations;
    return failure;
}

static void show(struct lab *lab, const struct program *program)
{
    static const char *const names[] = {"native", "audit", "enforce"};
    static struct outcome outcome;

    for (enum mode mode = NATIVE; mode < MODES; mode++) {
        if (mode != NATIVE && (options.modes & 1u << mode) == 0)
            continue;
        lab->keep_log = true;
        lab_run(lab, program, mode, &outcome);
        lab->keep_log = false;
        printf("---- %s: status %x, %ld resets\n%s", names[mode], outcome.status,
               outcome.counters.out_rsts, outcome.trace);
        for (uint32_t i = 0; i < outcome.connection_count; i++) {
            const struct connection *one = &outcome.connections[i];
            printf("connection %u: slot %d why %x wrote %" PRIu64 " got %" PRIu64 " end %d %d,%s\n",
                   i, one->tag, one->why, one->sent, one->got, one->end, one->error, one->story);
        }
        for (size_t i = 0; i < outcome.resets.count; i++)
            printf("reset %s from %u to %u\n", outcome.resets.list[i].reason,
                   outcome.resets.list[i].source, outcome.resets.list[i].target);
        FILE *log = mode == NATIVE ? NULL : fopen(lab->log, "re");
        char line[2000];
        while (log && fgets(line, sizeof line, log))
            fputs(line, stdout);
        if (log)
            fclose(log);
    }
    fflush(stdout);
}

static void report(struct lab *lab, struct program *program, enum failure failure, char *why)
{
    size_t before = program->count;
    static char text[1 << 16];
    FILE *out = fmemopen(text, sizeof text, "w");

    fprintf(out, "FOUND seed %" PRIu64 ": %s\n%s\n", program->seed, failure_names[failure], why);
    if (options.shrink) {
        struct findings findings = {0};
        uint64_t unsteady = 0;
        shrink(lab, program, options.modes, failure);
        if (lab_try(lab, program, options.modes, &findings, &unsteady, why) == FINE)
            snprintf(why, WHY_ROOM, "(it does not fail every time)");
        fprintf(out, "smallest program found: %zu of %zu operations\n%s\n", program->count, before,
                why);
    }
    fprintf(out, "replay: save the lines from \"program\" on to FILE, then random --program FILE "
                 "--show\n");
    program_write(program, out);
    fclose(out);
    printf("%s", text);
    fflush(stdout);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool load(struct program *program)
{
    unsigned line;
    FILE *file = fopen(options.file, "re");
    bool good = file && program_read(program, file, &line);

    if (!file)
        perror(options.file);
    else if (!good)
        fprintf(stderr, "%s:%u: not an operation\n", options.file, line);
    if (file)
        fclose(file);
    return good;
}

static bool more(double until)
{
    return totals->found < options.found_most && (options.seconds == 0 || now() < until) &&
           (options.operations > 0 ? totals->operations < options.operations
                                   : totals->next < options.programs);
}

static void work(unsigned number, int tracer, double until)
{
    struct lab lab = {.shim = options.shim};
    struct program program;
    char why[WHY_ROOM] = "";

    if (!lab_open(&lab, number, tracer))
        _exit(3);
    for (int i = 0; i < BATCH && more(until); i++) {
        uint64_t unsteady = 0;
        if (!options.file)
            program_generate(&program, options.seed + totals->next++);
        else if (totals->next++ > 0 || !load(&program))
            break;
        if (options.show)
            show(&lab, &program);
        enum failure failure =
            lab_try(&lab, &program, options.modes, &totals->findings[number], &unsteady, why);
        totals->programs++;
        if (unsteady > 0 && options.unsteady)
            printf("unsteady: seed %" PRIu64 ": %s\n", program.seed, why);
        fflush(stdout);
        totals->unsteady += unsteady;
        if (failure != FINE) {
            report(&lab, &program, failure, why);
            totals->found++;
        }
    }
    _exit(0);
}

static int run(void)
{
    pid_t workers[JOBS_MOST] = {0};
    double until = now() + options.seconds;
    int status, failed = 0;

    for (unsigned i = 0; i < options.jobs; i++)
        if (!tracer_make((int)i))
            return 3;
    for (unsigned running = 0; running > 0 || (more(until) && !failed);) {
        for (unsigned i = 0; i < options.jobs; i++) {
            if (workers[i] != 0 || !more(until) || failed)
                continue;
            fflush(NULL);
            workers[i] = fork();
            if (workers[i] == 0)
                work(i, (int)i, until);
            tracer_worker(workers[i]);
            running++;
        }
        pid_t pid = waitpid(-1, &status, 0);
        for (unsigned i = 0; i < options.jobs && pid > 0; i++) {
            if (workers[i] != pid)
                continue;
            tracer_worker_done(pid);
            workers[i] = 0;
            running--;
            failed |= status != 0;
        }
    }
    return failed ? 3 : 0;
}

static void print_totals(double seconds)
{
    struct findings sum = {0};

    for (unsigned i = 0; i < options.jobs; i++) {
        const struct findings *one = &totals->findings[i];
        sum.connections += one->connections;
        sum.whole += one->whole;
        sum.resets_native += one->resets_native;
        sum.resets_enforced += one->resets_enforced;
        for (int k = 0; k < EXEMPTIONS; k++)
            sum.exempt[k] += one->exempt[k];
    }
    printf("enforce: %" PRIu64 " connections with the peer, %" PRIu64 " whole, resets sent %" PRIu64
           " (natively %" PRIu64 ")\n",
           sum.connections, sum.whole, sum.resets_enforced, sum.resets_native);
    for (int i = 0; i < EXEMPTIONS; i++)
        if (sum.exempt[i] > 0)
            printf("  exempt: %6" PRIu64 " %s\n", sum.exempt[i], exemption_names[i]);
    printf("seed %" PRIu64 ": %" PRIu64 " programs, %" PRIu64 " operations in each way, %.0f s, "
           "%" PRIu64 " unsteady, %" PRIu64 " found\n",
           options.seed, totals->programs, totals->operations, seconds, totals->unsteady,
           totals->found);
}

static void read_options(int argument_count, char **arguments)
{
    static const struct option long_options[] = {
        {"seed", 1, 0, 's'},       {"programs", 1, 0, 'p'},
        {"operations", 1, 0, 'o'}, {"seconds", 1, 0, 't'},
        {"mode", 1, 0, 'm'},       {"jobs", 1, 0, 'j'},
        {"find", 1, 0, 'f'},       {"no-shrink", 0, 0, 'n'},
        {"program", 1, 0, 'P'},    {"print", 0, 0, 'r'},
        {"show", 0, 0, 'w'},       {"unsteady", 0, 0, 'u'},
        {"help", 0, 0, 'h'},       {0, 0, 0, 0}};
    int option;

    options.seed = (uint64_t)time(NULL) * 1000 + (uint64_t)getpid() % 1000;
    options.jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    while ((option = getopt_long(argument_count, arguments, "", long_options, NULL)) != -1) {
        switch (option) {
        case 's':
            options.seed = strtoull(optarg, NULL, 10);
            break;
        case 'p':
            options.programs = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'o':
            options.operations = strtoull(optarg, NULL, 10);
            break;
        case 't':
            options.seconds = atof(optarg);
            break;
        case 'm':
            options.modes = strcmp(optarg, "audit") == 0 ? 1 << AUDIT : 1 << ENFORCE;
            break;
        case 'j':
            options.jobs = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'f':
            options.found_most = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'n':
            options.shrink = false;
            break;
        case 'P':
            options.file = optarg;
            break;
        case 'r':
            options.print = true;
            break;
        case 'w':
            options.show = true;
            break;
        case 'u':
            options.unsteady = true;
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            usage(stderr);
            exit(2);
        }
    }
    if (options.file || options.jobs < 1)
        options.programs = options.jobs = 1;
    if (options.jobs > JOBS_MOST)
        options.jobs = JOBS_MOST;
}

int main(int argument_count, char **arguments)
{
    read_options(argument_count, arguments);
    if (options.print) {
        static struct program program;
        program_generate(&program, options.seed);
        program_write(&program, stdout);
        return 0;
    }
    const char *missing = oracle_missing();
    options.shim = getenv("SOFTCLOSE_LIB");
    if (missing || !options.shim) {
        printf("skipped: %s\n", missing ? missing : "SOFTCLOSE_LIB is not set");
        return ORACLE_SKIPPED;
    }
    totals = mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double start = now();
    int failed = run();
    print_totals(now() - start);
    return failed ? failed : totals->found > 0;
}
