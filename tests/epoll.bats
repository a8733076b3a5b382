#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A connection that is drained in the background is gone for the program: no epoll set tells of it
# again, no close() waits for it, and its limits are those of the policy.

setup() {
    bats_load_library bats-support
    bats_load_library bats-assert
    programs="$SOFTCLOSE_BUILD/tests/enforce"
    enforce="$SOFTCLOSE_SOURCE/tests/enforce"
}

skip_if_it_cannot_run() {
    if [ "$status" -eq 77 ]; then
        skip "${lines[0]#skipped: }"
    fi
}

figures() {
    printf '%s\n' "$output" | grep "^$1" | sed 's/^/# /' >&3
}

@test "natively no set of any kind tells of a closed descriptor" {
    run "$programs/epoll_sets_test"
    assert_success
}

@test "under enforce no set of any kind tells of a closed descriptor" {
    LD_PRELOAD="$SOFTCLOSE_LIB" SOFTCLOSE=enforce SOFTCLOSE_LOG=none \
        run "$programs/epoll_sets_test"
    figures epoll
    assert_success
}

@test "a close() makes a bounded number of system calls and waits for nothing" {
    run "$enforce/stall"
    skip_if_it_cannot_run
    figures stall
    assert_success
}

@test "a drain ends at each of its limits, the oldest first, and says so" {
    run "$enforce/limits"
    skip_if_it_cannot_run
    figures limit
    assert_success
}
