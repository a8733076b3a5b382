/* SPDX-License-Identifier: MIT */
/* Any text as a log, read as `explain --event` does: events or reasons, and a decision of each. */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "tools/event_facts.h"

static void decide_again(const struct event *event)
{
    struct settings settings;
    struct facts facts;
    const char *field = NULL, *value = NULL;
    char actions[128];

    if (!event_was_decided(event))
        return;
    if (!event_facts(event, &facts, &field, &value)) {
        HOLDS(field != NULL && value != NULL && strlen(value) < 1 << 20);
        return;
    }
    policy_match(policy_builtin(MODE_ENFORCE),
                 &(struct subject){.program = event->exe,
                                   .role = facts.role,
                                   .proto = facts.proto,
                                   .local = &facts.local,
                                   .peer = &facts.peer},
                 &settings);
    struct verdict verdict = decide(&settings, &facts);
    HOLDS(verdict.outcome < OUTCOME_COUNT && verdict.cause < CAUSE_COUNT);
    HOLDS(actions_from(actions_name(verdict.actions, actions, sizeof actions)) ==
          (int)verdict.actions);
    HOLDS(facts.op != OP_CLOSE || facts.holders == HOLDERS_LAST || verdict.actions == ACTION_PASS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[64];
    static int fd = -1;
    struct events_reader reader;
    struct event event;
    enum events_result result;
    size_t events = 0;

    if (fd < 0) {
        fd = memfd_create("fuzz", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    HOLDS(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    HOLDS(events_open(&reader, path, 0) == 0);
    while ((result = events_next(&reader, &event)) != EVENTS_END) {
        HOLDS(result != EVENTS_ERROR && events++ <= size);
        if (result == EVENTS_EVENT)
            decide_again(&event);
        else
            HOLDS(reader.reason != NULL);
    }
    events_close(&reader);
    return 0;
}
