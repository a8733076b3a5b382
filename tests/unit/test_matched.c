/* SPDX-License-Identifier: MIT */
/* Settings kept with a connection are those that the rules give, whoever it becomes. */
#include "unit.h"

#include <netinet/in.h>
#include <sys/un.h>

#include "shim/matched.h"

enum { SOCKETS = 50, ROUNDS = 20000 };

static struct socket table[SOCKETS + 1];

void sockets_update(uint64_t id, void (*change)(struct socket *socket, void *context),
                    void *context)
{
    change(&table[id], context);
}

static struct endpoint random_endpoint(uint64_t *random)
{
    struct endpoint endpoint = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&endpoint.address.any;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&endpoint.address.any;
    struct sockaddr_un *un = (struct sockaddr_un *)&endpoint.address.any;
    unsigned which = (unsigned)(next_random(random) >> 40), small = which / 8 % 4;

    memset(&endpoint.address, (int)which, sizeof endpoint.address); /* beyond length: anything */
    switch (which % 4) {
    case 0:
        return endpoint; /* none */
    case 1:
        *in = (struct sockaddr_in){AF_INET, htons((uint16_t)(80 + small)), {htonl(10)}, {0}};
        endpoint.length = sizeof *in;
        break;
    case 2:
        *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(443)};
        in6->sin6_addr.s6_addr[15] = (uint8_t)small;
        endpoint.length = sizeof *in6;
        break;
    default:
        un->sun_family = AF_UNIX;
        endpoint.length =
            (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                        (size_t)sprintf(un->sun_path, "/run/%0*u", 1 + (int)small, 7));
        break;
    }
    return endpoint;
}

static const char rules[] = "[rule a]\nrole = accepted\nlog.sites = 1\n"
                            "[rule b]\nproto = mptcp\nclose.drain = none\n"
                            "[rule c]\nlocal = :81-82\nclose.on_limit = reset\n"
                            "[rule d]\npeer = ::1, ::2, :80\nlinger.zero = log\n"
                            "[rule e]\npeer = /run/07, /run/0007\nlog.events = none\n"
                            "[rule f]\nlocal = /run/*\nshutdown.both = log\n";

static void test_random_connections(void **state)
{
    uint64_t random = random_seed("matched");
    struct errors errors;
    void *memory;
    const struct policy *policy = parse_bytes(rules, strlen(rules), &memory, &errors);
    unsigned kept = 0;

    (void)state;
    assert_non_null(policy);
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t id = 1 + next_random(&random) % SOCKETS;
        struct endpoint local = random_endpoint(&random), peer = random_endpoint(&random);
        struct subject subject = {.program = "p",
                                  .role = (enum role)(next_random(&random) % 4),
                                  .proto = (enum proto)(next_random(&random) % 3),
                                  .local = &local,
                                  .peer = &peer};

        for (int again = 0; again < 2; again++) {
            struct settings right, given;
            uint64_t before = table[id].matched;
            struct socket copy = table[id];

            copy.id = id;
            policy_match(policy, &subject, &right);
            matched_settings(policy, &subject, &copy, &given);
            assert_memory_equal(&right, &given, sizeof right);
            kept += table[id].matched == before;
        }
    }
    assert_true(kept >= ROUNDS); /* every second time */
    free(memory);
}

/* More different settings than are kept: still right. */
static void test_no_room(void **state)
{
    char text[100];
    struct errors errors;
    void *memory;

    (void)state;
    for (unsigned n = 1; n < 3 * MATCHED_MOST; n++) {
        struct endpoint none = {0};
        struct subject subject = {.program = "p", .local = &none, .peer = &none};
        struct socket socket = {.id = 1};
        struct settings given;
        const struct policy *policy = parse_bytes(
            text, (size_t)sprintf(text, "[close]\nmax_draining = %u\n", n), &memory, &errors);

        for (int again = 0; again < 2; again++) {
            matched_settings(policy, &subject, &socket, &given);
            assert_int_equal(given.max_draining, n);
        }
        free(memory);
    }
}

/* Without addresses the settings of a role and protocol are found once, and kept with no socket. */
static void test_no_addresses(void **state)
{
    static const char text[] = "[rule a]\nrole = accepted\nlog.sites = 1\n"
                               "[rule b]\nproto = mptcp\nclose.drain = none\n"
                               "[rule c]\nrole = inherited\nproto = unix\nlinger.zero = log\n";
    struct errors errors;
    void *memory;
    const struct policy *policy = parse_bytes(text, strlen(text), &memory, &errors);

    (void)state;
    assert_non_null(policy);
    for (unsigned i = 0; i < 3 * 4 * 4; i++) {
        struct subject subject = {
            .program = "p", .role = (enum role)(i % 4), .proto = (enum proto)(i / 4 % 4)};
        struct socket socket = {.id = 1};
        struct settings right, given;

        policy_match(policy, &subject, &right);
        matched_settings(policy, &subject, &socket, &given);
        assert_memory_equal(&right, &given, sizeof right);
        assert_int_equal(socket.matched, 0);
    }
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_addresses), /* first: the other one leaves no room */
        cmocka_unit_test(test_random_connections),
        cmocka_unit_test(test_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
