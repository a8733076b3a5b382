/* SPDX-License-Identifier: MIT */
/* The drains under way: that what goes in comes out, the order of deadlines and of age against a
 * plain list, and how many bytes a drain takes. No connection is drained. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "memory.h"
#include "shim/drain_table.h"
#include "shim/endpoint.h"

static struct draining example(int number)
{
    return (struct draining){
        .drain = {.fd = number + 1,
                  .how = {.proto = PROTO_MPTCP, .type = TYPE_SEQPACKET, .copying = COPYING_YES},
                  .on_limit = ON_LIMIT_RESET,
                  .telling = TELL_FAILURE,
                  .deaf = true,
                  .idle_ms = UINT32_MAX,
                  .total_ms = UINT32_MAX - 1,
                  .most = UINT64_MAX,
                  .bytes = UINT64_MAX - 1,
                  .started = UINT64_MAX / 4,
                  .last = UINT64_MAX / 2},
        .socket = {.id = UINT64_MAX - (uint64_t)number,
                   .since = UINT64_MAX - 2,
                   .proto = PROTO_MPTCP,
                   .type = TYPE_SEQPACKET,
                   .role = ROLE_INHERITED,
                   .shut = SHUT_BOTH,
                   .softened = true},
        .program_fd = INT32_MAX,
    };
}

static void assert_same(const struct draining *in, uint32_t place)
{
    struct draining out;

    drain_table_get(place, &out);
    assert_int_equal(in->program_fd, out.program_fd);
    assert_int_equal(in->drain.fd, out.drain.fd);
    assert_int_equal(in->drain.how.proto, out.drain.how.proto);
    assert_int_equal(in->drain.how.type, out.drain.how.type);
    assert_int_equal(in->drain.how.copying, out.drain.how.copying);
    assert_int_equal(in->drain.on_limit, out.drain.on_limit);
    assert_int_equal(in->drain.telling, out.drain.telling);
    assert_int_equal(in->drain.deaf, out.drain.deaf);
    assert_int_equal(in->drain.soften, out.drain.soften);
    assert_int_equal(in->drain.idle_ms, out.drain.idle_ms);
    assert_int_equal(in->drain.total_ms, out.drain.total_ms);
    assert_int_equal(in->drain.most, out.drain.most);
    assert_int_equal(in->drain.bytes, out.drain.bytes);
    assert_int_equal(in->drain.started, out.drain.started);
    assert_int_equal(in->drain.last, out.drain.last);
    assert_int_equal(in->socket.id, out.socket.id);
    assert_int_equal(in->socket.since, out.socket.since);
    assert_int_equal(in->socket.proto, out.socket.proto);
    assert_int_equal(in->socket.type, out.socket.type);
    assert_int_equal(in->socket.role, out.socket.role);
    assert_int_equal(in->socket.shut, out.socket.shut);
    assert_int_equal(in->socket.softened, out.socket.softened);
    assert_int_equal(in->socket.peer.length, out.socket.peer.length);
    assert_memory_equal(in->socket.peer.bytes, out.socket.peer.bytes, in->socket.peer.length);
}

/* Every value at its largest, and every form of a peer. */
static void test_in_and_out(void **state)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(65535)};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(1)};
    struct draining none = example(1), first = example(2), second = example(3), plain = {0};

    (void)state;
    inet_pton(AF_INET, "255.1.2.3", &ipv4.sin_addr);
    inet_pton(AF_INET6, "2001:db8::ffff:1", &ipv6.sin6_addr);
    endpoint_shrink((struct sockaddr *)&ipv4, sizeof ipv4, &first.socket.peer);
    endpoint_shrink((struct sockaddr *)&ipv6, sizeof ipv6, &second.socket.peer);
    second.drain.soften = true;
    assert_true(drain_table_start(8));
    uint32_t places[] = {drain_table_take(&none), drain_table_take(&first),
                         drain_table_take(&second), drain_table_take(&plain)};
    assert_same(&none, places[0]);
    assert_same(&first, places[1]);
    assert_same(&second, places[2]);
    assert_same(&plain, places[3]);
    assert_true(drain_table_softens(places[2]));
    assert_int_equal(drain_table_softening(second.socket.id), places[2]);
    assert_int_equal(drain_table_softening(first.socket.id), DRAIN_TABLE_NONE);
    drain_table_watch(places[1]);
    assert_true(drain_table_watched(places[1]) && !drain_table_watched(places[0]));
    first.drain.bytes = 5;
    first.drain.last++;
    first.drain.deaf = false;
    first.drain.how.copying = COPYING_NO;
    drain_table_progress(places[1], &first.drain);
    assert_same(&first, places[1]);
    drain_table_give(places[2]);
    assert_int_equal(drain_table_softening(second.socket.id), DRAIN_TABLE_NONE);
    struct drain gone;
    drain_table_drain(places[2], &gone);
    assert_int_equal(gone.fd, -1);
}

enum { PLACES = 128, MOST = 1024, TURNS = 20000 };

/* What is under way, as the test knows it: 0 = the place is free. */
static uint64_t deadlines[MOST], ages[MOST];

static void check_order(void)
{
    uint64_t deadline, earliest = UINT64_MAX, oldest = UINT64_MAX;
    uint32_t next = drain_table_next(&deadline), count = 0;

    for (size_t i = 0; i < COUNT_OF(deadlines); i++) {
        if (deadlines[i] == 0)
            continue;
        count++;
        if (deadlines[i] < earliest)
            earliest = deadlines[i];
        if (ages[i] < oldest)
            oldest = ages[i];
    }
    assert_int_equal(drain_table_count(), count);
    if (count == 0) {
        assert_int_equal(next, DRAIN_TABLE_NONE);
        assert_int_equal(drain_table_oldest(), DRAIN_TABLE_NONE);
        return;
    }
    assert_int_equal(deadline, earliest);
    assert_int_equal(deadlines[next], earliest);
    assert_int_equal(ages[drain_table_oldest()], oldest);
}

static void test_order(void **state)
{
    (void)state;
    assert_true(drain_table_start(MOST));
    srand(1);
    for (uint64_t turn = 1; turn <= TURNS; turn++) {
        struct draining one = {.drain = {.idle_ms = 1 + (uint32_t)rand() % 1000,
                                         .total_ms = 1 + (uint32_t)rand() % 5000,
                                         .started = turn * 1000000,
                                         .last = turn * 1000000}};
        uint32_t place = (uint32_t)rand() % PLACES;
        if (deadlines[place] == 0 && rand() % 2 == 0) {
            place = drain_table_take(&one);
            assert_true(place < MOST);
            assert_int_equal(deadlines[place], 0);
            ages[place] = turn;
        } else if (deadlines[place] == 0) {
            continue;
        } else if (rand() % 2 == 0) { /* data came */
            drain_table_drain(place, &one.drain);
            one.drain.last = turn * 1000000;
            drain_table_progress(place, &one.drain);
        } else {
            drain_table_give(place);
            deadlines[place] = 0;
            check_order();
            continue;
        }
        deadlines[place] = drain_deadline(&one.drain);
        check_order();
    }
}

static void test_memory(void **state)
{
    enum { MANY = 100000, LIMIT = 104 };
    const struct draining one = example(0);

    (void)state;
    assert_true(drain_table_start(MANY));
    long before = memory_touched();
    if (!MEMORY_IS_OURS || before < 0)
        skip();
    for (int i = 0; i < MANY; i++)
        assert_int_not_equal(drain_table_take(&one), DRAIN_TABLE_NONE);
    double each = (double)(memory_touched() - before) / MANY;
    printf("# memory of a drain under way: %.1f bytes with 100,000 (at most %d)\n", each, LIMIT);
    assert_true(each <= LIMIT);
    while (drain_table_oldest() != DRAIN_TABLE_NONE)
        drain_table_give(drain_table_oldest());
    assert_int_equal(drain_table_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory), /* first: it decides how much memory there is */
        cmocka_unit_test(test_in_and_out),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
