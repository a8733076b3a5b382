/* SPDX-License-Identifier: MIT */
/*
 * matrix: every situation crossed with every road to a close and every protocol.
 *
 *   matrix               under audit: is what the log predicts what the kernel did?
 *   matrix --native      without softclose: what does the kernel do?
 *   matrix --unchanged   both: does anything differ?
 *   matrix --enforce     under enforce: no reset, and the peer has everything and the end?
 *   --late MS            how long the peer goes on sending after the close (enforce; 1000)
 *   --only GLOB          of "situation/proto/road", e.g. 'unread/tcp4/x' with * for x
 *   --events FILE        adds the logs of all cells to the file
 *   --jobs N, --verbose
 *
 * SOFTCLOSE_LIB names the library. Exit status 0 when every cell is right, 1 when not, 77 when
 * it cannot be run here.
 */
#include "matrix.h"

#include "cure.h"

#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CELLS = 4096, DETAILS = 60 };

static const char *cell_name(const struct cell *cell, char *buffer, size_t size)
{
    snprintf(buffer, size, "%s/%s/%s", cell->situation->name, proto_here_name(cell->proto),
             cell->road->name);
    return buffer;
}

static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; at && (at = strstr(at, word)); at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

/* Can the cell be played at all? */
static void prepare_cell(struct cell *cell, bool available, enum mode mode)
{
    const struct situation *situation = cell->situation;
    bool senseless = has_word(situation->skip, cell->road->name);
    const char *limit = mode == PREDICT   ? situation->limit
                        : mode == ENFORCE ? cure_limit(situation, cell->proto)
                                          : NULL;
    cell->verdict = available && !senseless && !limit ? UNREACHED : SKIPPED;
    snprintf(cell->why, sizeof cell->why, "%s",
             !available  ? "no such sockets on this machine"
             : senseless ? situation->why
             : limit     ? limit
                         : "not played");
}

static size_t fill_cells(const struct options *options, struct cell *cells)
{
    size_t count = 0;
    char name[96];
    bool available[PROTOS_HERE];
    for (enum proto_here proto = 0; proto < PROTOS_HERE; proto++)
        available[proto] = proto_here_available(proto);
    for (size_t s = 0; s < situations_count; s++) {
        for (enum proto_here proto = 0; proto < PROTOS_HERE; proto++) {
            for (size_t r = 0; situations[s].protos & 1U << proto && r < roads_count; r++) {
                struct cell *cell = &cells[count];
                cell->situation = &situations[s];
                cell->road = &roads[r];
                cell->proto = proto;
                prepare_cell(cell, available[proto], options->mode);
                if (!options->only ||
                    fnmatch(options->only, cell_name(cell, name, sizeof name), 0) == 0)
                    count += count + 1 < CELLS;
            }
        }
    }
    return count;
}

static void print_rows(const struct cell *cells, size_t count)
{
    static const char *const words[] = {"ok", "WRONG", "FALSE", "MISSED", "UNREACHED", "-"};
    printf("%-36s", "");
    for (size_t r = 0; r < roads_count; r++)
        printf(" %-11s", roads[r].name);
    for (size_t i = 0; i < count; i++) {
        const struct cell *cell = &cells[i];
        if (i == 0 || cell->situation != cell[-1].situation || cell->proto != cell[-1].proto) {
            printf("\n%-26s%-10s", cell->situation->name, proto_here_name(cell->proto));
            for (size_t r = 0; r < (size_t)(cell->road - roads); r++)
                printf(" %-11s", "");
        }
        printf(" %-11s", words[cell->verdict]);
    }
    printf("\n\n");
}

static void print_details(const struct options *options, const struct cell *cells, size_t count)
{
    char name[96];
    const char *told = NULL;
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        const struct cell *cell = &cells[i];
        if (cell->verdict == SKIPPED) {
            if (told != cell->situation->name)
                printf("skipped %s and the like: %s\n", cell_name(cell, name, sizeof name),
                       cell->why);
            told = cell->situation->name;
        } else if (cell->verdict == RIGHT) {
            if (options->verbose || (options->mode == NATIVE && cell->road == roads))
                printf("%s: %s\n", cell_name(cell, name, sizeof name), cell->why);
        } else if (++wrong <= DETAILS || options->verbose) {
            printf("%s: %s\n", cell_name(cell, name, sizeof name), cell->why);
        }
    }
    if (wrong > DETAILS && !options->verbose)
        printf("and %zu more, told with --verbose\n", wrong - DETAILS);
}

static int print_score(const struct options *options, const struct cell *cells, size_t count)
{
    static const char *const titles[] = {"matrix", "native", "unchanged", "enforce"};
    size_t tally[VERDICTS] = {0};
    for (size_t i = 0; i < count; i++)
        tally[cells[i].verdict]++;
    size_t played = count - tally[SKIPPED];
    size_t replayed = 0;
    for (size_t i = 0; i < count; i++)
        replayed += cells[i].replays;
    if (options->mode == UNCHANGED)
        printf("unchanged: %zu compared, %zu differing, %zu not reached, %zu played again\n",
               played, tally[WRONG], tally[UNREACHED], replayed);
    else if (options->mode == ENFORCE)
        printf("enforce: %zu of %zu cells cured, %zu reset, %zu otherwise wrong, %zu not reached, "
               "%zu skipped\n",
               tally[RIGHT], played, tally[MISSED], tally[WRONG], tally[UNREACHED], tally[SKIPPED]);
    else
        printf("%s: %zu of %zu cells right, %zu false alarms, %zu missed, %zu otherwise wrong, "
               "%zu not reached, %zu skipped, %zu played again\n",
               titles[options->mode], tally[RIGHT], played, tally[FALSE_ALARM], tally[MISSED],
               tally[WRONG], tally[UNREACHED], tally[SKIPPED], replayed);
    return played > 0 && tally[RIGHT] == played ? 0 : 1;
}

static bool read_options(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {{"native", no_argument, NULL, 'n'},
                                          {"unchanged", no_argument, NULL, 'u'},
                                          {"enforce", no_argument, NULL, 'e'},
                                          {"late", required_argument, NULL, 'l'},
                                          {"only", required_argument, NULL, 'o'},
                                          {"jobs", required_argument, NULL, 'j'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {"events", required_argument, NULL, 'k'},
                                          {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'n':
            options->mode = NATIVE;
            break;
        case 'u':
            options->mode = UNCHANGED;
            break;
        case 'e':
            options->mode = ENFORCE;
            break;
        case 'l':
            options->late_ms = (int)strtol(optarg, NULL, 10);
            break;
        case 'o':
            options->only = optarg;
            break;
        case 'j':
            options->jobs = (int)strtol(optarg, NULL, 10);
            break;
        case 'k':
            options->events = optarg;
            break;
        case 'v':
            options->verbose = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc && options->jobs >= 1 && options->jobs <= 16;
}

int main(int argc, char **argv)
{
    struct options options = {.jobs = 2, .late_ms = 1000, .shim = getenv("SOFTCLOSE_LIB")};
    if (!read_options(argc, argv, &options)) {
        fputs("usage: matrix [--native|--unchanged|--enforce] [--late MS] [--only GLOB]\n"
              "              [--jobs 1-16] [--events FILE] [--verbose]\n",
              stderr);
        return 2;
    }
    const char *missing = oracle_missing();
    if (missing) {
        printf("skipped: %s\n", missing);
        return ORACLE_SKIPPED;
    }
    if (options.mode != NATIVE && (!options.shim || access(options.shim, R_OK) != 0)) {
        fputs("matrix: SOFTCLOSE_LIB does not name the library\n", stderr);
        return 2;
    }
    struct cell *cells = mmap(NULL, CELLS * sizeof *cells, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (cells == MAP_FAILED)
        return 2;
    size_t count = fill_cells(&options, cells);
    bool played = play_all(&options, cells, count);
    print_rows(cells, count);
    print_details(&options, cells, count);
    int status = print_score(&options, cells, count);
    return played ? status : 1;
}
