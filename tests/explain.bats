#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# softclose explain: each key with its line, the decision for imagined connections and for events.

# shellcheck disable=SC2154 # stderr and lines are set by run
bats_require_minimum_version 1.5.0

setup()
{
    load tools
    setup_tools
    cat >p.ini <<'INI'
[close]
drain_total = 10s

[rule health-checks]
program = haproxy, /opt/*/lb
role = connected
peer = 10.0.0.0/8:8000-9000, [fd00::]/8:80
linger.zero = allow

[rule uploads]
local = :80
close.drain = block
linger.zero = deny

[rule local]
proto = unix
peer = /run/*.sock
close.drain = none
INI
}

explain()
{
    run -0 --separate-stderr "$SOFTCLOSE" explain "$@"
}

@test "each key has its value and the line it comes from, first matching rule first" {
    explain --policy p.ini --program haproxy --role connected --local 10.0.0.1:80 \
        --peer 10.2.0.1:8080 --set log.sites=3
    assert_equal "$stderr" ""
    assert_regex "$output" 'linger\.zero +allow +p\.ini:8 \[rule health-checks\]'
    assert_regex "$output" 'close\.drain +block +p\.ini:12 \[rule uploads\]'
    assert_regex "$output" 'close\.drain_total +10s +p\.ini:2 \[close\]'
    assert_regex "$output" 'close\.drain_idle +1s +built-in for role connected'
    assert_regex "$output" 'close\.on_limit +close +built-in'
    assert_regex "$output" 'log\.sites +3 +--set'
    explain --policy p.ini --program haproxy --role accepted --local 10.0.0.1:80 --peer 10.2.0.1:8080
    assert_regex "$output" 'linger\.zero +deny +p\.ini:13 \[rule uploads\]'
    explain --policy p.ini --program haproxy --role connected --local 10.0.0.1:81 --peer 10.2.0.1:7999
    assert_regex "$output" 'linger\.zero +forbid +built-in'
    explain --policy p.ini --program /opt/x/lb --role connected --local '[::1]:1' --peer '[fd12::1]:80'
    assert_regex "$output" 'linger\.zero +allow +p\.ini:8'
    explain --policy p.ini --program lb --role connected --local /x --peer /run/a.sock
    assert_regex "$output" 'close\.drain +none +p\.ini:18 \[rule local\]'
    assert_regex "$output" '^lb: unix'
}

@test "what is not given is said, once there are rules" {
    explain --policy p.ini --program x
    assert_equal "$stderr" \
        "softclose: not given: --role --local --peer; a rule that asks for it does not match"
    explain -q --policy p.ini
    assert_equal "$stderr" ""
    explain
    assert_equal "$stderr" ""
}

# decides "KERNEL" "ACTION" OPTION...
decides()
{
    explain "${@:3}"
    assert_regex "$output" $'\n'"kernel  $1"
    assert_regex "$output" $'\n'"action  $2"
}

@test "the decision follows the facts" {
    decides 'exposed peer-open' 'drain-background, by close.drain = background \(built-in\)'
    decides 'reset unread' 'drain-background' --unread 5
    decides 'reset unread' 'drain-background' --urgent
    decides 'reset unread' 'drain-inline' --unread 5 --set close.drain=inline
    decides 'reset unread' 'pass' --unread 5 --holders unknown
    decides 'released' 'pass' --unread 5 --holders shared
    decides 'fin' 'pass' --peer-fin
    decides 'reset linger-zero' 'drain-background\+linger-off, by linger.zero' --linger 0
    decides 'exposed peer-open' 'drain-background' --linger off
    decides 'reset backlog' 'pass, by listener.backlog = log' --backlog 3
    decides 'reset backlog' 'backlog-drained' --backlog 3 --set listener.backlog=drain
    decides 'exposed peer-open' 'softened, by shutdown.both' --operation shutdown-both
    decides '[a-z ]*' 'linger-off, by linger.zero = forbid' --operation linger
    decides 'reset disconnect' 'pass' --operation disconnect
    decides 'none finished' 'pass' --peer-fin --shut wr
    decides 'none connecting' 'pass' --state SYN_SENT
    decides 'reset unread' 'drain-background' --proto unix --type seqpacket --unread 1
    decides 'reset unread' 'drain-background' --unread 5 --operation exec
    assert_output --partial 'at      an exec: ESTABLISHED'
    decides 'reset unread' 'drain-background' --unread 5 --operation exit
    assert_output --partial 'at      the end of the program: ESTABLISHED'
    explain --audit --unread 5
    assert_output --partial 'would   drain-background'
}

@test "every event of a real log is decided again as it was" {
    "$SOFTCLOSE" run -q --log log perl "$DATA/reset_self.pl" linger
    explain --event @log
    assert_regex "$stderr" '[0-9]+ events, 0 decided differently'
    assert_equal "$(grep -c ': the same$' <<<"$output")" \
        "$(jq -s 'map(select(.event | IN("close", "linger", "shutdown"))) | length' log)"
    assert_output --partial 'event   reset unread, would drain-background, rule built-in: the same'
    assert_output --partial 'perl: tcp, role accepted, local 127.0.0.1:'
    explain --event @"$DATA/real-enforce.jsonl"
    assert_regex "$stderr" '6 events, 0 decided differently'
    # one event, from a pipe, from an argument, from an argument of many lines
    run -0 bash -c 'jq -c "select(.cause == \"unread\")" log | "$1" explain --event -' - "$SOFTCLOSE"
    assert_output --partial ': the same'
    explain --event "$(jq -c 'select(.cause == "unread")' log)"
    assert_output --partial ': the same'
    explain --event "$(jq 'select(.cause == "unread")' log)"
    assert_output --partial ': the same'
    # under another policy, and with another fact
    explain --event "$(jq -c 'select(.cause == "unread")' log)" --set close.half_close=never
    assert_output --partial 'rule built-in: the action differs'
    assert_output --partial 'action  pass, by close.half_close = never (--set)'
    explain --event "$(jq -c 'select(.cause == "unread")' log)" --unread 0
    assert_output --partial 'the OUTCOME differs'
}

@test "what enforce could not do is decided again as it was, and why is said" {
    local way
    for way in "" no-thread; do
        "$SOFTCLOSE" run -q --enforce --log "log.$way" --set log.events=all \
            --set close.exit_wait=100ms --set close.drain_bytes=4KiB \
            python3 "$DATA/each_kind.py" ${way:+"$way"}
        explain --set close.drain_bytes=4KiB --event @"log.$way"
        assert_regex "$stderr" '[0-9]+ events, 0 decided differently'
        echo "# ${way:-threads}: ${stderr#softclose: }" >&3
        grep -E '^(at|action|would|event) ' <<<"$output" | sort -u >>answers
    done
    # each hindrance was there, and each kind of event
    run -0 jq -r 'to_entries[] | select(.key | IN("no_thread", "epoll_uncertain", "unflushed",
        "ended", "awaited", "at_exit")) | "\(.key) \(.value)"' log. log.no-thread
    run -0 sort -u <<<"$output"
    assert_output "at_exit true
awaited true
ended bytes
ended eof
epoll_uncertain true
no_thread true
unflushed true"
    run -0 jq -r 'select(.outcome) | "\(.event) \(.outcome) \(.cause)"' log. log.no-thread
    run -0 sort -u <<<"$output"
    assert_output "close exposed peer-open
close fin null
close invalid bad-fd
close none already-reset
close none finished
close none unconnected
close released null
close reset backlog
close reset disconnect
close reset linger-zero
close reset unread
linger reset linger-zero
linger reset unread
shutdown exposed peer-open
shutdown fin null"
    run -0 cat answers
    assert_line --regexp '^at      .*; no thread could take it$'
    assert_line 'action  drain-inline, by close.drain = background (built-in)'
    assert_line 'would   drain-background, if that did not stand in the way'
    assert_line 'event   reset unread, action drain-inline, would drain-background, rule built-in: the same'
    assert_line 'event   reset unread, action pass, would drain-background, rule built-in: the same'
    assert_line 'event   exposed peer-open, action pass, would softened, rule built-in: the same'
    assert_line 'event   exposed peer-open, action drain-block, would drain-background, rule built-in: the same'
    # what no facts lead to is seen
    run -0 jq -c 'select(.no_thread and .cause == "unread" and (.awaited | not)) | .action = "drain-block"' log.no-thread
    explain --event "${lines[0]}"
    assert_output --partial ': the action differs'
}

@test "a double close is no close of a socket" {
    explain --event '{"v":1,"event":"close","exe":"x","fd":3,"via":"close","outcome":"invalid","cause":"bad-fd","action":"pass","rule":"built-in","errno":"EBADF"}'
    assert_output --partial 'at      close of a number that is not open'
    assert_output --partial ': the same'
}

@test "a matcher of the program holds for an event, of its path with --program" {
    local event='{"v":1,"event":"close","exe":"lb","role":"connected","peer":"10.0.0.1:8000","state":"ESTABLISHED","holders":"last","linger":0}'
    explain --policy p.ini --event "$event"
    assert_regex "$output" 'linger\.zero +forbid'
    explain --policy p.ini --event "$event" --program /opt/x/lb
    assert_regex "$output" 'linger\.zero +allow'
}

@test "bad usage, policies and events end with 2 and say what is allowed" {
    local bad
    for bad in --role=accpted --proto=sctp --peer=1.2.3.4:x --local=here --unread=-1 --unread=5k \
        --linger=soon --shut=all --holders=me --backlog= --state=established --operation=kill \
        --event=x --type=dgram --color=x --set=x --frob --program leftover; do
        run -2 --separate-stderr "$SOFTCLOSE" explain "$bad"
        assert_equal "$output" ""
        assert_regex "$stderr" "Try 'softclose explain --help'"
    done
    run -2 "$SOFTCLOSE" explain --role=accpted
    assert_line "softclose: --role must be accepted, connected, inherited, any, not 'accpted'"
    for bad in '{' '{}' '{"v":2,"event":"close"}' '{"v":1}' '{"v":1,"event":"note"}' '{}{}' \
        '{"v":1,"event":"close","state":"WRONG"}' '{"v":1,"event":"close","peer":"nowhere"}' \
        '{"v":1,"event":"close","state":"ESTABLISHED","unread":"100"}' \
        '{"v":1,"event":"close","unread":-1}' '{"v":1,"event":"close","unread":1.5}' \
        '{"v":1,"event":"close","linger":4294967296}' '{"v":1,"event":"close","peer_fin":"yes"}' \
        '{"v":1,"event":"close","role":5}' '{"v":1,"event":"close","unread":[1]}' \
        @absent @. ; do
        run -2 --separate-stderr "$SOFTCLOSE" explain --event "$bad"
        assert_regex "$stderr" '^softclose: --event: '
        assert_equal "$output" ""
    done
    run -2 "$SOFTCLOSE" explain --event '{"v":1,"event":"close","state":"WRONG"}'
    assert_output "softclose: --event: the field \"state\" holds what no event can: 'WRONG'"
    run -2 "$SOFTCLOSE" explain --event '{"v":2,"event":"close"}'
    assert_output --partial 'a version other than 1'
    printf '[close]\ndrain = x\n' >bad.ini
    run -2 "$SOFTCLOSE" explain --policy bad.ini
    assert_output --partial 'bad.ini:2: `x` is no value of `close.drain`'
    run -2 "$SOFTCLOSE" explain --policy absent.ini
    assert_output "absent.ini: cannot read the policy: No such file or directory"
}
