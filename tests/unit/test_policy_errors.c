/* SPDX-License-Identifier: MIT */
/* Policies that are wrong: each error is named with its line, what was found, what is allowed. */
#include "unit.h"

struct row {
    const char *text;
    int line;
    const char *message; /* part of it */
};

static const struct row key_rows[] = {
    {"[close]\n\ndrian = block\n", 3,
     "unknown key `drian`; did you mean `drain`? allowed in [close]: half_close, drain, "},
    {"[close]\nclose.drain = block\n", 2, "did you mean `drain`?"},
    {"[rule r]\ndrain = block\n", 2, "did you mean `close.drain`?"},
    {"[rule r]\nprogramm = x\nlog.sites = 1", 2,
     "did you mean `program`? allowed in [rule NAME]: program, role, proto, local, peer, close."},
    {"[close]\nqqqqqq = 1\n", 2, "unknown key `qqqqqq`; allowed in [close]: "},
    {"[close]\npeer = *\n", 2, "unknown key `peer`"},
    {"drain = block\n", 1,
     "`drain` stands before any section; allowed: close, linger, shutdown, listener, log, rule"},
    {"[colse]\ndrain = block\n", 1, "unknown section [colse]; did you mean `close`? allowed: clo"},
    {"[Close]\n", 1, "unknown section [Close]; did you mean `close`?"},
    {"[]\n", 1, "unknown section []"},
    {"[close]\ndrain = block\ndrain = none\n", 3, "`drain` is already set on line 2"},
    {"[close]\ndrain = block\n[log]\n[close]\ndrain = none\n", 5, "already set on line 2"},
    {"[rule r]\nrole = any\nrole = any\nlog.sites=1", 3, "`role` is already set on line 2"},
    {"[rule r]\nlog.sites = 1\n[rule r]\nlog.events = all\n", 3,
     "rule `r` is already defined on line 1"},
    {"[rule]\nlog.sites = 1\n", 1, "a rule needs a name"},
    {"[rule   ]\nlog.sites = 1\n", 1, "a rule needs a name"},
    {"[rule aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n", 1, "is longer than 40 bytes"},
    {"[rule aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n", 1, "at most 47 bytes"},
};

static const struct row value_rows[] = {
    {"[close]\ndrain = blcok\n", 2,
     "`blcok` is no value of `close.drain`; did you mean `block`? allowed: background, block, "
     "inline, none"},
    {"[close]\ndrain =\n", 2, "`close.drain` has no value; allowed: background"},
    {"[close]\ndrain = Block\n", 2, "did you mean `block`?"},
    {"[close]\ndrain_idle = 5\n", 2,
     "`5` is no value of `close.drain_idle`; allowed: 1ms to 1440m, written as 250ms, 5s or 1m"},
    {"[close]\ndrain_idle = 0s\n", 2, "`0s` is out of range for `close.drain_idle`; allowed: 1ms"},
    {"[close]\ndrain_idle = 5 s\n", 2, "`5 s` is no value"},
    {"[close]\ndrain_idle = -1s\n", 2, "`-1s` is no value"},
    {"[close]\ndrain_idle = 1441m\n", 2, "out of range"},
    {"[close]\ndrain_total = 99999999999999999999999999s\n", 2, "out of range"},
    {"[close]\nexit_wait = 61m\n", 2, "out of range for `close.exit_wait`; allowed: 0 to 60m"},
    {"[close]\ndrain_bytes = 1MB\n", 2, "allowed: 0 to 1024GiB, written as 512, 64KiB or 1MiB"},
    {"[close]\ndrain_bytes = 18446744073709551615GiB\n", 2, "out of range"},
    {"[close]\nmax_draining = 0\n", 2, "out of range for `close.max_draining`; allowed: 1 to"},
    {"[close]\nmax_draining = 1s\n", 2, "`1s` is no value of `close.max_draining`"},
    {"[log]\nsites = 33\n", 2, "`33` is out of range for `log.sites`; allowed: 0 to 32"},
    {"[log]\nsites = many\n", 2, "`many` is no value of `log.sites`"},
    {"[close]\non_signal = TERM, TREM\n", 2, "`TREM` is no value of `close.on_signal`; did you "},
    {"[close]\non_signal = SIGTREM\n", 2,
     "`SIGTREM` is no value of `close.on_signal`; did you mean "
     "`SIGTERM`? allowed: names of signals that can be caught "
     "and end a program by default, e.g. TERM, INT; or none"},
    {"[close]\non_signal = KILL\n", 2, "`KILL` is no value of `close.on_signal`; allowed: "},
    {"[close]\non_signal = STOP\n", 2, "`STOP` is no value of `close.on_signal`;"},
    {"[close]\non_signal = TERM, CHLD\n", 2, "`CHLD` is no value of `close.on_signal`; allowed: "},
    {"[close]\non_signal = SIGURG\n", 2, "`SIGURG` is no value of `close.on_signal`;"},
    {"[close]\non_signal = WINCH\n", 2, "`WINCH` is no value of `close.on_signal`;"},
    {"[close]\non_signal = CONT\n", 2, "`CONT` is no value of `close.on_signal`;"},
    {"[close]\non_signal = TSTP\n", 2, "`TSTP` is no value of `close.on_signal`;"},
    {"[close]\non_signal = TTIN\n", 2, "`TTIN` is no value of `close.on_signal`;"},
    {"[close]\non_signal = TTOU\n", 2, "`TTOU` is no value of `close.on_signal`;"},
    {"[close]\non_signal = HUP, INT, QUIT, USR1, ALRM, PIPE, ABRT, IO, SEGV\n", 2,
     "`IO` is no value"},
    {"[close]\non_signal = HUP, INT, QUIT, USR1, USR2, ALRM, PIPE, ABRT, POLL, SEGV\n", 0, NULL},
    {"[close]\non_signal =\n", 2, "has no value; allowed: names of signals"},
    {"[close]\ndrain = block # no comment here\n", 2, "`block # no comment here` is no value"},
    {"[rule r]\nrole = acepted\nlog.sites=1", 2,
     "unknown role `acepted`; did you mean `accepted`? allowed: accepted, connected, inherited, "},
    {"[rule r]\nproto = udp\nlog.sites=1", 2, "unknown proto `udp`; did you mean `tcp`? allowed"},
    {"[rule r]\nproto = other\nlog.sites=1", 2, "unknown proto `other`"},
    {"[rule r]\nrole =\nlog.sites=1", 2, "`role` has an empty value in its list"},
    {"[rule r]\nprogram = #x\nlog.sites=1", 2, "a value of `program` begins with `#`, as comments"},
    {"[rule r]\nprogram = a,;b\nlog.sites=1", 2, "begins with `;`, as comments do; write \\;"},
    {"version = 2\n", 1, "`version` stands before any section; allowed: close, linger"},
    {"[rule r]\nrole = any,,any\nlog.sites=1", 2, "`role` has an empty value in its list"},
    {"[rule r]\nrole = any,\nlog.sites=1", 2, "the list ends with a comma"},
    {"[rule r]\nlog.sites=1\nrole = any,", 3, "the list ends with a comma"},
    {"[rule r]\nlog.sites=1\nrole = any,\n\n[log]\n", 3, "the list ends with a comma"},
};

static const struct row address_rows[] = {
    {"10.0.0.256", 2, "`10.0.0.256` is no value of `peer`: this is neither an IPv4 nor an IPv6"},
    {"example.org", 2,
     "neither an IPv4 nor an IPv6 address, and names are not looked up; allowed: an address, a "
     "network"},
    {"80", 2, "a port alone is written with a colon before it, :80"},
    {"unix:", 2, "the path is missing"},
    {"10.*.0.1", 2, "addresses have no globs, but networks: 10.0.0.0/8"},
    {"10.0.0.0/33", 2, "an IPv4 prefix is 0 to 32"},
    {"10.0.0.0/", 2, "an IPv4 prefix is 0 to 32"},
    {"10.0.0.0/-1", 2, "an IPv4 prefix is 0 to 32"},
    {"::/129", 2, "an IPv6 prefix is 0 to 128"},
    {"10.0.0.1:65536", 2, "a port is 0 to 65535"},
    {"10.0.0.1:http", 2, "a port is 0 to 65535"},
    {"10.0.0.1:80-", 2, "a port is 0 to 65535"},
    {":", 2, "a port is 0 to 65535"},
    {":90-80", 2, "ends before it begins"},
    {"[::1", 2, "a `]` is missing"},
    {"[::1]80", 2, "after `]` only"},
    {"[", 2, "a `]` is missing"},
    {"[]", 2, "neither"},
    {"fe80::1%eth0", 2, "an address is matched without its zone (%eth0)"},
    {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee:ffff:0000:1111", 2,
     "too long for an address"},
};

static const struct row text_rows[] = {
    {"[close]\ndrain\n", 2, "expected `key = value`, `[section]` or a comment"},
    {"[close]\ndrain", 2, "expected `key = value`"},
    {"[close]\nfoo bar\ndrain = block\n", 2, "expected `key = value`"},
    {"[close\n", 1, "a `]` is missing"},
    {"[close] drain = block\n", 1, "unexpected text after `]`"},
    {"[rule a;b]\n", 1, "has no `;`"},
    {"[close]\ndrain = bl\001ock\n", 2, "control character 0x01"},
    {"[close]\n\001 = block\n", 2, "control character 0x01"},
    {"[close]\rdrain = block\r", 1, "control character 0x0d"},
    {"[close]\ndrain = \x7f\n", 2, "control character 0x7f"},
};

static const struct row rule_rows[] = {
    {"[rule r]\nrole = any\n", 1, "rule `r` sets no key"},
    {"[rule a]\nlog.sites=1\n[rule b]\nrole = accepted\nlog.sites=2\n", 3,
     "rule `b` can never apply: rule `a` (line 1) comes first, matches at least as much and sets "
     "every key that this one sets"},
    {"[rule a]\npeer=10.0.0.0/8\nlog.sites=1\n[rule b]\npeer=10.1.0.0/16:80\nlog.sites=2\n", 4,
     "rule `b` can never apply"},
    {"[rule a]\npeer=:80-90\nlog.sites=1\n[rule b]\npeer=::1, 1.1.1.1:80\nlog.sites=2\n", 0, NULL},
    {"[rule a]\npeer=:80-90\nlog.sites=1\n[rule b]\npeer=[::1]:85, 1.1.1.1:80\nlog.sites=2\n", 4,
     "rule `b` can never apply"},
    {"[rule a]\npeer=10.0.0.0/8\nlog.sites=1\n[rule b]\npeer=10.0.0.0/7\nlog.sites=2\n", 0, NULL},
    {"[rule a]\nprogram=ng*\nlog.sites=1\n[rule b]\nprogram=nginx\nlog.sites=2\n", 4,
     "rule `b` can never apply"},
    {"[rule a]\nprogram=x, ng*\nlog.sites=1\n[rule b]\nprogram=ng*\nlog.sites=2\n", 4,
     "rule `b` can never apply"},
    {"[rule a]\nprogram=*\nlog.sites=1\n[rule b]\nprogram=ng*\nlog.sites=2\n", 4,
     "rule `b` can never apply"},
    {"[rule a]\nprogram=n*\nlog.sites=1\n[rule b]\nprogram=*\nlog.sites=2\n", 0, NULL},
    {"[rule a]\nprogram=nf*\nlog.sites=1\n[rule b]\nprogram=ng*\nlog.sites=2\n", 0, NULL},
    {"[rule a]\nprogram=apache\nlog.sites=1\n[rule b]\nprogram=nginx\nlog.sites=2\n", 0, NULL},
    {"[rule a]\nlocal=/run/*\nlog.sites=1\n[rule b]\nlocal=1.1.1.1\nlog.sites=2\n", 0, NULL},
    {"[rule a]\nlocal=:1\nlog.sites=1\n[rule b]\nlocal=/run/x\nlog.sites=2\n", 0, NULL},
    {"[rule a]\npeer=:80-90\nlog.sites=1\n[rule b]\npeer=:80-90\nlog.sites=2\n", 4, "never"},
    {"[rule a]\npeer=:80-90\nlog.sites=1\n[rule b]\npeer=:79-90\nlog.sites=2\n", 0, NULL},
    {"[rule a]\npeer=:80-90\nlog.sites=1\n[rule b]\npeer=:80-91\nlog.sites=2\n", 0, NULL},
    {"[rule a]\npeer=0.0.0.0/0\nlog.sites=1\n[rule b]\npeer=::1\nlog.sites=2\n", 0, NULL},
    {"[rule a]\npeer=10.0.0.0/8\nlog.sites=1\n[rule b]\npeer=11.0.0.0/16\nlog.sites=2\n", 0, NULL},
    {"[rule a]\nproto=tcp\nlog.sites=1\n[rule b]\nproto=tcp,unix\nlog.sites=2\n", 0, NULL},
    {"[rule a]\nprogram=nginx\nlog.sites=1\n[rule b]\nprogram=ng*\nlog.sites=2\n", 0, NULL},
    {"[rule a]\nrole=accepted\nlog.sites=1\n[rule b]\nlog.sites=2\n", 0, NULL},
    {"[rule a]\nrole=any\nlog.sites=1\n[rule b]\nlog.sites=2\n", 4, "rule `b` can never apply"},
    {"[rule a]\nlog.sites=1\n[rule b]\nlog.sites=2\nlog.events=all\n", 0, NULL},
    {"[rule a]\nlog.sites=1\n[rule b]\nlog.events=all\n[rule c]\nlog.events=none\nlog.sites=2\n", 5,
     "rule `c` can never apply: rule `b` (line 3) comes first, matches at least as much and "
     "sets the last of its keys that was left"},
    {"[rule a]\nlocal=*\nlog.sites=1\n[rule b]\nlocal=/run/x\nlog.sites=2\n", 4, "never apply"},
    {"[rule a]\nlocal=/run/*\nlog.sites=1\n[rule b]\nlocal=/run/x\nlog.sites=2\n", 4, "never"},
    {"[rule a]\nprogram=n*\nlog.sites=1\n[rule b]\nprogram=ng?nx*\nlog.sites=2\n", 4, "never"},
    {"[rule a]\nprogram=*x\nlog.sites=1\n[rule b]\nprogram=ng*nx\nlog.sites=2\n", 4, "never"},
    {"[rule a]\nprogram=n?\nlog.sites=1\n[rule b]\nprogram=n*\nlog.sites=2\n", 0, NULL},
    {"[rule a]\nprogram=[a-n]*\nlog.sites=1\n[rule b]\nprogram=[b-c]\nlog.sites=2\n", 4, "never"},
    {"[rule a]\nprogram=[a-n]*\nlog.sites=1\n[rule b]\nprogram=[b-o]\nlog.sites=2\n", 0, NULL},
    {"[rule a]\npeer=10.0.0.0/9,10.128.0.0/9\nlog.sites=1\n[rule b]\npeer=10.0.0.0/8\n"
     "log.sites=2\n",
     4,
     "rule `b` can never apply: the rules before it match at least as much together and set every "
     "key that this one sets"},
    {"[rule a]\npeer=10.0.0.0/9\nlog.sites=1\n[rule b]\npeer=10.128.0.0/9\nlog.sites=2\n"
     "[rule c]\npeer=10.0.0.0/8:80\nlog.sites=3\n",
     7, "rule `c` can never apply"},
    {"[rule a]\npeer=10.0.0.0/9\nlog.sites=1\n[rule b]\npeer=10.128.0.0/10\nlog.sites=2\n"
     "[rule c]\npeer=10.0.0.0/8\nlog.sites=3\n",
     0, NULL},
    {"[rule a]\nlocal=:1-80,:82-90\nlog.sites=1\n[rule b]\nlocal=:81\nlog.sites=2\n"
     "[rule c]\nlocal=:70-85\nlog.sites=3\n",
     7, "rule `c` can never apply"},
    {"[rule a]\nlocal=:1-80,:82-90\nlog.sites=1\n[rule c]\nlocal=:70-85\nlog.sites=3\n", 0, NULL},
    {"[rule a]\nlocal=0.0.0.0/0:80\nlog.sites=1\n[rule c]\nlocal=:80\nlog.sites=3\n", 0, NULL},
    {"[rule a]\nlocal=0.0.0.0/0:80,::/0\nlog.sites=1\n[rule c]\nlocal=:80\nlog.sites=3\n", 4,
     "never"},
    {"[rule a]\nlocal=:1-32767\nlog.sites=1\n[rule b]\nlocal=:32768-65535,:0\nlog.sites=2\n"
     "[rule c]\nlocal=10.0.0.1\nlog.sites=3\n",
     7, "never"},
    {"[rule a]\nrole=accepted\nlog.sites=1\n[rule b]\nrole=connected\nlog.sites=2\n"
     "[rule c]\nrole=connected, accepted\nlog.sites=3\n",
     7, "never"},
    {"[rule r]\npeer = 10.0.0.0/8\nclose.exit_wait=5s\nlog.sites=1\n", 3,
     "`close.exit_wait` can never apply in rule `r`, which matches by `peer`: it is of the whole "},
    {"[rule r]\nprogram = x\nrole = accepted\nclose.on_signal=TERM\n", 4,
     "which matches by `role`"},
    {"[rule r]\nprogram = x\nrole = any\nclose.on_signal=TERM\n", 0, NULL},
    {"[rule r]\nproto = unix\npeer = 10.0.0.0/8\nlog.sites=1\n", 1,
     "rule `r` can never match: its proto, local and peer exclude each other"},
    {"[rule r]\nproto = tcp\npeer = /run/x\nlog.sites=1\n", 1, "rule `r` can never match"},
    {"[rule r]\nlocal = 10.0.0.1\npeer = ::1\nlog.sites=1\n", 1, "rule `r` can never match"},
    {"[rule r]\nlocal = 10.0.0.1, ::1\npeer = ::1\nlog.sites=1\n", 0, NULL},
};

static void check_row(const char *text, const struct row *row)
{
    struct errors errors;
    void *memory;
    const struct policy *policy = parse_bytes(text, strlen(text), &memory, &errors);

    free(memory);
    if (row->message == NULL) {
        if (policy == NULL)
            fail_msg("refused:\n%s\n%s", text, errors.text);
        return;
    }
    if (policy != NULL)
        fail_msg("accepted:\n%s", text);
    if (errors.count != 1 || errors.first_line != row->line ||
        strstr(errors.text, row->message) == NULL)
        fail_msg("should be line %d: %s\nis %u: %s", row->line, row->message, errors.count,
                 errors.text);
}

#define TABLE_TEST(name)                                                                           \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        for (size_t i = 0; i < COUNT_OF(name##_rows); i++)                                         \
            check_row(name##_rows[i].text, &name##_rows[i]);                                       \
    }

TABLE_TEST(key)
TABLE_TEST(value)
TABLE_TEST(text)
TABLE_TEST(rule)

static void test_address(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(address_rows); i++) {
        char text[200];

        snprintf(text, sizeof(text), "[rule r]\npeer = %s\nlog.sites=1\n", address_rows[i].text);
        check_row(text, &address_rows[i]);
    }
}

static void test_every_error_is_reported(void **state)
{
    const char *text = "x = 1\n[colse]\ny = 1\n[close]\ndrain = a\non_limit = b\nnonsense\n"
                       "[rule r]\nrole = c\nproto = d, e\n";
    struct errors errors;
    void *memory;

    (void)state;
    assert_null(parse_bytes(text, strlen(text), &memory, &errors));
    free(memory);
    assert_int_equal(errors.count, 8);
    assert_non_null(strstr(errors.text, "p.ini:1: "));
    assert_non_null(strstr(errors.text, "p.ini:2: "));
    assert_null(strstr(errors.text, "p.ini:3: ")); /* a follow-up of line 2 */
    assert_non_null(strstr(errors.text, "p.ini:5: "));
    assert_non_null(strstr(errors.text, "p.ini:6: "));
    assert_non_null(strstr(errors.text, "p.ini:7: "));
    assert_non_null(strstr(errors.text, "p.ini:9: "));
    assert_non_null(strstr(errors.text, "p.ini:10: unknown proto `d`"));
    assert_non_null(strstr(errors.text, "p.ini:10: unknown proto `e`"));
}

/* A rule that could not be read matches nobody knows what: nothing is said of the rules below. */
static void test_no_follow_up_errors(void **state)
{
    const char *text = "[rule a]\nrole = x\nlog.sites = 1\n[rule b]\nlog.sites = 2\n";
    struct errors errors;
    void *memory;

    (void)state;
    assert_null(parse_bytes(text, strlen(text), &memory, &errors));
    free(memory);
    assert_int_equal(errors.count, 1);
}

static void test_override(void **state)
{
    static const struct row rows[] = {
        {"close.drian=block", 0,
         "SOFTCLOSE_SET:0: unknown key `close.drian`; did you mean "
         "`close.drain`? allowed: close.half_close, "},
        {"drain=block", 0, "did you mean `close.drain`?"},
        {"close.drain", 0, "expected `key=value`, found `close.drain`"},
        {"close.drain=x", 0, "`x` is no value of `close.drain`"},
        {"log.sites=1;log.sites=1", 0, "`log.sites` is set twice"},
        {"log.sites=\001", 0, "control character 0x01"},
        {"role=any", 0, "unknown key `role`"},
    };
    size_t size = policy_memory_needed(100);
    void *memory = malloc(size);
    struct errors errors;
    char longest[400];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memset(&errors, 0, sizeof(errors));
        assert_null(policy_override(memory, size, policy_builtin(MODE_AUDIT), "SOFTCLOSE_SET",
                                    rows[i].text, collect_error, &errors));
        assert_int_equal(errors.count, 1);
        if (strstr(errors.text, rows[i].message) == NULL)
            fail_msg("%s: %s", rows[i].text, errors.text);
    }
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_null(
        policy_override(memory, size, policy_builtin(MODE_AUDIT), "s", longest, NULL, NULL));
    assert_null(policy_override(memory, 8, policy_builtin(MODE_AUDIT), "s", "", NULL, NULL));
    assert_non_null(policy_override(memory, size, policy_builtin(MODE_AUDIT), "s", "", NULL, NULL));
    assert_non_null(
        policy_override(memory, size, policy_builtin(MODE_AUDIT), "s", " ; ;", NULL, NULL));
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key),
        cmocka_unit_test(test_value),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_rule),
        cmocka_unit_test(test_address),
        cmocka_unit_test(test_every_error_is_reported),
        cmocka_unit_test(test_no_follow_up_errors),
        cmocka_unit_test(test_override),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
