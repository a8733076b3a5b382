#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Under enforce: every situation of the matrix, closed by every road, without a reset, with every
# byte and an orderly end for the peer, who goes on sending; another holder is left alone. And the
# banner: 200,000 bytes over a slow link, while something from the peer is unread or comes late.

setup() {
    load helpers
    bats_load_library bats-support
    bats_load_library bats-assert
    oracle="$SOFTCLOSE_BUILD/tests/oracle"
    enforce="$SOFTCLOSE_SOURCE/tests/enforce"
}

silent_library() {
    local silent="$BATS_TEST_TMPDIR/silent.so"
    echo | gcc -shared -x c - -o "$silent"
    echo "$silent"
}

@test "every situation, road and protocol is cured" {
    run "$oracle/matrix" --enforce --jobs 8 --late 40 --events "$BATS_TEST_TMPDIR/events"
    skip_if_it_cannot_run
    echo "# ${lines[-1]}" >&3
    grep '^skipped' <<<"$output" | sed 's/^/# /' >&3
    printf '%s\n' "$output" >"$SOFTCLOSE_BUILD/tests/cured.txt"
    assert_success
    run bash -c '"$@" 2>&1 >/dev/null' sh "$SOFTCLOSE_BUILD/tools/softclose" explain --set listener.backlog=drain \
        --event @"$BATS_TEST_TMPDIR/events"
    figure "explained: ${output#softclose: }"
    assert_output --regexp '^softclose: [0-9]+ events, 0 decided differently$'
}

@test "a peer that goes on sending for a second after the close meets no reset" {
    local only
    for only in '*/close' '*/tcp4/exit'; do
        run "$oracle/matrix" --enforce --jobs 16 --late 1000 --only "$only"
        skip_if_it_cannot_run
        echo "# $only: ${lines[-1]}" >&3
        assert_success
    done
}

@test "a library that cures nothing does not pass" {
    SOFTCLOSE_LIB="$(silent_library)" run "$oracle/matrix" --enforce --late 40 --only 'unread/tcp4/*'
    skip_if_it_cannot_run
    assert_failure 1
    assert_line --partial "enforce: 0 of 13 cells cured, 13 reset"
}

@test "the banner arrives whole over a slow link, which natively it never does" {
    run "$enforce/banner" --trials 10
    skip_if_it_cannot_run
    grep '^banner' <<<"$output" | sed 's/^/# /' >&3
    assert_success
}
