#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The fuzz targets, each for a few thousand executions: what they hold, they hold. The long form is
# tests/fuzz/run --runs 1000000.

setup()
{
    bats_load_library bats-support
    bats_load_library bats-assert
    cd "$BATS_TEST_TMPDIR" || return 1
}

@test "policy, SOFTCLOSE_SET, address, value and event readers hold under fuzzing" {
    run "$SOFTCLOSE_SOURCE/tests/fuzz/run" --runs 5000
    if [ "$status" -eq 77 ]; then
        skip "${lines[0]#skipped: }"
    fi
    printf '%s\n' "$output" | sed 's/^/# /' >&3
    assert_success
    assert_equal "$(grep -c 'executions' <<<"$output")" 5
}
