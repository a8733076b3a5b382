#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Ten thousand connections, 64 at a time, with random sizes, delays and roads to their close.

setup() {
    load helpers
    bats_load_library bats-support
    bats_load_library bats-assert
    load="$SOFTCLOSE_BUILD/tests/enforce/load"
}

@test "natively most of the connections lose data" {
    run "$load" --native --connections 1000
    skip_if_it_cannot_run
    figure "${lines[-1]}"
    assert_failure 1
    refute_line --partial ": 1000 whole"
}

@test "under enforce none does, no descriptor is leaked, and memory stays flat" {
    run "$load" --connections 10000
    skip_if_it_cannot_run
    figure "${lines[-1]}"
    assert_success
}
