#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Nothing is missed: every close of a socket that strace counts in real programs stands in the log.
# Needs SOFTCLOSE_LIB and SOFTCLOSE_BUILD (see compat/closes_run --help).

bats_require_minimum_version 1.5.0

# shellcheck source=tests/instrumented.bash
source "$BATS_TEST_DIRNAME/instrumented.bash"

setup_file()
{
    export COUNT="$SOFTCLOSE_BUILD/tests/compat/count_closes"
    export COMPAT="$BATS_TEST_DIRNAME/compat"
    export TRACE="$COMPAT/samples/every-road.trace" LOG="$COMPAT/samples/every-road.jsonl"
    # Not below bats' own directory: servers that give up root could not read it.
    KEPT=$(mktemp -d)
    export KEPT
}

teardown_file()
{
    rm -rf "$KEPT"
}

setup()
{
    bats_load_library bats-support
    bats_load_library bats-assert
}

# As a table on the terminal, whatever the result.
show()
{
    sed 's/^/# /' >&3
}

@test "the counter follows a trace through every road to a close" {
    run -0 "$COUNT" "$TRACE" "$LOG"
    assert_line --index 0 \
        'closes=22 seen=14 missed=0 extra=0 libc=1 vfork=2 killed=4 filtered=1'
    assert_line --partial 'libc: pid 100 fd 4 unix stream by close: line 6: '
}

@test "without any one of the events, the close is missed and its line of the trace is named" {
    local line lines_of_closes wanted=0
    mapfile -t lines_of_closes < <(
        grep -nv -e datagram -e invalid -e '"connect"' -e note "$LOG" | cut -d: -f1)
    for line in "${lines_of_closes[@]}"; do
        # The two events of the exec that failed belong to their note.
        [[ $line == 6 || $line == 7 ]] && continue
        sed "${line}d" "$LOG" >"$BATS_TEST_TMPDIR/log"
        run -1 "$COUNT" "$TRACE" "$BATS_TEST_TMPDIR/log"
        assert_line --index 0 --partial 'seen=13 missed=1 extra=0'
        assert_line --regexp '^missed: pid [0-9]+ fd [0-9]+ .* by [a-z0-9_]+: line [0-9]+: [0-9]+ '
        wanted=$((wanted + 1))
    done
    assert_equal "$wanted" 14
}

@test "an event that strace does not know of is an error too" {
    sed -n '3p' "$LOG" | cat "$LOG" - >"$BATS_TEST_TMPDIR/log"
    run -1 "$COUNT" "$TRACE" "$BATS_TEST_TMPDIR/log"
    assert_line --index 0 --partial 'seen=14 missed=0 extra=1'
}

@test "an event of another kind of socket does not count" {
    sed '3s/"stream"/"seqpacket"/' "$LOG" >"$BATS_TEST_TMPDIR/log"
    run -1 "$COUNT" "$TRACE" "$BATS_TEST_TMPDIR/log"
    assert_line --index 0 --partial 'seen=13 missed=1 extra=1'
}

@test "only sockets that libc connects to its own services are excused" {
    sed 's|/var/run/nscd/socket|/var/run/other/socket|' "$TRACE" >"$BATS_TEST_TMPDIR/trace"
    run -1 "$COUNT" "$BATS_TEST_TMPDIR/trace" "$LOG"
    assert_line --index 0 --partial 'missed=1 extra=0 libc=0'
}

@test "a trace that contradicts itself is refused" {
    sed '2d' "$TRACE" >"$BATS_TEST_TMPDIR/trace"
    run -2 "$COUNT" "$BATS_TEST_TMPDIR/trace" "$LOG"
    assert_output --partial 'accept on what is no socket'
}

# bats test_tags=slow
@test "real programs: nothing is missed" {
    skip_under_coverage "the filter of sshd's child kills for its calls"
    run "$COMPAT/closes_run" --keep "$KEPT"
    [[ $status != 77 ]] || skip "$output"
    show <<<"$output"
    assert_success
}

@test "real programs: none was skipped" {
    [[ -n $(ls "$KEPT") ]] || skip 'no program could be run'
    run "$COMPAT/closes_run" --missing
    [[ -z $output ]] || skip "$output"
}

@test "real programs: an event taken out of the log of each is missed" {
    [[ -n $(ls "$KEPT") ]] || skip 'no program could be run'
    local log first
    for log in "$KEPT"/*/log; do
        run "$COUNT" "${log%log}trace" "$log"
        first=${lines[0]}
        [[ $first =~ missed=([0-9]+) ]]
        local before=${BASH_REMATCH[1]}
        awk '/"event":"close"/ && /"type":"stream"/ && !/"proto":"other"/ && /"via":"close"/ \
             && !gone {gone = 1; next} {print}' "$log" >"$BATS_TEST_TMPDIR/log"
        run -1 "$COUNT" "${log%log}trace" "$BATS_TEST_TMPDIR/log"
        assert_line --index 0 --partial "missed=$((before + 1))"
    done
}
