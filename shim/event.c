/* SPDX-License-Identifier: MIT */
#include "shim/event.h"

#include <errno.h>
#include <stdint.h>
#include <time.h>

#include "shim/counters.h"
#include "shim/log.h"
#include "shim/process.h"
#include "shim/raw.h"
#include "shim/real.h"

/* An event never exceeds what a pipe takes in one piece (PIPE_BUF). Buffers are no automatic
 * variables: close() may run on a signal stack of 2 KiB. The lowest are taken first, so that no
 * more of them are ever touched than threads write at once. */
enum { EVENT_BYTES = 4096, BUFFERS = 64 };

static char buffers[BUFFERS][EVENT_BYTES];
static uint64_t buffers_taken; /* a bit for each */
/* Whose they are. The thread is told by the address of a variable of its own: a forked child goes
 * on as the one that forked, with another number. */
static struct holder {
    const void *owner; /* NULL: nobody, or not yet written down */
    pid_t thread;
    const void *frame; /* of event_start()'s caller */
} holders[BUFFERS];
static _Thread_local char here;
static const char *program;

static char *hold(unsigned index, const void *frame)
{
    holders[index].thread = process_thread();
    holders[index].frame = frame;
    return buffers[index];
}

/* Left by siglongjmp() out of a signal handler: this thread's own, when the stack has shrunk since
 * (it grows downwards), and those of threads that have ended. */
static bool is_left(const struct holder *holder, const void *owner, const void *frame)
{
    if (owner == &here)
        return holder->frame <= frame;
    pid_t thread = __atomic_load_n(&holder->thread, __ATOMIC_RELAXED);
    return thread != 0 && raw_call(SYS_tgkill, process_pid(), thread, 0) == -ESRCH;
}

static char *reclaim(const void *frame)
{
    for (unsigned i = 0; i < BUFFERS; i++) {
        const void *owner = __atomic_load_n(&holders[i].owner, __ATOMIC_ACQUIRE);
        if (owner != NULL && is_left(&holders[i], owner, frame) &&
            __atomic_compare_exchange_n(&holders[i].owner, &owner, &here, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED))
            return hold(i, frame);
    }
    return NULL;
}

static char *take_free(const void *frame)
{
    uint64_t taken = __atomic_load_n(&buffers_taken, __ATOMIC_RELAXED);

    while (taken != UINT64_MAX) {
        unsigned index = (unsigned)__builtin_ctzll(~taken);
        if (!__atomic_compare_exchange_n(&buffers_taken, &taken, taken | 1ull << index, false,
                                         __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            continue;
        char *buffer = hold(index, frame);
        __atomic_store_n(&holders[index].owner, &here, __ATOMIC_RELEASE);
        return buffer;
    }
    return NULL;
}

/* The file's lock lets one thread write at a time, and the others keep their buffers meanwhile:
 * when all are taken, one is free again in a moment. Not waited for longer than that. */
static char *buffer_take(const void *frame)
{
    enum { MOMENT_NS = 10000000 };
    char *buffer = take_free(frame);

    if (buffer != NULL)
        return buffer;
    for (uint64_t until = process_now() + MOMENT_NS; buffer == NULL && process_now() < until;) {
        raw_call(SYS_sched_yield);
        buffer = take_free(frame);
    }
    return buffer != NULL ? buffer : reclaim(frame);
}

static void buffer_give(const char *buffer)
{
    unsigned index = (unsigned)((size_t)(buffer - buffers[0]) / EVENT_BYTES);
    const void *owner = &here;

    if (__atomic_compare_exchange_n(&holders[index].owner, &owner, NULL, false, __ATOMIC_RELEASE,
                                    __ATOMIC_RELAXED))
        __atomic_and_fetch(&buffers_taken, ~(1ull << index), __ATOMIC_RELEASE);
}

/* Civil date from days since 1970-01-01 (proleptic Gregorian; years begin in March). */
static void put_time(struct line *line)
{
    struct timespec now;
    real_clock(CLOCK_REALTIME, &now);
    int64_t days = now.tv_sec / 86400 + 719468;
    int64_t second = now.tv_sec % 86400;
    int64_t era = days / 146097, day_of_era = days % 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * month + 2) / 5 + 1;
    int64_t civil_month = month < 10 ? month + 3 : month - 9;
    int64_t year = year_of_era + era * 400 + (civil_month <= 2 ? 1 : 0);

    line_digits(line, (uint64_t)year, 4);
    line_text(line, "-");
    line_digits(line, (uint64_t)civil_month, 2);
    line_text(line, "-");
    line_digits(line, (uint64_t)day, 2);
    line_text(line, "T");
    line_digits(line, (uint64_t)second / 3600, 2);
    line_text(line, ":");
    line_digits(line, (uint64_t)second / 60 % 60, 2);
    line_text(line, ":");
    line_digits(line, (uint64_t)second % 60, 2);
    line_text(line, ".");
    line_digits(line, (uint64_t)now.tv_nsec, 9);
    line_text(line, "Z");
}

bool event_start(struct line *line, const char *event)
{
    char *buffer = buffer_take(__builtin_frame_address(0));

    if (buffer == NULL) {
        counters_unwritten();
        return false;
    }
    line_start(line, buffer, EVENT_BYTES);
    line_text(line, ",\"ts\":\"");
    put_time(line);
    line_text(line, "\"");
    line_field_string(line, "event", event);
    line_field_number(line, "pid", process_pid());
    line_field_number(line, "tid", process_thread());
    line_field_string(line, "exe", program);
    return true;
}

void event_end(struct line *line)
{
    int error = line_end(line) ? log_write(line->text, line->length) : EMSGSIZE;

    if (error != 0)
        counters_unwritten();
    buffer_give(line->text);
}

void event_program(const char *name)
{
    program = name;
}

/* A handler that forks within an event goes on with it in the child. */
void event_forked(void)
{
    buffers_taken = 0;
    for (unsigned i = 0; i < BUFFERS; i++) {
        if (holders[i].owner == &here) {
            holders[i].thread = process_thread();
            buffers_taken |= 1ull << i;
        } else if (holders[i].owner != NULL) {
            holders[i].owner = NULL;
        }
    }
}
