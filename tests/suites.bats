#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Suites and sessions of other people's programs come out the same natively, under audit and under
# enforce, case by case. The short form of tests/compat/run, and a check that it can tell.

bats_require_minimum_version 1.5.0

setup()
{
    bats_load_library bats-support
    bats_load_library bats-assert
    RUN="$BATS_TEST_DIRNAME/compat/run"
    export TMPDIR=/tmp # servers that give up root cannot read below bats' own directory
}

show() # as a table on the terminal, whatever the result
{
    sed 's/^/# /' >&3
}

@test "the short parts of the suites: no case differs" {
    if nm -D "$SOFTCLOSE_LIB" | grep -q __asan_init; then
        skip "AddressSanitizer: of their programs some end at the start unless its runtime is loaded first, others hang with the runtime alone"
    fi
    run "$RUN" --short --library "$SOFTCLOSE_LIB"
    show <<<"$output"
    ((status != 77)) || skip "${lines[-1]}"
    assert_success
    if [ -n "${SOFTCLOSE_INSTALLED:-}" ]; then
        refute_line --regexp ': skipped: ' # tests/run has installed what they need
    fi
}

@test "a library that breaks programs is told from one that does not" {
    cat >"$BATS_TEST_TMPDIR/break.c" <<'END'
#include <errno.h>
int dup2(int fd, int other) { (void)fd; (void)other; errno = EBADF; return -1; }
END
    gcc -shared -fPIC -o "$BATS_TEST_TMPDIR/break.so" "$BATS_TEST_TMPDIR/break.c"
    chmod 755 "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/break.so"
    run "$RUN" --library "$BATS_TEST_TMPDIR/break.so" system/shells
    ((status != 77)) || skip "${lines[-1]}"
    assert_failure 1
    assert_line --regexp 'differs: .* under audit: native ok ok ok ok; audit (missing|fail)( (missing|fail)){3}'
}

# What lines.py makes of a program's output; $1 is the format.
lines()
{
    rm -f "$BATS_TEST_TMPDIR/lines"
    python3 "$BATS_TEST_DIRNAME/compat/suites/lines.py" "$1" "$BATS_TEST_TMPDIR/lines"
    run tr '\t' '|' <"$BATS_TEST_TMPDIR/lines"
}

@test "what test programs print becomes cases, and what was not run is no success" {
    lines tap < <(printf '%s\n' '1..5' 'ok 1 - a' 'not ok 2 - b' 'ok 3 # skip no network' 'ok')
    assert_output "$(printf '%s\n' 'ok 1|' 'fail 2|- b' 'skip 3|no network' 'ok 4|' \
        'fail end|4 of 5 were run')"
    lines ruby < <(printf '%s\n' '[1/2] A#one = 0.01 s' '[2/2] A#two = 0.02 s' '  1) Failure:' \
        'A#two [test.rb:4]:' '<1> expected')
    assert_output "$(printf '%s\n' 'ok A#one|' 'fail A#two|<1> expected')"
    lines php < <(printf '%s\t/x/source/ext/%s\n' PASSED a LEAKED b SKIPPED c)
    assert_output "$(printf '%s\n' 'ok ext/a|' 'fail ext/b|LEAKED' 'skip ext/c|SKIPPED')"
    lines redis < <(printf '%s\n' 'Testing unit/a' '[ok]: One (3 ms)' \
        '[err]: Two in tests/unit/a.tcl' '[1/1 done]: unit/a (1 seconds)')
    assert_output "$(printf '%s\n' 'ok unit/a:One|' 'fail unit/a:Two|Two in tests/unit/a.tcl' \
        'ok unit/a:end|')"
}

@test "every suite can be described, and names its packages" {
    run -0 "$RUN" --list
    assert_line --regexp '^cpython: test_socket test_ssl .*libpython3.11-testsuite'
    assert [ "${#lines[@]}" -ge 6 ]
}
