#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Who holds a socket, told by the ledger alone: random families of processes (tests/stress/kin.c).
# By hand: build/dev/tests/stress/kin --trials 10000

setup() {
    load helpers
    bats_load_library bats-support
    bats_load_library bats-assert
    : "${SOFTCLOSE_BUILD:?the build folder}"
}

@test "never the last while another process has it, and one of those who give it up at once is" {
    run "$SOFTCLOSE_BUILD/tests/stress/kin" --trials 400
    figure "$(grep -v '^kin: seed .* families$' <<<"$output" | tail -1)"
    figure "$(head -1 <<<"$output")"
    assert_success
}
