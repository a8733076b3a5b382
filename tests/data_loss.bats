#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 200,000 bytes are written to a server that has read nothing, then the client closes: with
# linger 0 the rest is lost, by default and with linger 10 s all of it arrives, and softclose says
# so beforehand.

setup() {
    load helpers
    bats_load_library bats-support
    bats_load_library bats-assert
    oracle="$SOFTCLOSE_BUILD/tests/oracle"
}

@test "200,000 bytes, then close: what arrives is what was predicted" {
    run "$oracle/data_loss"
    skip_if_it_cannot_run
    local line
    for line in "${lines[@]}"; do
        echo "# $line" >&3
    done
    assert_success
    assert_line --partial "linger 0: 0 of 20 whole"
    assert_line --partial "default: 20 of 20 whole"
    assert_line --partial "linger 10: 20 of 20 whole"
}

@test "a library that predicts nothing does not pass" {
    local silent="$BATS_TEST_TMPDIR/silent.so"
    echo | gcc -shared -x c - -o "$silent"
    SOFTCLOSE_LIB="$silent" run "$oracle/data_loss"
    skip_if_it_cannot_run
    assert_failure 1
    assert_line --partial "linger 0: 0 of 20 whole"
    assert_line --partial "0 of 20 as predicted"
}
