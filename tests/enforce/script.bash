# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154 # status, lines and output are set by run
# For the bats files that run a script of this directory and show its figures.

# shellcheck source=tests/instrumented.bash
source "$BATS_TEST_DIRNAME/instrumented.bash"

setup() {
    bats_load_library bats-support
    bats_load_library bats-assert
}

try() {
    run "$SOFTCLOSE_SOURCE/tests/enforce/$1" "${@:2}"
    if [ "$status" -eq 77 ]; then
        skip "${lines[0]#skipped: }"
    fi
    printf '%s\n' "$output" | sed 's/^/# /' >&3
    assert_success
}
