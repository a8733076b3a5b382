/* SPDX-License-Identifier: MIT */
/*
 * What a decision costs: the settings of a connection and decide(), with a policy of 1 or 1,000
 * rules of which the last one matches; at a connection's first close, and from then on.
 *
 *   decision                      all of them: nanoseconds each, the best of 20 rounds
 *   decision RULES first|again N  one of them N times, for callgrind
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/policy.h"
#include "shim/matched.h"

/* In place of the table of sockets, which is not measured here: its one socket. */
static struct socket table;

void sockets_update(uint64_t id, void (*change)(struct socket *socket, void *context),
                    void *context)
{
    (void)id;
    change(&table, context);
}

static const struct policy *policy_of(unsigned rules)
{
    char *text = malloc(rules * 160 + 1);
    size_t used = 0;

    for (unsigned n = 1; n <= rules; n++)
        used += (size_t)sprintf(text + used,
                                "[rule r%u]\nprogram = server, other\nrole = accepted\n"
                                "local = :80\npeer = 10.%u.%u.0/24\nclose.drain = %s\n",
                                n, n / 256, n % 256, n == rules ? "block" : "inline");
    size_t size = policy_memory_needed(used);
    const struct policy *policy =
        policy_parse(malloc(size), size, MODE_ENFORCE, "bench", text, used, NULL, NULL);
    free(text);
    return policy;
}

static struct endpoint address(unsigned host, uint16_t port)
{
    struct endpoint endpoint = {.length = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)&endpoint.address.any;

    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    in->sin_addr.s_addr = htonl(host);
    return endpoint;
}

static void decide_often(const struct policy *policy, unsigned rules, bool again, long times)
{
    struct facts facts = {
        .role = ROLE_ACCEPTED,
        .state = STATE_ESTABLISHED,
        .holders = HOLDERS_LAST,
        .unread = 5,
        .linger = -1,
        .local = address(0x0a000001, 80),
        .peer = address(10U << 24 | rules << 8 | 9, 40000),
    };
    struct subject subject = {.program = "server",
                              .path = "/usr/sbin/server",
                              .role = facts.role,
                              .local = &facts.local,
                              .peer = &facts.peer};

    for (; times > 0; times--) {
        struct socket socket = table; /* as sockets_find() gives it */
        struct settings settings;

        if (!again)
            socket.matched = 0;
        matched_settings(policy, &subject, &socket, &settings);
        if (decide(&settings, &facts).actions != ACTION_DRAIN_BLOCK)
            exit(1); /* the last rule does not match */
    }
}

static double nanoseconds(const struct policy *policy, unsigned rules, bool again)
{
    long times = again || rules == 1 ? 100000 : 2000;
    double best = 1e9;

    for (int round = 0; round < 20; round++) {
        struct timespec from, to;

        clock_gettime(CLOCK_MONOTONIC, &from);
        decide_often(policy, rules, again, times);
        clock_gettime(CLOCK_MONOTONIC, &to);
        double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
        best = ns / (double)times < best ? ns / (double)times : best;
    }
    return best;
}

int main(int argc, char **argv)
{
    static const unsigned sizes[] = {1, 1000};

    if (argc == 4) {
        unsigned rules = (unsigned)atoi(argv[1]);
        decide_often(policy_of(rules), rules, strcmp(argv[2], "again") == 0, atol(argv[3]));
        return 0;
    }
    for (unsigned i = 0; i < 2; i++) {
        const struct policy *policy = policy_of(sizes[i]);

        table.matched = 0;
        printf("decision: %u rules: first close of a connection %.0f ns", sizes[i],
               nanoseconds(policy, sizes[i], false));
        printf(", each later operation %.0f ns\n", nanoseconds(policy, sizes[i], true));
    }
    return 0;
}
