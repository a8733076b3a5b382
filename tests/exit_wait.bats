#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The end of a program with 100 connections that hold unread requests: natively 100 resets, under
# enforce none, and the same exit status or signal.

setup() {
    bats_load_library bats-support
    bats_load_library bats-assert
}

@test "a program that ends loses no connection's data, and ends as it would have" {
    run "$SOFTCLOSE_SOURCE/tests/enforce/exits"
    if [ "$status" -eq 77 ]; then
        skip "${lines[0]#skipped: }"
    fi
    printf '%s\n' "$output" | sed 's/^/# /' >&3
    assert_success
}
