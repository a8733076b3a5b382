#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What a sanitizer finds fails the test in which it came up, also when the program that it is about
# has closed its standard error, lost its environment, or is expected to end with an error.

bats_require_minimum_version 1.5.0

setup()
{
    load helpers
    setup_interposition
}

@test "a report fails the test that left it, a warning none" {
    # Each begins when the one before it has been looked at.
    sed 's/^:/@/' >inner.bats <<END
setup() { timeout 20 sh -c 'until [ "\$(grep -cE "^(not )?ok" "$PWD/out")" -ge \$1 ]; do sleep 0.02; done' sh \$((BATS_TEST_NUMBER - 1)); }
:test "clean" { true; }
:test "an overflow" { echo "==1==ERROR: AddressSanitizer: heap-buffer-overflow" >"$PWD/reports/a.1"; }
:test "an overflow in the drain thread" { echo "=====" >"$PWD/reports/a.2"; }
:test "undefined" { echo "x.c:1:2: runtime error: signed integer overflow" >"$PWD/reports/a.3"; }
:test "a warning" { echo "==1==WARNING: ASan is ignoring" >"$PWD/reports/a.4"; }
:test "skipped" { skip "for want of it"; }
:test "wrong by itself" { false; }
END
    touch out
    # shellcheck disable=SC2016 # for the inner shell
    run -1 bash -c '"$0" "$PWD/reports" bats --tap inner.bats >out' "$SOURCE/tests/with_reports"
    run grep -E '^(ok|not ok|# report)' out
    assert_output "ok 1 clean
not ok 2 an overflow
# report: ==1==ERROR: AddressSanitizer: heap-buffer-overflow
not ok 3 an overflow in the drain thread
# report: =====
not ok 4 undefined
# report: x.c:1:2: runtime error: signed integer overflow
ok 5 a warning
ok 6 skipped # skip for want of it
not ok 7 wrong by itself"
}

@test "one that comes after the last test fails the file" {
    sed 's/^:/@/' >inner.bats <<END
:test "clean" { true; }
teardown_file() { echo "==1==ERROR: AddressSanitizer: heap-use-after-free" >"$PWD/reports/a.1"; }
END
    run -1 "$SOURCE/tests/with_reports" "$PWD/reports" bats --tap inner.bats
    assert_line "# report: ==1==ERROR: AddressSanitizer: heap-use-after-free"
    assert_line --regexp '^not ok'
    sed -i '/^teardown/d' inner.bats
    run -0 "$SOURCE/tests/with_reports" "$PWD/reports" bats --tap inner.bats
    assert_output "1..1
ok 1 clean"
}

# A faulty program with the options that the library brings (shim/sanitized.c), linked as that is.
@test "reports reach their directory without an environment and without a standard error" {
    local what log="\"log_path='$PWD/reports/report'\""
    mkdir reports
    cat >fault.c <<'END'
int main(int count, char **arguments)
{
    volatile int number = 2147483645 + count;
    char bytes[8] = "", *volatile beyond = bytes + 6 + count;

    if (**++arguments == 'u')
        return (number = number + 1) == 0;
    return *beyond;
}
END
    gcc -g -fsanitize=address,undefined -fno-sanitize-recover=all -static-libubsan \
        -Wl,--exclude-libs,libubsan.a -DSOFTCLOSE_ASAN_OPTIONS="$log" \
        -DSOFTCLOSE_UBSAN_OPTIONS="$log" -o fault fault.c "$SOURCE/shim/sanitized.c" || skip "no sanitizers"
    for what in undefined:"runtime error: signed integer overflow" \
        address:"ERROR: AddressSanitizer: stack-buffer-overflow"; do
        run -1 bash -c 'exec env -i "$@" 2>&-' bash "$PWD/fault" "${what%%:*}"
        assert_output ""
        assert_equal "$(find reports -type f | wc -l)" 1
        run -0 grep -F "${what#*:}" reports/*
        rm reports/*
    done
}

@test "the library of such a build has the options" {
    built_with asan || skip "built without AddressSanitizer"
    run nm --defined-only "$LIBRARY"
    assert_line --partial " T __asan_default_options"
    assert_line --partial " t __ubsan_default_options" # the runtime's own is within, and so hidden
    run grep -aoF "log_path='${LIBRARY%/shim/*}/reports/report'" "$LIBRARY"
    assert_success
}
