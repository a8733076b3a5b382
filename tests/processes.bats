#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Who closes last, in families of processes. The oracle is the peer: the close after which it has
# been reset was the last one, and the log must name that one and no other.

bats_require_minimum_version 1.5.0

setup()
{
    load helpers
    setup_interposition
}

under_audit()
{
    alone env SOFTCLOSE="$MODE" SOFTCLOSE_LOG="$LOG" LD_PRELOAD="$LIBRARY" "$@"
}

# One scenario (interposition/family.c): the log's claims against what the peer saw after each
# step, and the peer's views natively against those under audit. CLAIM in place of "reset" stands
# for what an event may say as well.
family()
{
    local sock
    under_audit "$P/family" "$@" >steps </dev/null
    alone "$P/family" "$@" >native </dev/null
    # What is killed, or closed by a program without softclose (0 closes seen), is cured by nobody.
    diff <(awk '$1 != "sock" { print $1, $3, $4 }' native | sed -E "/ 0 reset\$/! s/ reset\$/ $ENDING/") \
        <(awk '$1 != "sock" { print $1, $3, $4 }' steps) || return 1
    sock=$(awk '$1 == "sock" { print $2 }' steps)
    # A step that closes several descriptors: all but the last one leave a holder.
    awk '$1 != "sock" { for (i = 1; i < $3; i++) print $2, "none"; if ($3 > 0) print $2, $4 }' \
        steps | sed "s/$ENDING\$/reset/" >wanted
    # Shells between parent and child close their copies too: not part of the scenario.
    jq -r --argjson sock "$sock" --rawfile steps steps '
        ($steps | split("\n") | map(split(" ")[1])) as $pids
        | select(.event == "close" and .sock == $sock and (.pid | tostring | IN($pids[])))
        | "\(.pid) \(if .outcome != "reset" then "none"
                     elif .holders == "last" then "reset" else .holders end)"' "$LOG" >told
    rm -f "$LOG"
    if ! diff wanted told; then
        echo "in: $*"
        cat steps
        return 1
    fi
}

# Each line is a scenario.
families()
{
    local line count=0 bad=0 steps
    while read -r line; do
        read -ra steps <<<"$line"
        [ ${#steps[@]} -gt 0 ] || continue
        count=$((count + 1))
        family "${steps[@]}" || bad=$((bad + 1))
    done
    figure "$count families, $bad told wrongly"
    assert_equal "$bad" 0
}

@test "fork: every order of closing, dying and being reaped" {
    families <<'END'
fork:p:a close:a close:p
fork:p:a close:p close:a
fork:p:a _exit:a close:p
fork:p:a exit:a close:p
fork:p:a quick:a close:p
fork:p:a close:p _exit:a
fork:p:a close:p exit:a
fork:p:a close:p quick:a
fork:p:a kill:a close:p
fork:p:a kill:a reap:a close:p
fork:p:a close:p kill:a
fork:p:a dup:a exit:a close:p
fork:p:a dup:a close:p close:a close:a
fork:p:a dup:p close:p close:a close:p
dup:p fork:p:a close:a close:p close:a close:p
fork:p:a fork:p:b close:p close:b close:a
fork:p:a _exit:a reap:a fork:p:b close:p close:b
END
}

@test "grandchildren" {
    families <<'END'
fork:p:a fork:a:b close:p close:a close:b
fork:p:a fork:a:b close:b close:a close:p
fork:p:a fork:a:b close:a close:b close:p
fork:p:a fork:a:b kill:a close:p close:b
fork:p:a fork:a:b kill:a close:b close:p
fork:p:a fork:a:b _exit:a fork:b:c kill:b close:p close:c
fork:p:a fork:p:b fork:p:c _exit:a fork:b:d close:b close:p close:c close:d
END
}

@test "children that no fork handler of libc announces: _Fork, clone, the raw system call" {
    families <<'END'
_Fork:p:a close:a close:p
_Fork:p:a close:p close:a
_Fork:p:a kill:a close:p
clone:p:a close:a close:p
clone:p:a close:p close:a
clone:p:a kill:a close:p
syscall:p:a close:a close:p
syscall:p:a close:p close:a
syscall:p:a kill:a close:p
fork:p:a syscall:p:b close:p close:a close:b
fork:p:a syscall:p:b close:p close:b close:a
fork:p:a syscall:a:b close:a close:p close:b
fork:p:a syscall:p:b close:b close:p close:a
syscall:p:a fork:p:b close:b close:p close:a
END
}

@test "programs started by posix_spawn, popen, system, vfork and exec, covered or not" {
    local how
    for how in spawn popen system vfork bare; do
        cat <<END
$how:p:a close:p kill:a
$how:p:a kill:a close:p
$how:p:a close:a close:p
$how:p:a close:p close:a
fork:p:a $how:a:b close:a kill:a close:p close:b
fork:p:a $how:a:b close:a close:p kill:b
fork:p:a $how:p:b close:p close:a close:b
END
    done | families
}

@test "a vfork child that closes and replaces everything leaves its parent's view alone" {
    families <<'END'
vforkclose:p close:p
vforkclose:p fork:p:a close:a close:p
fork:p:a vforkclose:a close:p close:a
dup:p vforkclose:p close:p close:p
END
}

@test "exec with and without close-on-exec, and one that fails" {
    families <<'END'
fork:p:a exec:a close:p close:a
fork:p:a exec:a close:a close:p
fork:p:a exec:a kill:a close:p
fork:p:a cloexec:a exec:a close:p
fork:p:a close:p cloexec:a exec:a
END
    # An exec that failed has announced closes that a note takes back.
    under_audit "$P/family" fork:p:a cloexec:p badexec:p close:a close:p </dev/null >steps
    run events 'map(select(.event == "note" and .code == "exec-failed")) | length'
    announced=$(events 'map(select(.via == "exec")) | length')
    if [ "$announced" -gt 0 ]; then
        assert_output 1
        assert_equal "$(events 'map(select(.code == "exec-failed").count) | add')" "$announced"
    fi
    sock=$(awk '$1 == "sock" { print $2 }' steps)
    run events "map(select(.sock == $sock and .via == \"close\") | .outcome) | join(\" \")"
    assert_output "released reset"
    figure "a failed exec announced $announced closes and took all of them back"
    # What the summaries of that process count is what it closed.
    pid=$(awk '$1 == "close:p" { print $2 }' steps)
    counted=$(events "map(select(.event == \"summary\" and .pid == $pid).closes | add // 0) | add")
    run events "map(select(.event == \"close\" and .pid == $pid and .via != \"exec\")) | length"
    assert_output "$counted"
}

@test "daemon" {
    families <<'END'
fork:p:a daemon:a close:p close:a
fork:p:a daemon:a close:a close:p
fork:p:a close:p daemon:a close:a
END
}

@test "descriptors sent through a UNIX socket" {
    # In flight it is nowhere in /proc: unknown. Whoever received it, and the sender that kept it,
    # ask /proc and the queues of the UNIX sockets, in which others' data may wait.
    under_audit "$P/family" send:p close:p recv:p close:p </dev/null >steps
    sock=$(awk '$1 == "sock" { print $2 }' steps)
    run events "map(select(.event == \"close\" and .sock == $sock) | .holders + \" \" + .outcome) | join(\", \")"
    assert_output --regexp '^unknown reset, (last|unknown) reset$'
    rm "$LOG"
    under_audit "$P/family" fork:p:a send:p close:p recv:a close:a close:a </dev/null >steps
    sock=$(awk '$1 == "sock" { print $2 }' steps)
    assert_equal "$(tail -1 steps | cut -d' ' -f4)" "$ENDING"
    run events "map(select(.event == \"close\" and .sock == $sock) | .outcome) | join(\" \")"
    assert_output --regexp '^released released (released|reset)$'
    figure "sent by a parent to its child: $output (the last one was the reset)"
}

@test "a connection that was inherited at the start" {
    # The launcher keeps no copy, or one until the end.
    under_audit "$P/inherit" alone "$P/family" -i 3 close:p </dev/null >steps
    sock=$(awk '$1 == "sock" { print $2 }' steps)
    run events "map(select(.sock == $sock and .event == \"close\" and .exe == \"family\")
        | .role + \" \" + .holders + \" \" + .outcome) | join(\", \")"
    assert_output "inherited last reset"
    assert_equal "$(tail -1 steps | cut -d' ' -f4)" "$ENDING"
    rm "$LOG"
    under_audit "$P/inherit" kept "$P/family" -i 3 close:p </dev/null >steps
    sock=$(awk '$1 == "sock" { print $2 }' steps)
    run events "map(select(.sock == $sock and .event == \"close\" and .exe == \"family\")
        | .role + \" \" + .holders + \" \" + .outcome) | join(\", \")"
    assert_output "inherited shared released"
    assert_equal "$(tail -1 steps | cut -d' ' -f4)" none
}

@test "64 children" {
    run under_audit "$P/crowd" 64
    assert_success
    resets=$(events 'map(select(.event == "close" and .role == "accepted" and .outcome == "reset")) | length')
    released=$(events 'map(select(.event == "close" and .role == "accepted" and .outcome == "released")) | length')
    figure "65 holders: $released released, $resets reset"
    assert_equal "$released $resets" "64 1"
    assert_output "$ENDING"
}

@test "connections handed to children that only exit leave nothing behind" {
    # More than the ledger has room for at a time. Without /proc there is no search that could
    # make up for a ledger that is full.
    unshare -m true 2>/dev/null || skip "no mount namespaces here"
    # shellcheck disable=SC2016 # for the inner shell
    run --separate-stderr audited env "SOFTCLOSE_SET=log.events=resets;$SETTINGS" unshare -m \
        bash -c 'mount -t tmpfs none /proc && exec "$0" --serve 17000' "$P/crowd"
    assert_success
    assert_output "$ENDING"
    # AddressSanitizer misses the program's name in /proc.
    # shellcheck disable=SC2154 # set by run
    run grep -v '^==.*WARNING: reading executable name failed' <<<"$stderr"
    assert_output ""
    figure "17000 connections handed to children, each close last told by the child's exit:" \
        "$(grep -c '"via":"exit"' "$LOG")"
    assert_equal "$(grep -c '"via":"exit"' "$LOG")" 17000
    run jq -r '.holders + " " + .outcome' <<<"$(grep '"event":"close".*"role":"accepted"' "$LOG" | tail -1)"
    assert_output "last reset"
}

# race HOW ROUNDS: every reset that a peer saw was told by one of those who closed.
race()
{
    local seen seen_as told claims
    read -r seen seen_as < <(under_audit timeout 60 "$P/race" "$@")
    assert_equal "$seen_as" "$ENDINGS"
    told=$(events 'map(select(.event == "close" and .role == "accepted" and .outcome == "reset").sock)
        | "\(unique | length) \(length)"')
    read -r told claims <<<"$told"
    figure "of $seen resets $told were told, $((claims - told)) by both"
    assert_equal "$told" "$seen"
    # Two that close within a microsecond may each take itself for the last one.
    [ "$claims" -le $((seen + seen / 10)) ]
}

@test "parent and child close at the same moment" {
    race --processes 300
}

@test "two threads close two copies at the same moment" {
    race --threads 300
}

@test "children killed at birth" {
    race --killed 100
}

@test "fork while other threads open and close" {
    run under_audit "$P/crowd" --threads 150
    assert_success
    seen=$(awk -v endings="$ENDINGS" '$1 == endings { print $2 }' <<<"$output")
    awk '$1 == "held" { print $2 }' <<<"$output" >held
    told=$(events 'map(select(.event == "close" and .role != "connected" and .outcome == "reset")
        | .sock) | unique | length')
    run events 'map(select(.event == "close" and .role != "connected" and .outcome == "reset" and
        .holders == "last") | .sock) | group_by(.) | map(select(length > 1)) | length'
    figure "150 forks beside busy threads: $(wc -l <held) closes left a holder, of $seen resets $told" \
        "were told, $output twice (known limit: a socket that one thread is just being given while" \
        "another one forks)"
    # At most one for each fork; usually none to three.
    [ $((seen - told + output)) -le 150 ]
}

@test "a fork within a fork, by a signal handler" {
    run under_audit timeout 60 "$P/nested"
    assert_output "50 $ENDINGS"
    # Nothing stays locked: their history is known, and a close takes no longer than ever.
    run events 'map(select(.event == "close" and .outcome == "reset") | .role + " " + .holders)
        | group_by(.) | map("\(length) \(.[0])") | join(", ")'
    assert_output "50 accepted last"
    figure "afterwards $(events 'map(select(.outcome == "reset") | .took_us) | add / length | floor') us" \
        "for each close"
}

@test "a thread ends the process while others open and close" {
    local round twice=0
    for round in 1 2 3 4 5 6 7 8 9 10; do
        rm -f "$LOG"
        run under_audit timeout 30 "$P/crowd" --exit "$round"
        assert_equal "$status" "$round"
        # The end is told once, whole, and no connection is closed twice.
        run jq -rs '[map(select(.event == "close" and .role == "accepted") | .sock) | group_by(.)[]
            | select(length > 1)] | length' "$LOG"
        assert_success
        twice=$((twice + output))
        run events 'map(select(.event == "summary" and .exe == "crowd")) | length'
        assert_output 1
    done
    figure "10 ends beside busy threads: $twice connections told by close and by exit"
    # At most one for each of four threads: a close that was under way when the process ended.
    [ "$twice" -le 40 ]
}

# The kernel stops a write(2) of a killed thread where a page of the file ends: 6 of 100 plain
# programs that end beside two writing threads leave half a line. Here each write(2) takes 3 ms more.
@test "an end beside threads that are writing events leaves whole lines" {
    command -v strace >/dev/null || skip "strace is missing"
    run timeout 120 strace -f -o trace -e trace=write,exit_group -e inject=write:delay_enter=3000 \
        -E SOFTCLOSE="$MODE" -E SOFTCLOSE_LOG="$LOG" -E LD_PRELOAD="$LIBRARY" \
        "$P/crowd" --events 20
    assert_success
    run awk '/ write\(.*<unfinished/ { writing[$1] = 1 }
        /<... write resumed>/ { delete writing[$1] }
        / exit_group\(/ { ends++; for (thread in writing) cut++; delete writing }
        END { print ends + 0 " ends, " cut + 0 " lines cut" }' trace
    figure "$output; $(wc -l <"$LOG") lines"
    assert_output --regexp '^[2-9][0-9]+ ends, 0 lines cut$' # strace has children, too
    run jq -s length "$LOG"
    assert_output "$(wc -l <"$LOG")"
}

# The child goes on with the event, and may write it a second time.
@test "a handler that forks within an event: every line is whole" {
    run audited timeout 60 "$P/crowd" --forks 500
    assert_success
    run jq -s length "$LOG"
    assert_output "$(wc -l <"$LOG")"
    figure "500 forks: $output lines, $(sort "$LOG" | uniq -d | wc -l) of them more than once"
}

@test "in a pid namespace of its own" {
    unshare --pid --fork true 2>/dev/null || skip "no pid namespaces here"
    for steps in 'fork:p:a close:a close:p' 'fork:p:a kill:a reap:a close:p'; do
        read -ra words <<<"$steps"
        rm -f "$LOG"
        audited unshare --pid --fork --mount-proc "$P/family" "${words[@]}" </dev/null >steps
        sock=$(awk '$1 == "sock" { print $2 }' steps)
        run events "map(select(.sock == $sock and .event == \"close\" and .exe == \"family\")
            | .outcome) | last"
        assert_output reset
    done
}
