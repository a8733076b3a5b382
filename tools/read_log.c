/* SPDX-License-Identifier: MIT */
#include "read_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "talk.h"

enum { EVENTS_BETWEEN_LOOKS = 1 << 14 };

struct progress {
    bool wanted, shown;
    time_t next;
    uint64_t size; /* 0 = not known */
};

static time_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return time.tv_sec;
}

static void progress_start(struct progress *progress, int fd, bool quiet)
{
    struct stat status;
    *progress = (struct progress){.wanted = !quiet && isatty(STDERR_FILENO), .next = now() + 1};
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        progress->size = (uint64_t)status.st_size;
}

static void progress_look(struct progress *progress, uint64_t done)
{
    char read[HUMAN_BYTES_SIZE];
    if (!progress->wanted || now() < progress->next)
        return;
    progress->next = now() + 1;
    progress->shown = true;
    fprintf(stderr, "\rsoftclose: %s read", human_bytes(done, read));
    if (progress->size > 0 && done <= progress->size)
        fprintf(stderr, " (%" PRIu64 " %%)", done * 100 / progress->size);
    fputs("\033[K", stderr);
    fflush(stderr);
}

static void progress_clear(struct progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}

static void say_bad(const char *path, uint64_t line, const char *reason)
{
    fputs("softclose: ", stderr);
    print_clean(stderr, path);
    fprintf(stderr, ":%" PRIu64 ": skipped: %s\n", line, reason);
}

static void count_bad(struct tally *tally, struct progress *progress,
                      const struct events_reader *reader, const char *path, uint64_t bad)
{
    tally->bad_lines++;
    progress_clear(progress);
    if (bad < BAD_LINES_NAMED)
        say_bad(path, reader->lines.number, reader->reason);
    else if (bad == BAD_LINES_NAMED)
        say("%s: further bad lines are only counted", path);
}

static bool fail(const char *path, int error)
{
    say("cannot read %s: %s", strcmp(path, "-") == 0 ? "standard input" : path, strerror(error));
    return false;
}

bool read_log(struct tally *tally, const char *path, int64_t from, bool quiet)
{
    struct events_reader reader;
    struct event event;
    struct progress progress;
    uint64_t bad = 0;
    int error = events_open(&reader, path, from);
    if (error)
        return fail(path, error);
    progress_start(&progress, reader.lines.fd, quiet);
    tally->file++;
    tally->latest = NULL;
    enum events_result result = EVENTS_EVENT;
    for (uint64_t looked = 0; result != EVENTS_END && result != EVENTS_ERROR; looked++) {
        result = events_next(&reader, &event);
        if (result == EVENTS_EVENT)
            tally_event(tally, &event);
        else if (result == EVENTS_BAD)
            count_bad(tally, &progress, &reader, path, bad++);
        else if (result == EVENTS_TRUNCATED)
            tally->truncated++;
        if (looked % EVENTS_BETWEEN_LOOKS == 0)
            progress_look(&progress, reader.lines.offset);
    }
    progress_clear(&progress);
    error = result == EVENTS_ERROR ? reader.lines.error : 0;
    events_close(&reader);
    return error ? fail(path, error) : true;
}
