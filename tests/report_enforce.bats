#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What `softclose report` says of repairs, done, not done, and why.

bats_require_minimum_version 1.5.0

setup()
{
    load tools
    setup_tools
}

# enforced_close OUTCOME CAUSE ACTION [MORE]: a close under enforce, 5 bytes unread, 7 unsent.
# shellcheck disable=SC2317 # the tests call it
enforced_close()
{
    local fields=',"via":"close","holders":"last","unread":5,"unsent":7,"linger":-1,"shut":"none"'
    event close "$fields"',"outcome":"'"$1"'","cause":"'"$2"'","action":"'"$3"'","rule":"r"'"${4:-}"
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

@test "what enforce did instead of what the policy asks for, and why" {
    local action would fact why
    while IFS='|' read -r action would fact why; do
        {
            event process ',"mode":"enforce"'
            enforced_close exposed peer-open "$action" ",\"would\":\"$would\",$fact"
        } >log
        run -0 "$SOFTCLOSE" report log
        echo "$action $would $fact"
        assert_line "  Repaired: 0 of 1 exposed close."
        assert_line --regexp "^ +1 +close +$action, not $would: $why$"
        refute_output --partial "the policy:"
        refute_output --partial "could not be done"
    done <<'TABLE'
drain-inline|drain-background|"no_thread":true|no thread could take it
drain-inline|drain-background|"epoll_uncertain":true|an epoll set may still know it
drain-inline|drain-background|"ended":"bytes"|close.drain_bytes was reached at once
drain-inline|drain-block|"ended":"error"|the connection was gone
pass|drain-background|"unflushed":true,"no_thread":false|the stream could not be flushed
TABLE
}

@test "an inline drain that met the peer's end is a repair" {
    {
        event process ',"mode":"enforce"'
        enforced_close exposed peer-open drain-inline ',"would":"drain-background","ended":"eof"'
        enforced_close exposed peer-open drain-inline ',"would":"drain-background","no_thread":true'
    } >log
    run -0 "$SOFTCLOSE" report log
    assert_line "  Repaired: 1 of 2 exposed closes."
    assert_line --regexp '^ +1 +1 +close +drain-inline, not drain-background: the peer had finished$'
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
