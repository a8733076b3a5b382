#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A connection with two holders: whoever gives it up first leaves it alone, the last ends it in
# order. By fork in any order, killed children, passed descriptors, inetd, children of libc's.

setup() {
    bats_load_library bats-support
    bats_load_library bats-assert
    enforce="$SOFTCLOSE_SOURCE/tests/enforce"
}

skip_if_it_cannot_run() {
    if [ "$status" -eq 77 ]; then
        skip "${lines[0]#skipped: }"
    fi
}

@test "no holder disturbs another, and the last one drains" {
    run "$enforce/holders"
    skip_if_it_cannot_run
    printf '%s\n' "$output" | sed 's/^/# /' >&3
    assert_success
}

@test "SO_LINGER and SHUT_RDWR do what the policy says" {
    run "$enforce/lingers"
    skip_if_it_cannot_run
    printf '%s\n' "$output" | sed 's/^/# /' >&3
    assert_success
}
