#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# softclose's own descriptors, and descriptor 2 while it is the log: the program sees the same
# numbers, results and errno as without softclose, and the log goes on.

setup()
{
    load helpers
    setup_interposition
}

# One trial of interposition/descriptors.c, with the limits given; what happens after it is logged.
trial()
{
    local soft=$1 hard=$2 cookie
    shift 2
    rm -f "$LOG"
    compare prlimit --nofile="$soft:$hard" "$P/descriptors" "$@"
    cookie=$(tail -1 audited.err)
    run events "map(select(.event == \"close\" and .sock == ${cookie:-0}) | .outcome) | join(\" \")"
    assert_output reset
    # Nobody was told of lost events, and the end of the process was seen.
    assert_equal "$(wc -l <audited.err)" 1
    run events 'map(select(.event == "summary" and .exe == "descriptors") | .unwritten) | add'
    assert_output 0
}

trials()
{
    local trial
    for trial in numbers fill loop closefrom range ranges proc dup2 dup3 syscall f_dupfd; do
        trial "$@" "$trial"
    done
    figure "11 trials with RLIMIT_NOFILE $1 (hard $2): no difference"
}

@test "softclose's descriptors lie above the soft limit" {
    # A small limit may have been lowered, with the program's descriptors above it: well above it.
    for limit in 29 64 1024; do
        own_with "$limit" 4096
        run awk -v limit="$limit" '$1 < limit || $1 < 1000' own
        assert_output ""
    done
    own_with 29 64 # no room so far above, where the hard limit cannot be raised
    run awk '$1 < 29' own
    assert_output ""
    # A table so large as to hold 20000 would be copied at every fork (docs: a known limit).
    [ "$(ulimit -Hn)" -ge 20000 ] || skip "the hard limit is below 20000"
    own_with 20000 20000
    run awk '$1 < 4000 || $1 > 4100' own
    assert_output ""
}

# own_with SOFT HARD: softclose's descriptors go to the file own.
own_with()
{
    rm -f "$LOG"
    prlimit --nofile="$1:$2" ls /proc/self/fd | sort -n >native
    prlimit --nofile="$1:$2" env LD_PRELOAD="$LIBRARY" SOFTCLOSE="$MODE" SOFTCLOSE_LOG="$LOG" \
        ls /proc/self/fd | sort -n >audited
    comm -13 <(sort native) <(sort audited) >own
    figure "limit $1 (hard $2): softclose's descriptors are $(xargs <own)"
    assert_equal "$(comm -23 <(sort native) <(sort audited))" ""
    [ -s own ]
}

@test "every trial with a limit of 64" {
    trials 64 4096
}

@test "every trial with a limit of 1024" {
    trials 1024 4096
}

@test "every trial with a limit of 16" {
    trials 16 4096
}

@test "with a limit of 4 there is no connection to be closed, but everything else is the same" {
    for trial in numbers loop closefrom range ranges proc dup2 f_dupfd; do
        rm -f "$LOG"
        compare prlimit --nofile=4:4096 "$P/descriptors" "$trial"
        # Where bats' own descriptor takes the last number, there is none for the log; without, it is
        # told that softclose was there.
        compare prlimit --nofile=4:4096 "$P/descriptors" "$trial" 3>&-
        run events 'map(select(.event == "process" and .exe == "descriptors")) | length'
        assert_output 1
    done
}

@test "a hard limit of 16 that cannot be raised" {
    # Without room above, softclose's few descriptors are among the sixteen: the program is told
    # EMFILE that much earlier. Everything else is the same.
    for trial in loop range ranges proc; do
        trial 16 16 "$trial"
    done
    filled()
    {
        prlimit --nofile=16:16 "$@" "$P/descriptors" fill 2>/dev/null |
            awk -F'[ .:]+' '$1 == "close" && $4 == 0 { sum += $3 - $2 + 1 } END { print sum }'
    }
    native=$(filled env)
    under=$(filled env LD_PRELOAD="$LIBRARY" SOFTCLOSE="$MODE" SOFTCLOSE_LOG="$LOG")
    figure "hard limit 16: $native descriptors can be opened natively, $under under audit (known limit)"
    [ "$under" -ge $((native - 3)) ]
}

@test "no number is left for the log: one clear line, and the program runs" {
    for trial in numbers loop dup2; do
        "$P/limits" numbers 4 "$P/descriptors" "$trial" >native
        "$P/limits" numbers 4 env LD_PRELOAD="$LIBRARY" SOFTCLOSE="$MODE" SOFTCLOSE_LOG="$LOG" \
            "$P/descriptors" "$trial" >audited 2>told
        diff native audited
        run cat told
        assert_output --regexp '^softclose: .*(descriptor|RLIMIT_NOFILE).*$'
        assert_equal "${#lines[@]}" 1
    done
}

# One trial of interposition/stderrs.c; $1: at least so many lines of events are to arrive.
stderr_trial()
{
    local least=$1 most=$2
    shift 2
    "$P/stderrs" "$@" >native.out 2>native.err
    # Under enforce a drain that ends is told too, if its end comes in time: two at most.
    [ "$MODE" = audit ] || most=$((most + 2))
    INNER_PRELOAD="$LIBRARY" SOFTCLOSE="$MODE" SOFTCLOSE_LOG=stderr "$P/stderrs" "$@" \
        >audited.out 2>audited.err
    diff <(expected native.out) audited.out || return 1
    told=$(cat audited.err)
    if [ "$told" -lt "$least" ] || [ "$told" -gt "$most" ]; then
        echo "$*: $told lines"
        return 1
    fi
}

@test "no event ends up in what took the place of standard error, and its pipe is let go" {
    local trial
    # Before: the process event, and the two ends of one connection.
    for trial in close-file close-socket dup2-file freopen fclose closefrom close_range raw; do
        stderr_trial 3 3 "$trial"
        run tail -2 audited.out
        assert_line "end of the pipe while it ran: yes"
        run head -1 audited.out
        assert_output "in what took number 2: 0 bytes"
    done
    # daemon(3) ends a process that still has its own standard error: its summary goes there.
    stderr_trial 4 6 daemon
    assert_equal "$(grep -c 'ran: yes' audited.out)" 1
    figure "9 ways to replace descriptor 2: 3 events before, none after, the reader saw the end each time"
}

@test "a dup2 onto standard error that changes nothing does not end the log" {
    stderr_trial 5 6 dup2-same
    stderr_trial 5 6 dup2-failed
}

@test "standard error without a reader, full or stalled: the program neither dies nor waits" {
    for trial in no-reader full stalled; do
        stderr_trial 0 0 "$trial"
        run tail -1 audited.out
        assert_output "wait status: 0"
    done
}
