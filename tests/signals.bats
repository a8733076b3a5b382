#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# close() is async-signal-safe, and stays so: storms of signals whose handlers close, handlers that
# leave by siglongjmp, the smallest signal stacks, cancelled threads, signals that softclose's own
# writing might raise.

setup()
{
    load helpers
    setup_interposition
}

# The closes that interposition/storm.c has made.
closes_of()
{
    figure "$(grep -v afterwards <<<"$1" | xargs)"
    awk '$1 == "closes" { print $2 }' <<<"$1"
}

@test "a storm: every close that succeeded is in the log, or counted as not written" {
    run audited timeout 120 "$P/storm" --seconds 1
    assert_success
    assert_line "failures 0"
    closes=$(closes_of "$output")
    told=$(grep -c '"event":"close"' "$LOG")
    unwritten=$(tail -n 4 "$LOG" |
        jq -s 'map(select(.exe == "storm" and .event == "summary").unwritten) | add')
    figure "told $told, not written $unwritten"
    assert_equal $((told + unwritten)) "$closes"
    run grep -c '"outcome":"invalid"' "$LOG"
    assert_output 0
}

# The long form: STORM_SECONDS=600 bats tests/signals.bats, or the program itself (storm.c).
@test "a longer storm: every close that succeeded is counted in the summary" {
    SOFTCLOSE_SET="log.events=none;$SETTINGS" run audited timeout $((${STORM_SECONDS:-2} * 2 + 60)) \
        "$P/storm" --seconds "${STORM_SECONDS:-2}"
    assert_success
    assert_line "failures 0"
    closes=$(closes_of "$output")
    run events 'map(select(.exe == "storm" and .event == "summary").closes | add) | add'
    assert_output "$closes"
}

# step NAME [OPTION...]: what the calls returned and the peers saw, with signals at instructions of
# every road, is what it is natively; every close that succeeded is in the log.
step()
{
    local name=$1 closes told signals missed every=40 limit=300
    shift
    if built_with asan; then # three times as many instructions
        every=120 limit=700
    fi
    [ -z "${STEP_EVERY:-}" ] || limit=$((limit * every / STEP_EVERY))
    timeout 120 "$P/step" "$@" >native.out 2>native.err || [ $? -eq 77 ]
    if grep skipped native.out; then
        skip "$(grep -o 'no hardware.*\|for x86.*' native.out)"
    fi
    run alone env SOFTCLOSE="$MODE" SOFTCLOSE_LOG="$LOG" LD_PRELOAD="$LIBRARY" \
        timeout "$limit" "$P/step" --every "${STEP_EVERY:-$every}" "$@"
    assert_success
    diff <(expected native.out | sort) <(grep -v '^every\|^inner\|instructions,' <<<"$output" | sort)
    figure "$name: $(grep -c instructions, <<<"$output") roads of" \
        "$(awk '/instructions,/ { sub(/.*: /, ""); sum += $1 } END { print sum }' <<<"$output") instructions," \
        "$(grep '^every' <<<"$output")"
    figure "$name: $(grep '^inner' <<<"$output")"
    closes=$(sed -n 's/^every.* closes \([0-9]*\),.*/\1/p' <<<"$output")
    told=$(grep '"event":"close"' "$LOG" | grep -vcE '"via":"exit"|"outcome":"invalid"')
    assert_equal "$told" "$closes"
    # Paths differ a little from run to run; by far the most signals must have met theirs.
    read -r signals missed < <(sed -nE 's/.*: signals ([0-9]+), missed ([0-9]+),.*/\1 \2/p' <<<"$output")
    [ "$signals" -gt 500 ]
    [ "$name" = cancels ] || [ "$missed" -le $((signals / 20)) ]
}

# The long form, every instruction: STEP_EVERY=1 bats -f instruction tests/signals.bats
@test "a handler at any instruction of any road closes, replaces and forks" {
    step "handlers"
}

@test "a cancel at any instruction of any road" {
    skip_under_asan "a frame that is left half built or half gone stays marked: it hears of whole ones only"
    step "cancels" --cancel
}

# Known limit: a handler that leaves softclose's own few instructions by siglongjmp() leaves counts
# behind, and a handful of later closes is told as "shared". Nothing hangs, slows down or is lost.
@test "handlers that leave by siglongjmp: afterwards everything is told" {
    asan_first
    run alone env SOFTCLOSE="$MODE" SOFTCLOSE_LOG="$LOG" LD_PRELOAD="$LIBRARY" \
        timeout 120 "$P/storm" --seconds 2 --jump
    assert_success
    closes_of "$output" >/dev/null
    # Under enforce too: whose history is torn is observed only, and such a peer may be reset.
    port=$(sed -nE "s/^afterwards: port ([0-9]*), 200 (resets and )?$ENDINGS\$/\\1/p" <<<"$output")
    [ -n "$port" ]
    grep "\"local\":\"127.0.0.1:$port\"" "$LOG" | grep '"outcome":"reset"' >afterwards || :
    told=$(wc -l <afterwards)
    # Known limit: the part of the table that a jump has left torn knows no more history.
    inherited=$(grep -c '"role":"inherited"' afterwards || :)
    figure "$(grep -o 'afterwards: [0-9]* us.*' <<<"$output"), $told of 200 resets told," \
        "$inherited without history"
    assert_equal "$told" 200
    if [ "$MODE" = enforce ]; then
        cured=$(grep -c '"action":"drain-' afterwards || :)
        figure "$cured of 200 cured"
        [ $((cured + inherited)) -ge 200 ]
    fi
}

# The long form: HELD=2000 bats -f "no descriptor" tests/signals.bats
@test "a close or a dup left by siglongjmp: no descriptor that is still open is taken for gone" {
    local seed=${SEED:-$RANDOM} held=${HELD:-20} way
    asan_first
    for way in close thread dup; do
        [ "$way" != dup ] || held=$((5 * held)) # a short road, with a few moments that matter
        run timeout 300 "$P/abandon" "$way" "$seed" "$held"
        [ "$status" -ne 77 ] || skip "$output"
        assert_success
        run audited timeout 600 "$P/abandon" "$way" "$seed" "$held"
        assert_success
        figure "$(grep trials <<<"$output")"
        assert_output --partial " $held of them still held"
    done
}

@test "how much stack a close needs" {
    skip_under_coverage "its frames are larger"
    skip_under_asan "its frames are larger"
    run audited "$P/signals" stack
    assert_success
    figure "bytes of stack: $(tr '\n' ';' <<<"$output")"
    # Known limit. What POSIX calls the smallest signal stack leaves a handler 2 KiB besides the
    # registers: it is enough, but little is left. A reset adds the unwinder's on ordinary stacks
    # only: see the next test.
    orderly=$(sed -n 's/^close, orderly: //p' <<<"$output")
    [ "$orderly" -le 2048 ]
}

@test "a close with unread data in a handler on the smallest signal stack" {
    skip_under_asan "its frames are larger"
    compare "$P/signals" small
    run events 'map(select(.event == "close" and .role == "accepted") | .outcome) | join(" ")'
    assert_output "reset exposed reset"
}

@test "threads cancelled in accept, recvmsg, connect and close" {
    asan_first
    run audited timeout 60 "$P/signals" cancel
    assert_success
    assert_output --regexp "^afterwards: port [0-9]+, 50 $ENDINGS\$"
    port=$(sed -E 's/.*port ([0-9]+),.*/\1/' <<<"$output")
    run events "map(select(.event == \"close\" and .role == \"accepted\" and .local == \"127.0.0.1:$port\")
        | .holders + \" \" + .outcome) | group_by(.) | map(\"\(length) \(.[0])\") | join(\", \")"
    assert_output "50 last reset"
    figure "400 threads cancelled; afterwards: $output"
}

@test "errno of the interrupted code" {
    compare "$P/signals" errno
}

@test "RLIMIT_FSIZE: the log stops, the program does not die of SIGXFSZ" {
    for size in 0 5000 200000; do
        rm -f "$LOG"
        compare "$P/signals" xfsz "$size"
        run events 'map(select(.event == "summary" and .exe == "signals").unwritten) | add'
        figure "limit $size: log of $(stat -c %s "$LOG") bytes, $output events not written"
        [ "$output" -gt 100 ]
        run grep -c "softclose: $output events could not be written" audited.err
        assert_output 1
    done
}

@test "a log in a pipe whose reader is gone: no SIGPIPE" {
    asan_first
    mkfifo pipe
    head -c 1 pipe >/dev/null 3>&- &
    exec 8>pipe # opens when the reader has
    SOFTCLOSE_LOG=$PWD/pipe run audited "$P/signals" cancel 8>&-
    exec 8>&-
    assert_success
    assert_output --partial "50 $ENDINGS"
}

@test "a program that filters its own system calls is not killed for softclose's" {
    for how in prctl seccomp listener; do
        rm -f "$LOG"
        compare "$P/limits" filter "$how"
        run events 'map(select(.event == "note" and .code == "seccomp")) | length'
        assert_output 1
    done
}

@test "a question about filters, or one that fails, does not end the log" {
    rm -f "$LOG"
    compare "$P/limits" filter none
    run events 'map(select(.event == "close" and .role == "accepted") | .outcome) | join(" ")'
    assert_output reset
}

# enforced PROGRAM...: compare() under enforce with close.on_signal.
enforced()
{
    SOFTCLOSE=enforce SOFTCLOSE_LOG=none SOFTCLOSE_SET="close.on_signal=TERM, INT, QUIT" compare "$@"
}

@test "close.on_signal: every function that sets an action shows what the program has set; deaths are the same" {
    enforced "$P/../enforce/actions"
    run grep -c 'SOMETHING' audited.out
    assert_output 0
    [ "$(wc -l <audited.out)" -gt 100 ]
    figure "$(wc -l <audited.out) answers about actions and deaths, the same with and without softclose"
}

@test "close.on_signal: an inherited SIG_IGN stays; the first process of a PID namespace does not die" {
    # shellcheck disable=SC2016 # for the inner shell
    enforced sh -c 'trap "" TERM; exec "$0" inherited' "$P/../enforce/actions"
    assert_equal "$(sed -n 1p audited.out)" "inherited: SIGTERM ignore, flags 0, mask 0"
    unshare --pid --fork true || skip "no PID namespaces here"
    enforced unshare --pid --fork "$P/../enforce/actions" first
    assert_equal "$(cat audited.out)" "still here: SIGTERM default, flags 0, mask 0"
}
