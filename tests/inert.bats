#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# SOFTCLOSE unset or off: no thread, descriptor, file or system call of softclose's.

bats_require_minimum_version 1.5.0

setup()
{
    load helpers
    setup_interposition
}

# The names of a program's system calls, one a line. $1: name of the output, then strace's options.
traced()
{
    local out=$1
    shift
    strace -f -qq -o "$out.trace" "$@" "$P/costs" >/dev/null 2>"$out.err" </dev/null || return 1
    assert_equal "$(cat "$out.err")" ""
    awk '{ sub(/^[0-9]+ +/, ""); sub(/\(.*/, ""); print }' "$out.trace" >"$out.calls"
}

# Settings of SOFTCLOSE* in the arguments.
inert()
{
    local options=() setting
    for setting in "$@"; do
        options+=(-E "$setting")
    done
    traced native
    traced inert -E LD_PRELOAD="$LIBRARY" "${options[@]}"
    # From the program's own beginning on: the same, one by one.
    sed '0,/^getpgid$/d' native.calls >native.own
    sed '0,/^getpgid$/d' inert.calls >inert.own
    [ "$(wc -l <native.own)" -gt 1000 ]
    diff native.own inert.own
    # Before that: what ld.so does to map one more library, once each but for its segments.
    for name in native inert; do
        sed '/^getpgid$/,$d' "$name.calls" | sort >"$name.start"
    done
    added=$(comm -13 native.start inert.start | uniq -c | awk '{ print $2 " " $1 }' | xargs)
    figure "${*:-SOFTCLOSE unset}: $(wc -l <native.own) system calls, none added; ld.so's to map it: $added"
    run comm -23 native.start inert.start
    assert_output ""
    run bash -c 'comm -13 native.start inert.start | grep -vxE "openat|read|mmap|mprotect|close|fstat|newfstatat"'
    assert_output ""
    assert_equal "$(comm -13 native.start inert.start | grep -cx openat)" 1
}

@test "unset: the same system calls" {
    skip_if_instrumented
    inert
}

@test "off: the same system calls" {
    skip_if_instrumented
    inert SOFTCLOSE=off SOFTCLOSE_LOG="$LOG" SOFTCLOSE_POLICY=/nowhere SOFTCLOSE_SET=nonsense \
        SOFTCLOSE_STRICT=1
    assert_not_exists "$LOG"
}

@test "empty counts as unset" {
    skip_if_instrumented
    inert SOFTCLOSE=
}

@test "no thread, no descriptor, no file, no line on standard error" {
    for mode in "" off; do
        # shellcheck disable=SC2016 # for the inner shell
        look='ls /proc/$$/task | wc -l; ls /proc/$$/fd; : | wc -c; exit 5'
        run -5 bash -c "$look"
        echo "$output" >native.out
        LD_PRELOAD="$LIBRARY" SOFTCLOSE="$mode" TMPDIR="$PWD" run -5 bash -c "$look"
        echo "$output" >inert.out
        diff native.out inert.out
    done
    run find . -name 'softclose*'
    assert_output ""
}

@test "fork, exec, exit and signals of an inert program" {
    "$P/calls" >native.out 2>/dev/null </dev/null
    LD_PRELOAD="$LIBRARY" "$P/calls" >inert.out 2>/dev/null </dev/null
    diff native.out inert.out
}
