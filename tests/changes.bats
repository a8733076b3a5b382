#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031,SC2153 # bats; LIMIT is of helpers.bash
#
# Programs that change their root, user, namespaces and limits while they run (interposition/changes.c):
# the same results, errno and status; the peers see what they see natively, and under enforce the end
# in place of the reset; every close that ends a connection is told.

setup()
{
    load helpers
    setup_interposition
    rm -f "$LOG"
}

# changes ARGUMENT...: natively and under $MODE, with the same on standard error too.
changes()
{
    rm -f "$LOG"
    install -m 666 /dev/null "$LOG" # a program that another user executes goes on with it
    compare "$P/changes" "$@"
    run events 'map(select(.event == "process" and .exe == "changes").mode) | unique | join(" ")'
    assert_output "$MODE"
    diff native.err <(grep -v '^profiling:' audited.err) # what gcov says within another root
}

skip_where_it_cannot_run()
{
    run timeout "$LIMIT" "$P/changes" "$@"
    skip_if_it_cannot_run
}

# Each connection whose end a peer saw was told to be reset natively, once; and no drain failed. (A
# child that exits gives up waiting for a peer that waits for it.) What a drain may also end with,
# where something is missing, stands in $missing.
assert_all_told()
{
    local ends told
    ends=$(grep -cE ': reset$' native.out)
    told=$(events 'map(select(.event == "close" and .role == "accepted" and .outcome == "reset")
        | .sock) | "\(unique | length) \(length)"')
    figure "$BATS_TEST_DESCRIPTION: $ends connections ended, told: ${told% *}"
    assert_equal "$told" "$ends $ends"
    run events 'map(select(.event == "drain") | .result)
        | unique - ["eof", "exit"'"${missing:-}"'] | join(" ")'
    assert_output ""
    if [ "$MODE" = enforce ]; then
        run events 'any(.event == "drain" and .result == "eof")'
        assert_output true
    fi
}

@test "chroot() into an empty folder, without /proc" {
    mkdir empty
    skip_where_it_cannot_run chroot "$PWD/empty" first
    for when in first later; do
        changes chroot "$PWD/empty" "$when"
        assert_all_told
    done
}

@test "root becomes nobody, and comes back" {
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR"
    skip_where_it_cannot_run user setuid
    for how in setuid setresuid seteuid; do
        changes user "$how"
        assert_all_told
    done
}

@test "root becomes nobody while a drain is under way: no thread stays root's, without /proc neither" {
    mkdir empty
    skip_where_it_cannot_run threads /
    for root in / "$PWD/empty"; do
        changes threads "$root"
        run head -1 audited.out
        assert_output "threads that are root's: 0"
        if [ "$MODE" = enforce ]; then # otherwise there is no thread
            run events 'any(.action == "drain-background")'
            assert_output true
        fi
    done
}

@test "a program that is executed as another user may not write the log: it runs without softclose" {
    skip_under_coverage "that user may not write the counts either, and says so"
    skip_where_it_cannot_run user setuid
    compare "$P/changes" user setuid
    assert_all_told
    run cat audited.err
    assert_output --regexp '^softclose: cannot write events to .*; the program runs without softclose$'
    assert_equal "${#lines[@]}" 1
}

@test "other network and PID namespaces, there and back" {
    skip_where_it_cannot_run net unshare
    for how in unshare setns pid; do
        changes net "$how"
        assert_all_told
    done
}

@test "limits lowered and raised again: descriptors, memory, processes" {
    local limits=("nofile 16" "nofile 3" "as 4096" "nproc 0") limit missing
    if built_with asan; then
        limits[2]="as 30000000000000" # AddressSanitizer's own memory has no room in less
    fi
    for limit in "${limits[@]}"; do
        # shellcheck disable=SC2086 # two words
        changes limit $limit
        # Without a number for it the thread gives up its oldest connection, or cannot take it when
        # it has none: that is told.
        [[ $limit != nofile* ]] || missing=', "error", "evicted"'
        assert_all_told
        missing=
    done
}

@test "the limit of the size of files lowered to nothing and raised again" {
    compare "$P/changes" limit fsize 0
    run cat audited.err
    assert_output --regexp '^softclose: [0-9]+ events could not be written to .*; the program was not affected$'
    # What was closed under the limit is missing, and nothing after it.
    run events 'map(select(.event == "close" and .role == "accepted" and .outcome == "reset"))
        | length'
    assert_output "$(($(grep -cE ': reset$' native.out) - $(grep -c '^with the limit' native.out)))"
}

# assert_edges_told WHERE PRELOADED PROGRAM...: what is preloaded natively, as it stands; with
# softclose, "-" is softclose.
assert_edges_told()
{
    local where=$1 preloaded=$2
    shift 2
    rm -f "$LOG"
    run env LD_PRELOAD="${preloaded/-/}" "$@"
    assert_equal "$status" 3
    printf '%s\n' "$output" >native.out
    assert_equal "$(grep -c ': reset$' native.out)" "$ends"
    run env SOFTCLOSE="$MODE" SOFTCLOSE_LOG="$LOG" LD_PRELOAD="${preloaded/-/$LIBRARY}" "$@"
    assert_equal "$status" 3
    diff <(expected native.out) - <<<"$output"
    # `three` closes one more, whose peer says nothing.
    run events 'map(select(.event == "close" and .role == "accepted" and .outcome == "reset")) | length'
    assert_output $((ends + 1))
    figure "$where: $ends of $ends ends told, and main's"
}

@test "constructors and destructors that close connections: of the program, of its library, of others" {
    local ends=3 I="$SOURCE/tests/interposition"
    gcc -D_GNU_SOURCE -O1 "$I/limits.c" "$I/pair.c" -o linked -Wl,--no-as-needed "$P/libedges.so" \
        -Wl,-rpath,"$P"
    gcc -D_GNU_SOURCE -O1 "$I/limits.c" "$I/edges.c" "$I/pair.c" -o own
    assert_edges_told "of a library" - ./linked three
    assert_edges_told "preloaded after softclose" "- $P/libedges.so" "$P/limits" three
    assert_edges_told "of the program" - ./own three
    skip_under_asan "its runtime begins after a library that is preloaded before softclose: the rest was run"
    assert_edges_told "preloaded before softclose" "$P/libedges.so -" "$P/limits" three
}
