#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The policies of policy/examples: valid, and each doing what it is for in a real run, which fails
# when any line of it is left out.

bats_require_minimum_version 1.5.0

load enforce/script

setup()
{
    load tools
    setup_tools
    EXAMPLES="$BATS_TEST_DIRNAME/../policy/examples"
}

@test "every example is valid, says what it is for, and stands in softclose-policy(5)" {
    local file page
    page=$(man -P cat -l "$BATS_TEST_DIRNAME/../docs/softclose-policy.5" 2>/dev/null)
    for file in "$EXAMPLES"/*.ini; do
        run -0 --separate-stderr "$SOFTCLOSE" check "$file"
        # shellcheck disable=SC2154 # set by run
        assert_equal "$stderr" ""
        assert_equal "$(head -c 2 "$file")" "# "
        assert_regex "$page" "${file##*/}"
    done
}

@test "audit-only: every close is as without softclose, and is told" {
    try examples --without-each-line audit-only
}

@test "web-server: early answers arrive whole, waiting clients are not reset" {
    try examples --without-each-line web-server
}

@test "proxy-health-checks: checks reset, clients are not" {
    try examples --without-each-line proxy-health-checks
}

@test "load-generator: its ports are free again at once" {
    try examples --without-each-line load-generator
}

@test "download-client: an aborted download stops the server at once" {
    try examples --without-each-line download-client
}

@test "prefork: children that die of SIGTERM deliver their answers" {
    try examples --without-each-line prefork
}
