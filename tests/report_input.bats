#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# `softclose report` on whatever a file may hold, and on files that it cannot read.
# shellcheck disable=SC2154,SC2016 # bats sets stderr; single quotes are for inner shells

bats_require_minimum_version 1.5.0

setup()
{
    load tools
    setup_tools
}

skip_if_sanitized()
{
    if ldd "$SOFTCLOSE" | grep -Eq 'lib[at]san'; then
        skip "a sanitizer needs memory of its own"
    fi
}

@test "bad lines are named and skipped, a truncated last one only counted" {
    cd "$DATA"
    run -0 --separate-stderr "$SOFTCLOSE" report damaged.jsonl
    diff -u "$DATA/damaged.txt" - <<<"$output"
    assert_equal "$stderr" 'softclose: damaged.jsonl:2: skipped: not one JSON object
softclose: damaged.jsonl:3: skipped: a version other than 1
softclose: damaged.jsonl:4: skipped: no version ("v")
softclose: damaged.jsonl:5: skipped: no "event"
softclose: damaged.jsonl:7: skipped: not one JSON object
softclose: damaged.jsonl:8: skipped: not one JSON object; the event at its end is read
softclose: damaged.jsonl:9: skipped: empty line
softclose: damaged.jsonl:11: skipped: not one JSON object
softclose: damaged.jsonl:12: skipped: not one JSON object'
}

@test "an event that follows half of another one in a line is read" {
    {
        event process
        event close ',"via":"close","outcome":"reset","cause":"unread","action":"pass"' | head -c 150
        event close ',"via":"close","outcome":"reset","cause":"unread","action":"pass","peer":"unix:{\"v\":"'
    } >log
    assert_equal "$(wc -l <log)" 2
    run -0 --separate-stderr "$SOFTCLOSE" report log
    assert_line --regexp '1 close of sockets'
    assert_equal "$stderr" \
        'softclose: log:2: skipped: not one JSON object; the event at its end is read'
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

# peak EVENTS: the most address space, in KiB, that a report has had once it has read them all and
# waits for more. (What is resident depends on how much of its file is in the page cache.)
peak()
{
    local pid
    rm -f pipe
    mkfifo pipe
    "$SOFTCLOSE" report - <pipe >/dev/null 3>&- &
    pid=$!
    exec 4>pipe
    python3 "$DATA/generate.py" "$1" >&4
    wait_until is_state "$pid" S
    sed -n 's/^VmPeak:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status"
    exec 4>&-
    ends_with "$pid" 0
}

@test "memory does not grow with the number of events" {
    skip_under_coverage "its counters take memory"
    skip_if_sanitized
    local few many
    few=$(peak 20000)
    many=$(peak 400000)
    echo "# report: peak KiB of address space for 20,000 and 400,000 events: $few $many" >&3
    assert [ "$few" -gt 500 ]
    assert [ "$many" -lt $((few + 64)) ]
}

# instructions COMMAND...: that it needs, start-up included
instructions()
{
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>out >/dev/null
    sed -n 's/.*Collected : //p' out
}

# each COMMAND...: what an event costs it, from the difference of two logs
each()
{
    echo $((($(instructions "$@" many) - $(instructions "$@" few)) / 1000))
}

@test "an event costs less than a fifth of the instructions that jq needs to read it" {
    skip_under_coverage "its counting adds instructions"
    skip_if_sanitized
    command -v valgrind >/dev/null || skip "no valgrind"
    local own other
    python3 "$DATA/generate.py" 200 >few
    python3 "$DATA/generate.py" 1200 >many
    own=$(each "$SOFTCLOSE" report --by cause)
    other=$(each jq -r 'select(.event == "close") | [.outcome, .cause, .exe] | join(" ")')
    echo "# report: instructions of an event: $own, of jq: $other" >&3
    assert [ "$own" -gt 1000 ] # or nothing was measured
    assert [ $((5 * own)) -le "$other" ]
    assert [ "$own" -le 35000 ]
}
