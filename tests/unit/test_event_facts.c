/* SPDX-License-Identifier: MIT */
/* An event holds every fact that decide() needs: facts written as an event and read back lead to
 * the same decision. */
#include "random_facts.h"

#include <unistd.h>

#include "shim/audit.h"
#include "shim/log.h"
#include "tools/event_facts.h"

enum { ROUNDS = 20000 };

static char path[] = "/tmp/softclose-event-facts-XXXXXX";

static void tell(const struct facts *facts)
{
    static const struct socket socket;
    static const struct verdict verdict = {.key = KEY_COUNT};
    const struct audit_event event = {
        .event = facts->op == OP_SHUTDOWN ? "shutdown"
                 : facts->op == OP_LINGER ? "linger"
                                          : "close",
        .via = facts->op == OP_DISCONNECT ? "connect" : "close",
        .socket = &socket,
        .facts = facts,
        .verdict = &verdict,
        .rule = "built-in",
    };

    audit_tell(&event, true);
}

static void same_decision(const struct settings *settings, const struct facts *facts,
                          const struct facts *read)
{
    struct verdict before = decide(settings, facts), after = decide(settings, read);

    assert_int_equal(after.outcome, before.outcome);
    assert_int_equal(after.cause, before.cause);
    assert_int_equal(after.actions, before.actions);
    assert_int_equal(after.key, before.key);
    assert_int_equal(decide_wish(settings, read), decide_wish(settings, facts));
}

static struct facts one_of_a_socket(uint64_t *random)
{
    struct facts facts = random_facts(random);

    facts.bad_fd = false; /* which has no facts but that */
    return facts;
}

static void test_events_hold_the_facts(void **state)
{
    uint64_t random = random_seed("event facts"), again;
    struct events_reader reader;
    struct event event;
    unsigned decided = 0;
    char error[300];
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    assert_true(log_start(path, "test", error, sizeof error));
    audit_start(&(struct audit_identity){.executable = "test",
                                         .path = "/test",
                                         .policy_path = "built-in",
                                         .policy_digest = "",
                                         .mode = MODE_ENFORCE});
    again = random;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct facts facts = one_of_a_socket(&random);
        random_settings(&random);
        tell(&facts);
    }
    assert_int_equal(events_open(&reader, path, 0), 0);
    while (events_next(&reader, &event) == EVENTS_EVENT) {
        const char *field, *value;
        struct facts read;
        if (!event_was_decided(&event))
            continue;
        struct facts facts = one_of_a_socket(&again);
        struct settings settings = random_settings(&again);
        assert_true(event_facts(&event, &read, &field, &value));
        same_decision(&settings, &facts, &read);
        decided++;
    }
    events_close(&reader);
    unlink(path);
    assert_int_equal(decided, ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_hold_the_facts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
