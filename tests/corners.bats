#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Corner cases (interposition/corners.c), each natively, under audit and under enforce: the same
# output and status. Only a peer that sees a reset sees the end under enforce.

setup()
{
    load helpers
    setup_interposition
    # What is waited for is longer than a drain.
    SETTINGS="log.events=all;listener.backlog=drain;close.drain_idle=50ms;close.exit_wait=100ms"
}

# assert_same PROGRAM CASE...: and the log of each mode shows that softclose was there.
# shellcheck disable=SC2034 # for compare
assert_same()
{
    local program=$1
    shift
    for MODE in audit enforce; do
        ENDING=reset
        [ "$MODE" = audit ] || ENDING=eof
        rm -f "$LOG"
        SOFTCLOSE_SET="$SETTINGS" compare "${before[@]}" "$P/$program" "$@"
        run events "map(select(.event == \"process\" and .exe == \"$program\").mode) | unique | join(\" \")"
        assert_output "$MODE"
    done
    figure "$(paste -sd ';' audited.out)"
}

@test "the end does not wait for a thread that reads from standard input" {
    assert_same corners stdin
}

@test "a cancelled close() leaves a connection with a live dup alone" {
    asan_first
    assert_same corners cancel
}

@test "execvp() of a name that is in the working directory only leaves connections alone" {
    assert_same corners search
}

@test "a socket connected anew has nothing of its shutdown() before" {
    assert_same corners anew
}

@test "children forked by a signal handler within close() end in order" {
    # Who waits for a drain that is not there does so for longer than the program lets a child live.
    SETTINGS="${SETTINGS/exit_wait=100ms/exit_wait=30s}" assert_same corners fork
}

@test "a signal ends the wait of SO_LINGER" {
    assert_same corners linger
}

@test "a second thread's exit() does not overtake the end that waits for drains" {
    assert_same corners second exit
    assert_same corners second _exit
}

@test "a handler on the smallest signal stack closes a listener where a connection waits" {
    skip_under_asan "its frames are larger"
    assert_same corners listener
}

@test "execve() with an environment that cannot be read is the kernel's to refuse" {
    assert_same corners environment
}

@test "a child does not end a connection that its parent passes to an exec that fails" {
    local before=()
    echo true >not-binary
    chmod +x not-binary
    SETTINGS="close.drain_idle=5s;close.exit_wait=500ms" assert_same relatives failed "$PWD/not-binary"
}

@test "a thread that writes while an exec waits for drains does not break the program" {
    local before=()
    SETTINGS="close.drain_idle=5s;close.exit_wait=200ms" assert_same relatives writer
}

@test "a child forked while another thread executes has SIGPIPE as the program left it" {
    local before=()
    SETTINGS="close.drain_idle=5s;close.exit_wait=300ms" assert_same relatives pipes
}

@test "a daemon() that cannot fork: the program goes on, its connections too" {
    local before=()
    assert_same relatives daemon
}

@test "a child is seen in a namespace of pids whose /proc is another's" {
    local before=(unshare --pid --fork)
    "${before[@]}" true 2>/dev/null || skip "no namespaces of pids"
    assert_same relatives child
}
