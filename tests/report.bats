#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# `softclose report` on logs written by hand: byte for byte, and single facts.
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
