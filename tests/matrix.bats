#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The prediction is right: every situation crossed with every road to a close, for TCP over IPv4
# and IPv6, MPTCP, UNIX stream and seqpacket, held against what the kernel really sent.

setup() {
    load helpers
    bats_load_library bats-support
    bats_load_library bats-assert
    oracle="$SOFTCLOSE_BUILD/tests/oracle"
}

@test "the judge finds each kind of wrong prediction" {
    run "$oracle/judge_test"
    figure "${lines[-1]}"
    assert_success
}

@test "the kernel does what the table of situations says" {
    run "$oracle/matrix" --native
    skip_if_it_cannot_run
    figure "${lines[-1]}"
    assert_success
}

@test "what is predicted is what the kernel does, for every situation, road and protocol" {
    run "$oracle/matrix" --events "$BATS_TEST_TMPDIR/events"
    skip_if_it_cannot_run
    figure "${lines[-1]}"
    printf '%s\n' "$output" >"$SOFTCLOSE_BUILD/tests/matrix.txt"
    echo "# the matrix: $SOFTCLOSE_BUILD/tests/matrix.txt" >&3
    assert_success
    run bash -c '"$@" 2>&1 >/dev/null' sh "$SOFTCLOSE_BUILD/tools/softclose" explain \
        --event @"$BATS_TEST_TMPDIR/events"
    figure "explained: ${output#softclose: }"
    assert_output --regexp '^softclose: [0-9]+ events, 0 decided differently$'
}

@test "a library that predicts nothing does not pass" {
    local silent="$BATS_TEST_TMPDIR/silent.so"
    echo | gcc -shared -x c - -o "$silent"
    SOFTCLOSE_LIB="$silent" run "$oracle/matrix" --only 'unread/tcp4/*'
    skip_if_it_cannot_run
    assert_failure 1
    assert_line --partial "0 of 13 cells right"
    assert_line --partial "13 missed"
}

@test "an interrupted oracle leaves no trace instance behind" {
    run "$oracle/matrix" --native --only 'unread/tcp4/close'
    skip_if_it_cannot_run
    assert_success
    local signal pid instances=/sys/kernel/tracing/instances/softclose-oracle-
    for signal in INT TERM HUP; do
        # bash starts background jobs with SIGINT ignored; env gives it back its default
        env --default-signal=INT "$oracle/matrix" --native >/dev/null 2>&1 3>&- &
        pid=$!
        until compgen -G "$instances$pid-1" >/dev/null || ! kill -0 "$pid"; do
            sleep 0.01
        done
        kill -s "$signal" "$pid"
        wait "$pid" || status=$?
        assert_equal "$status" "$((128 + $(kill -l "$signal")))"
        run compgen -G "$instances$pid-*"
        assert_output ""
    done
}
