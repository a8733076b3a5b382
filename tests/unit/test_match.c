/* SPDX-License-Identifier: MIT */
/* Which connections a rule matches: globs, addresses, networks, ports, roles, protocols. */
#include "unit.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include "policy/rules.h"

static void set_unix(struct endpoint *endpoint, const char *path)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&endpoint->address.storage;

    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, strlen(path));
    if (path[0] == '@')
        un->sun_path[0] = '\0';
    endpoint->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
}

static void set_internet(struct endpoint *endpoint, const char *host, uint16_t port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&endpoint->address.storage;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&endpoint->address.storage;

    if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        endpoint->length = sizeof(*in);
        return;
    }
    assert_int_equal(inet_pton(AF_INET6, host, &in6->sin6_addr), 1);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    endpoint->length = sizeof(*in6);
}

/* "1.2.3.4:80", "[::1]:80", "/path", "@abstract" or "" (unnamed UNIX) as a socket address. */
static struct endpoint endpoint_from(const char *text)
{
    struct endpoint endpoint = {0};
    const char *colon = strrchr(text, ':');
    char host[64] = "";

    if (text[0] == '/' || text[0] == '@' || text[0] == '\0') {
        set_unix(&endpoint, text);
        return endpoint;
    }
    if (text[0] == '[')
        memcpy(host, text + 1, (size_t)(colon - text) - 2);
    else
        memcpy(host, text, (size_t)(colon - text));
    set_internet(&endpoint, host, (uint16_t)strtoul(colon + 1, NULL, 10));
    return endpoint;
}

/* Whether a rule with these matchers applies to the subject. */
static bool applies(const char *matchers, const struct subject *subject)
{
    char text[600];
    struct errors errors;
    struct settings settings;
    const struct policy *policy;
    void *memory;

    snprintf(text, sizeof(text), "[rule r]\n%s\nlog.sites = 31\n", matchers);
    policy = parse_bytes(text, strlen(text), &memory, &errors);
    if (policy == NULL)
        fail_msg("%s: %s", matchers, errors.text);
    policy_match(policy, subject, &settings);
    free(memory);
    return settings.sites == 31;
}

static void test_globs(void **state)
{
    static const struct {
        const char *glob, *text;
        bool matches;
    } rows[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"a*", "abc", true},
        {"*c", "abc", true},
        {"a*c", "ac", true},
        {"a*b*c", "a-b-b-c", true},
        {"a*b*c", "a-c-b", false},
        {"*.so", "libc.so.6", false},
        {"*.so*", "libc.so.6", true},
        {"?", "", false},
        {"?bc", "abc", true},
        {"ab?", "ab", false},
        {"[abc]x", "bx", true},
        {"[abc]x", "dx", false},
        {"[a-f]1", "e1", true},
        {"[!a-f]1", "e1", false},
        {"[^a-f]1", "g1", true},
        {"[]]", "]", true},
        {"[!]]", "]", false},
        {"[a-]", "-", true},
        {"[a", "[a", true},
        {"[!", "[!", true},
        {"[!a", "[!a", true},
        {"[]", "[]", true},
        {"[a-c", "b", false},
        {"a*", "b", false},
        {"[", "[", true},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"a\\", "a\\", true},
        {"*/bin/*", "/usr/bin/nginx", true},
        {"[\x80-\xff]", "\xc3", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        /* In memory of exactly their length, where a sanitizer sees a step too far. */
        size_t glob_length = strlen(rows[i].glob), text_length = strlen(rows[i].text);
        char *glob = memcpy(malloc(glob_length + !glob_length), rows[i].glob, glob_length);
        char *text = memcpy(malloc(text_length + !text_length), rows[i].text, text_length);

        if (glob_match((struct text){glob, glob_length}, (struct text){text, text_length}) !=
            rows[i].matches)
            fail_msg("`%s` and `%s`", rows[i].glob, rows[i].text);
        free(glob);
        free(text);
    }
}

/* The pattern that makes naive matchers take years. */
static void test_glob_is_not_exponential(void **state)
{
    char text[4096];
    const char *glob = "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b";

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_false(glob_match((struct text){glob, strlen(glob)}, (struct text){text, sizeof(text)}));
}

static const struct {
    const char *pattern, *peer;
    bool matches;
} endpoint_rows[] = {
    {"10.0.0.1", "10.0.0.1:80", true},
    {"10.0.0.1", "10.0.0.2:80", false},
    {"10.0.0.0/8", "10.255.1.2:1", true},
    {"10.0.0.0/8", "11.0.0.0:1", false},
    {"10.1.2.3/8", "10.9.9.9:1", true},
    {"172.16.0.0/12", "172.31.255.255:1", true},
    {"172.16.0.0/12", "172.32.0.0:1", false},
    {"192.168.0.128/25", "192.168.0.127:1", false},
    {"192.168.0.128/25", "192.168.0.128:1", true},
    {"0.0.0.0/0", "1.2.3.4:5", true},
    {"0.0.0.0/0", "[::1]:5", false},
    {"10.0.0.0/8:80", "10.1.1.1:80", true},
    {"10.0.0.0/8:80", "10.1.1.1:81", false},
    {"10.0.0.1:80-90", "10.0.0.1:79", false},
    {"10.0.0.1:80-90", "10.0.0.1:80", true},
    {"10.0.0.1:80-90", "10.0.0.1:90", true},
    {"10.0.0.1:80-90", "10.0.0.1:91", false},
    {":443", "[2001:db8::1]:443", true},
    {":443", "1.2.3.4:443", true},
    {":443", "1.2.3.4:444", false},
    {":443", "/run/x", false},
    {":0-65535", "1.2.3.4:65535", true},
    {"*:443", "1.2.3.4:443", true},
    {"*", "1.2.3.4:443", true},
    {"*", "/run/x", true},
    {"::1", "[::1]:80", true},
    {"[::1]", "[::1]:80", true},
    {"[::1]:80", "[::1]:80", true},
    {"[::1]:80", "[::1]:81", false},
    {"[::1]:80-81", "[::1]:81", true},
    {"2001:db8::/32", "[2001:db8:ffff::1]:1", true},
    {"2001:db8::/32", "[2001:db9::1]:1", false},
    {"[2001:db8::]/33", "[2001:db8:8000::1]:1", false},
    {"[2001:db8::]/33:7", "[2001:db8:7fff::1]:7", true},
    {"[2001:db8::/33]:7", "[2001:db8:7fff::1]:7", true},
    {"::/0", "[::1]:1", true},
    {"::/0", "1.1.1.1:1", false},
    {"10.0.0.0/8", "[::ffff:10.2.3.4]:1", true},
    {"::ffff:10.0.0.0/104", "10.2.3.4:1", true},
    {"::ffff:10.0.0.0/104", "[::ffff:11.2.3.4]:1", false},
    {"/run/*.sock", "/run/a/b.sock", true},
    {"/run/*.sock", "/run/a", false},
    {"unix:/run/x", "/run/x", true},
    {"*.sock", "/a.sock", true},
    {"@abstract*", "@abstract-1", true},
    {"@abstract*", "/abstract-1", false},
    {"unix:*", "", true},
    {"unix:*", "1.2.3.4:1", false},
    {"/run/x", "1.2.3.4:1", false},
    {"1.2.3.4, :99, /run/x", "/run/x", true},
    {"1.2.3.4, :99, /run/x", "5.5.5.5:99", true},
    {"1.2.3.4, :99, /run/x", "5.5.5.5:98", false},
};

static void test_endpoints(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(endpoint_rows); i++) {
        struct endpoint peer = endpoint_from(endpoint_rows[i].peer);
        struct subject subject = {.peer = &peer}, reverse = {.local = &peer};
        char matcher[100];

        snprintf(matcher, sizeof(matcher), "peer = %s", endpoint_rows[i].pattern);
        if (applies(matcher, &subject) != endpoint_rows[i].matches)
            fail_msg("peer = %s and %s", endpoint_rows[i].pattern, endpoint_rows[i].peer);
        assert_false(applies(matcher, &reverse));
        snprintf(matcher, sizeof(matcher), "local = %s", endpoint_rows[i].pattern);
        if (applies(matcher, &reverse) != endpoint_rows[i].matches)
            fail_msg("local = %s and %s", endpoint_rows[i].pattern, endpoint_rows[i].peer);
    }
}

static void test_endpoint_missing(void **state)
{
    struct endpoint none = {0};
    struct subject subject = {.peer = &none};

    (void)state;
    assert_false(applies("peer = *", &subject));
    subject.peer = NULL;
    assert_false(applies("peer = *", &subject));
    assert_true(applies("role = any", &subject));
    /* A length that holds no whole address. */
    none = endpoint_from("1.2.3.4:5");
    none.length = sizeof(sa_family_t) + 1;
    subject.peer = &none;
    assert_false(applies("peer = 1.2.3.4", &subject));
    none = endpoint_from("[::1]:5");
    none.length = sizeof(struct sockaddr_in);
    assert_false(applies("peer = :5", &subject));
}

static void test_programs(void **state)
{
    struct subject subject = {.program = "nginx", .path = "/usr/sbin/nginx"};
    struct subject unknown = {0};

    (void)state;
    assert_true(applies("program = nginx", &subject));
    assert_true(applies("program = ngin?", &subject));
    assert_true(applies("program = /usr/sbin/*", &subject));
    assert_true(applies("program = curl, nginx", &subject));
    assert_false(applies("program = sbin/nginx", &subject));
    assert_false(applies("program = Nginx", &subject));
    assert_false(applies("program = *", &unknown));
}

static void test_roles_and_protos(void **state)
{
    struct subject subject = {.role = ROLE_CONNECTED, .proto = PROTO_MPTCP};

    (void)state;
    assert_true(applies("role = connected", &subject));
    assert_true(applies("role = accepted, connected", &subject));
    assert_false(applies("role = accepted, inherited", &subject));
    assert_true(applies("role = any", &subject));
    assert_true(applies("role = accepted, any", &subject));
    assert_true(applies("proto = mptcp", &subject));
    assert_true(applies("proto = tcp, mptcp", &subject));
    assert_false(applies("proto = tcp", &subject));
}

static void test_all_matchers_must_hold(void **state)
{
    struct endpoint peer = endpoint_from("10.0.0.1:80"), local = endpoint_from("127.0.0.1:5000");
    struct subject subject = {.program = "curl",
                              .role = ROLE_CONNECTED,
                              .proto = PROTO_TCP,
                              .peer = &peer,
                              .local = &local};
    static const char *const wrong[] = {"program = wget", "role = accepted", "proto = mptcp",
                                        "peer = :81", "local = :80"};

    (void)state;
    assert_true(applies("program = curl\nrole = connected\nproto = tcp\npeer = :80\nlocal = :5000",
                        &subject));
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        static const char *const right[] = {"program = curl", "role = connected", "proto = tcp",
                                            "peer = :80", "local = :5000"};
        char matchers[300];
        size_t used = 0;

        for (size_t j = 0; j < COUNT_OF(right); j++)
            used += (size_t)snprintf(matchers + used, sizeof(matchers) - used, "%s\n",
                                     i == j ? wrong[j] : right[j]);
        assert_false(applies(matchers, &subject));
    }
}

/* Whoever need not know addresses does not ask for them: one rule that looks at them is enough. */
static void test_asks_addresses(void **state)
{
    static const struct {
        const char *text;
        bool asks;
    } rows[] = {
        {"", false},
        {"[close]\ndrain = none\n", false},
        {"[rule a]\nrole = accepted\nproto = tcp\nprogram = x\nlog.sites = 3\n", false},
        {"[rule a]\nlocal = :80\nlog.sites = 3\n", true},
        {"[rule a]\nprogram = x\nlog.sites = 3\n[rule b]\npeer = ::1\nlog.sites = 3\n", true},
    };

    (void)state;
    assert_false(policy_asks_addresses(policy_builtin(MODE_AUDIT)));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct errors errors;
        void *memory, *over_memory = malloc(policy_memory_needed(20));
        const struct policy *policy =
            parse_bytes(rows[i].text, strlen(rows[i].text), &memory, &errors);

        assert_non_null(policy);
        assert_int_equal(policy_asks_addresses(policy), rows[i].asks);
        policy = policy_override(over_memory, policy_memory_needed(20), policy, "--set",
                                 "log.sites=1", collect_error, &errors);
        assert_non_null(policy);
        assert_int_equal(policy_asks_addresses(policy), rows[i].asks);
        free(over_memory);
        free(memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks_addresses),
        cmocka_unit_test(test_globs),
        cmocka_unit_test(test_glob_is_not_exponential),
        cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_endpoint_missing),
        cmocka_unit_test(test_programs),
        cmocka_unit_test(test_roles_and_protos),
        cmocka_unit_test(test_all_matchers_must_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
