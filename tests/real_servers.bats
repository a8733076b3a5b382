#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Real servers that answer an upload early with an error, over a slow link, and programs that lose
# data in silence. The short form; the long one is tests/enforce/servers --trials 50 --upload 64MiB.

setup() {
    bats_load_library bats-support
    bats_load_library bats-assert
}

try() {
    run "$SOFTCLOSE_SOURCE/tests/enforce/servers" --trials 3 "$@"
    if [ "$status" -eq 77 ]; then
        skip "${lines[0]#skipped: }"
    fi
    printf '%s\n' "$output" | sed 's/^/# /' >&3
    assert_success
}

@test "node, python, busybox: the early answer arrives whole, without a reset" {
    try node http.server busybox
}

@test "haproxy, webrick: the early answer arrives whole, without a reset" {
    try haproxy webrick
}

@test "a TLS client, socat and redis lose nothing any more" {
    try TLS socat redis
}
