#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# `softclose report` on logs written by hand, byte for byte, and on whatever else a file may hold.
# shellcheck disable=SC2154,SC2016 # bats sets stderr; single quotes are for inner shells

bats_require_minimum_version 1.5.0

setup()
{
    load tools
    setup_tools
}

same_as()
{
    diff -u "$DATA/$1" - <<<"$output"
}

skip_if_sanitized()
{
    if ldd "$SOFTCLOSE" | grep -Eq 'lib[at]san'; then
        skip "a sanitizer needs memory of its own"
    fi
}

event()
{
    printf '{"v":1,"ts":"2026-11-20T10:00:00.000000000Z","event":"%s","pid":1,"tid":1,"exe":"x"%s}\n' \
        "$1" "${2:-}"
}

# --- the sample logs ---

@test "a log with everything in it" {
    cd "$DATA"
    run -0 --separate-stderr "$SOFTCLOSE" report mixed.jsonl
    same_as mixed.txt
    assert_equal "$stderr" ""
}

@test "a log of enforce with everything in it" {
    cd "$DATA"
    run -0 --separate-stderr "$SOFTCLOSE" report enforced.jsonl
    same_as enforced.txt
    assert_equal "$stderr" ""
}

@test "the log of a real run under enforce" {
    cd "$DATA"
    run -0 --separate-stderr "$SOFTCLOSE" report real-enforce.jsonl
    same_as real-enforce.txt
    assert_equal "$stderr" ""
}

@test "a log of orderly ends only" {
    cd "$DATA"
    run -0 "$SOFTCLOSE" report clean.jsonl
    same_as clean.txt
}

@test "bad lines are named and skipped, a truncated last one only counted" {
    cd "$DATA"
    run -0 --separate-stderr "$SOFTCLOSE" report damaged.jsonl
    same_as damaged.txt
    assert_equal "$stderr" 'softclose: damaged.jsonl:2: skipped: not one JSON object
softclose: damaged.jsonl:3: skipped: a version other than 1
softclose: damaged.jsonl:4: skipped: no version ("v")
softclose: damaged.jsonl:5: skipped: no "event"
softclose: damaged.jsonl:7: skipped: not one JSON object
softclose: damaged.jsonl:8: skipped: not one JSON object
softclose: damaged.jsonl:9: skipped: empty line
softclose: damaged.jsonl:11: skipped: not one JSON object
softclose: damaged.jsonl:12: skipped: not one JSON object'
}

@test "--by gives one table, --top its first rows" {
    local key
    cd "$DATA"
    for key in site peer program cause; do
        run -0 "$SOFTCLOSE" report --by "$key" --top 2 mixed.jsonl
        same_as "mixed-by-$key.txt"
    done
    run -0 "$SOFTCLOSE" report --top 0 mixed.jsonl
    same_as mixed.txt
}

@test "standard input is a log, several logs are added up" {
    cd "$DATA"
    run -0 "$SOFTCLOSE" report - <clean.jsonl
    assert_line "softclose report: standard input"
    assert_line "  1 process of 1 program; 1 close of sockets"
    run -0 "$SOFTCLOSE" report clean.jsonl mixed.jsonl clean.jsonl
    assert_line "softclose report: clean.jsonl and 2 more"
    assert_line "  5 processes of 2 programs; 18 closes of sockets"
}

@test "a last line without its newline counts when it is whole" {
    head -c -1 "$DATA/clean.jsonl" >cut.jsonl
    run -0 "$SOFTCLOSE" report cut.jsonl
    assert_output --partial "Nothing, as far as this log can tell."
}

# --- single facts ---

@test "closes of an exec that failed are taken back, those of one that went through are not" {
    local closed=',"via":"exec","outcome":"reset","cause":"unread","unread":5,"unsent":0,"action":"pass","peer":"10.0.0.1:1","site":["0x10"]'
    {
        event process
        event close "$closed"
        event close "$closed"
        event close "$closed"
        event summary ',"closes":{"reset":3}'
        event note ',"code":"exec-failed","text":"x","count":2'
    } >log
    run -0 "$SOFTCLOSE" report log
    assert_line --regexp '^ +1 +100.0 +5 B +0 B +reset +unread$'
    assert_line --regexp '^ +1 +0 +5 B +0 B +exec +0x10 \(in no known module\)$'
    {
        event process
        event close "$closed"
        event process
        event note ',"code":"exec-failed","text":"x","count":1'
    } >log
    run -0 "$SOFTCLOSE" report log
    assert_line --regexp '^ +1 +100.0 +5 B +0 B +reset +unread$'
}

@test "an address belongs to a module only between its base and its end" {
    local address
    {
        event process ',"maps":[{"module":"/a","base":"0x1000","end":"0x2000"},{"module":"/b","base":"0x3000"}]'
        for address in 0xfff 0x1000 0x1fff 0x2000 0x3000 0x999999; do
            event close ',"via":"close","outcome":"exposed","cause":"peer-open","site":["'$address'"]'
        done
    } >log
    run -0 "$SOFTCLOSE" report --by site log
    assert_line --regexp ' 0xfff \(in no known module\)$'
    assert_line --regexp ' /a\+0x0$'
    assert_line --regexp ' /a\+0xfff$'
    assert_line --regexp ' 0x2000 \(in no known module\)$'
    assert_line --regexp ' /b\+0x0$'
    assert_line --regexp ' /b\+0x996999$'
}

@test "closes that softclose repaired lose nothing" {
    {
        event process ',"mode":"enforce"'
        event close ',"via":"close","outcome":"reset","cause":"unread","unread":5,"unsent":7,"action":"drain-background"'
        event summary ',"closes":{"reset":1}'
    } >log
    run -0 "$SOFTCLOSE" report log
    assert_line "  enforce: the policy was applied"
    assert_line --regexp '^ +1 +100.0 +1 +0 B +0 B +reset +unread$'
    assert_line "  Repaired: 1 of 1 reset."
    assert_line --regexp '^ +1 +1 +close +drain-background$'
}

# close OUTCOME CAUSE ACTION [MORE]: an event of mode enforce with 5 bytes unread and 7 unsent.
enforced_close()
{
    event close ',"via":"close","holders":"last","unread":5,"unsent":7,"linger":-1,"shut":"none","outcome":"'"$1"'","cause":"'"$2"'","action":"'"$3"'","rule":"r"'"${4:-}"
}

@test "what an action cures, and what it does not" {
    local outcome cause action cured
    while read -r outcome cause action cured; do
        {
            event process ',"mode":"enforce"'
            enforced_close "$outcome" "$cause" "$action"
        } >log
        run -0 "$SOFTCLOSE" report log
        echo "$outcome $cause $action"
        if [[ $outcome == reset ]]; then
            assert_line "  Repaired: $cured of 1 reset."
            if [[ $cured -eq 1 ]]; then
                assert_line --regexp '^ +1 +100.0 +1 +0 B +0 B +reset '
            else
                assert_line --regexp '^ +1 +100.0 +0 +5 B +7 B +reset '
            fi
        else
            assert_line "  Repaired: $cured of 1 exposed close."
        fi
        if [[ $cured -eq 1 ]]; then
            refute_line --partial "Not repaired"
        else
            assert_line "  Not repaired, and why:"
        fi
    done <<'TABLE'
reset unread drain-background 1
reset unread drain-block 1
reset unread drain-inline 1
reset unread half-close 0
reset unread linger-off 0
reset unread pass 0
reset unread of-a-later-version 0
reset linger-zero linger-off 1
reset linger-zero drain-background+linger-off 1
reset linger-zero drain-background 0
reset linger2 drain-background 1
reset linger2 drain-inline 0
reset backlog backlog-drained 1
reset backlog pass 0
reset disconnect pass 0
reset shutdown-both pass 0
exposed peer-open drain-background 1
exposed peer-open drain-block 1
exposed peer-open drain-inline 0
exposed peer-open half-close 0
exposed peer-open pass 0
TABLE
}

@test "a UNIX socket's linger is no reason" {
    {
        event process ',"mode":"enforce"'
        enforced_close reset unread pass ',"proto":"unix","linger":0'
        enforced_close reset unread pass ',"proto":"tcp","linger":0'
    } >log
    run -0 "$SOFTCLOSE" report log
    assert_line --regexp '^ +1 +close +the policy: close.half_close, close.drain \(r\)$'
    assert_line --regexp '^ +1 +close +the policy: linger.zero \(r\)$'
}

@test "audit and enforce in one log are counted apart" {
    {
        event process ',"mode":"audit"'
        event close ',"via":"close","unread":5,"outcome":"reset","cause":"unread","action":"pass","would":"drain-background"'
        event close ',"via":"close","unread":5,"outcome":"reset","cause":"unread","action":"pass","would":"pass","holders":"unknown"'
        event process ',"mode":"enforce"' | sed 's/"pid":1/"pid":2/'
        enforced_close reset unread drain-background | sed 's/"pid":1/"pid":2/'
    } >log
    run -0 "$SOFTCLOSE" report log
    assert_line "  some processes only observed (audit), others under the policy (enforce)"
    assert_line --regexp '^ +3 +100.0 +1 +10 B +0 B +reset +unread$'
    assert_line "  Repaired: 1 of 1 reset."
    assert_line "  Would be repaired by --enforce: 1 of 2 resets."
    assert_line "  Would not be repaired, and why:"
    assert_line --partial "somebody else may have the socket open (holders: unknown)"
    assert_line "  1 of these 2 closes."
}

@test "a repair that an exec announced and that failed is taken back" {
    {
        event process ',"mode":"enforce"'
        enforced_close reset unread drain-background
        enforced_close reset unread drain-background ',"via":"exec"'
        event note ',"code":"exec-failed","text":"x","count":1'
    } >log
    run -0 "$SOFTCLOSE" report log
    assert_line "  Repaired: 1 of 1 reset."
    assert_line --regexp '^ +1 +1 +close +drain-background$'
}

@test "closes that were counted and not logged are told" {
    {
        event process
        event summary ',"closes":{"fin":40,"reset":2}'
    } >log
    run -0 "$SOFTCLOSE" report log
    assert_line --partial "42 closes counted by the processes are not in the log"
}

@test "connections that waited in a listener are counted where it is shut or closed" {
    {
        event process
        event shutdown ',"how":"rd","outcome":"reset","cause":"backlog","action":"pass","backlog":3'
        event close ',"via":"close","outcome":"reset","cause":"backlog","action":"pass","backlog":2'
    } >log
    run -0 "$SOFTCLOSE" report log
    assert_line --regexp '^ +2 +100.0 +0 B +0 B +reset +backlog$'
    assert_line "  5 connections were reset with the listener that they waited in"
}

@test "escape sequences of a log do not reach the terminal" {
    {
        event process
        event close ',"via":"close","outcome":"reset","cause":"unread","action":"pass","peer":"unix:/\u001b[31m\u009b"'
        event note ',"code":"x\u0007","text":"\u001b]0;title\u0007"'
    } >log
    run -0 "$SOFTCLOSE" report --color never log
    refute_output --regexp "$(printf '[\033\007]')"
    assert_line --partial 'unix:/?[31m?'
}

@test "an empty log is no error" {
    : >log
    run -0 "$SOFTCLOSE" report log
    assert_line "  no events"
}

# --- bad input ---

@test "2 and a clear line for what cannot be read" {
    run -2 --separate-stderr "$SOFTCLOSE" report missing
    assert_equal "$stderr" "softclose: cannot read missing: No such file or directory"
    assert_output ""
    run -2 --separate-stderr "$SOFTCLOSE" report .
    assert_equal "$stderr" "softclose: cannot read .: Is a directory"
    run -2 "$SOFTCLOSE" report "$DATA/clean.jsonl" missing
    run -2 bash -c '"$0" report "$1" >/dev/full' "$SOFTCLOSE" "$DATA/clean.jsonl"
    assert_output --partial "cannot write the report"
}

@test "2 for bad usage" {
    local bad
    for bad in "" "--format=json" "--format=html" "--format=folded" "--by=colour" "--top=x" \
        "--top=-1" "--color=pink" "--frobnicate"; do
        run -2 --separate-stderr "$SOFTCLOSE" report ${bad:+"$bad"} ${bad:+"$DATA/clean.jsonl"}
        assert_output ""
        assert_regex "$stderr" "softclose"
    done
    run -2 "$SOFTCLOSE" report --format=json "$DATA/clean.jsonl"
    assert_line --partial "--format must be text in this version"
}

@test "a line without end costs no memory" {
    skip_if_sanitized
    {
        cat "$DATA/clean.jsonl"
        head -c 300000000 /dev/zero
    } >endless
    run -0 bash -c 'ulimit -v 100000; exec "$0" report endless' "$SOFTCLOSE"
    assert_line "softclose: endless:4: skipped: longer than 1 MiB"
    assert_line --partial "1 close of sockets"
}

@test "of many bad lines the first hundred are named, all are counted" {
    yes nonsense | head -n 250 >log
    run -0 --separate-stderr "$SOFTCLOSE" report log
    assert_equal "$(grep -c skipped: <<<"$stderr")" 100
    assert_regex "$stderr" 'further bad lines are only counted'
    assert_output --partial "250 lines of the log could not be read"
}

@test "random bytes and torn events never end in a crash" {
    local seed
    for seed in 1 2 3 4 5 6 7 8; do
        python3 - "$seed" "$DATA/mixed.jsonl" >log <<'PYTHON'
import random, sys
chance = random.Random(int(sys.argv[1]))
data = bytearray(open(sys.argv[2], "rb").read())
for _ in range(400):
    at = chance.randrange(len(data))
    what = chance.randrange(4)
    if what == 0:
        data[at] = chance.randrange(256)
    elif what == 1:
        del data[at:at + chance.randrange(30)]
    elif what == 2:
        data[at:at] = bytes(chance.choices(b'{}[]",:0x\\u\n', k=chance.randrange(8)))
    else:
        end = at + chance.randrange(200)
        data[at:at] = data[at:end]
sys.stdout.buffer.write(data)
PYTHON
        run -0 "$SOFTCLOSE" report log
    done
}

# --- colour ---

@test "colour only where it is wanted" {
    run -0 "$SOFTCLOSE" report "$DATA/clean.jsonl"
    refute_output --partial $'\033'
    run -0 "$SOFTCLOSE" report --color=always "$DATA/clean.jsonl"
    assert_output --partial $'\033[1m'
    run -0 python3 - "$SOFTCLOSE" "$DATA/clean.jsonl" <<'PYTHON'
import os, pty, sys
def on_terminal(**environment):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.argv[1], ["softclose", "report", sys.argv[2]], environment)
    seen = b""
    while True:
        try:
            seen += os.read(terminal, 4096)
        except OSError:
            break
    assert os.waitpid(pid, 0)[1] == 0
    return b"\033[1m" in seen
assert on_terminal(TERM="xterm")
assert not on_terminal(TERM="xterm", NO_COLOR="1")
assert not on_terminal(TERM="dumb")
assert not on_terminal()
PYTHON
}

# --- size ---

@test "memory does not grow with the number of events" {
    skip_if_sanitized
    local events peak=()
    for events in 2000 200000; do
        python3 "$DATA/generate.py" "$events" >log
        run -0 python3 - "$SOFTCLOSE" <<'PYTHON'
import resource, subprocess, sys
subprocess.run([sys.argv[1], "report", "log"], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
PYTHON
        peak+=("$output")
    done
    echo "peak KiB for 2,000 and 200,000 events: ${peak[*]}"
    assert [ "${peak[1]}" -lt $((peak[0] + 1024)) ]
}
