#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A connection that is drained in the background is gone for the program: no epoll set tells of it
# again, no close() waits for it, and its limits are those of the policy.

setup() {
    load helpers
    bats_load_library bats-support
    bats_load_library bats-assert
    programs="$SOFTCLOSE_BUILD/tests/enforce"
    enforce="$SOFTCLOSE_SOURCE/tests/enforce"
}

figures() {
    printf '%s\n' "$output" | grep "^$1" | sed 's/^/# /' >&3
}

@test "natively no set of any kind tells of a closed descriptor" {
    run "$programs/epoll_sets_test"
    assert_success
}

@test "under enforce no set of any kind tells of a closed descriptor" {
    LD_PRELOAD="$SOFTCLOSE_LIB" SOFTCLOSE=enforce SOFTCLOSE_LOG="$BATS_TEST_TMPDIR/log" \
        run "$programs/epoll_sets_test"
    figures epoll
    assert_success
    # A socket that a set may know under a number that is gone stays out of the background, and the
    # event says so.
    run grep -c '"epoll_uncertain":true.*"action":"drain-inline","would":"drain-background"' \
        "$BATS_TEST_TMPDIR/log"
    assert_success
    echo "# epoll: $output sockets that a set could not be made to forget" >&3
    run grep '"epoll_uncertain":true.*"action":"drain-background"' "$BATS_TEST_TMPDIR/log"
    assert_failure 1
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
