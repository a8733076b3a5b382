#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The end of a program with 100 connections that hold unread requests: natively 100 resets, under
# enforce none, and the same exit status or signal. With 1,000: EXIT_CONNECTIONS=1000.

setup() {
    load helpers
    bats_load_library bats-support
    bats_load_library bats-assert
}

@test "a program that ends loses no connection's data, and ends as it would have" {
    run "$SOFTCLOSE_SOURCE/tests/enforce/exits" --connections "${EXIT_CONNECTIONS:-100}"
    skip_if_it_cannot_run
    printf '%s\n' "$output" | sed 's/^/# /' >&3
    assert_success
}
