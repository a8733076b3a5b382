#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# No thread, no descriptor, no memory, no room in the log: the program behaves as without softclose.

setup() {
    load helpers
    bats_load_library bats-support
    bats_load_library bats-assert
}

@test "whatever is missing, the program behaves as without softclose" {
    skip_under_coverage "it says which of its files it cannot write, and does not live without memory"
    run "$SOFTCLOSE_SOURCE/tests/enforce/faults"
    skip_if_it_cannot_run
    printf '%s\n' "$output" | cut -c 1-300 | sed 's/^/# /' >&3
    assert_success
}
