#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# `softclose run --enforce`: what was natively reset arrives, and the program behaves as it did.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031 # bats: sets stderr, each test is a subshell

bats_require_minimum_version 1.5.0

setup()
{
    load tools
    setup_tools
}

# start_server COUNT KEEP COMMAND...: early_answer.py under the command; sets `server`, `port`.
start_server()
{
    local count=$1 keep=$2
    shift 2
    rm -f port out go
    "$@" python3 "$DATA/early_answer.py" port "$count" ${keep:+"$keep"} >out 3>&- &
    server=$!
    wait_until test -e port
    port=$(cat port)
}

# start_clients COUNT: each writes what it got to a file of its own.
start_clients()
{
    local i
    clients=()
    for ((i = 0; i < $1; i++)); do
        python3 "$DATA/late_reader.py" "$port" go >"client.$i" 3>&- &
        clients+=($!)
    done
}

# Sets `output`, as run does.
end_clients()
{
    touch go
    wait "${clients[@]}"
    output=$(sort client.* | uniq -c | sed 's/^ *//')
    rm client.*
}

@test "--enforce: a server whose answers are natively reset delivers them whole" {
    start_server 5 "" env
    start_clients 5
    wait_until grep -q closed out
    end_clients
    assert_output --regexp '^([0-9]+ [0-9]{1,5} reset)'
    refute_output --partial "end of file"
    ends_with "$server" 0

    start_server 5 "" "$SOFTCLOSE" run -q --enforce --log log
    start_clients 5
    wait_until grep -q closed out
    end_clients
    assert_output "5 100000 end of file"
    ends_with "$server" 0
    run -0 jq -r 'select(.event == "close" and .outcome == "reset") | "\(.cause) \(.action)"' log
    assert_equal "$(sort <<<"$output" | uniq -c | sed 's/^ *//')" "5 unread drain-background"
    assert_equal "$(jq -r 'select(.event == "drain") | .result' log | grep -c .)" 5
}

@test "--enforce: the exit status stays what it is" {
    run -42 "$SOFTCLOSE" run -q --enforce sh -c 'perl "$0" && exit 42' "$DATA/reset_self.pl"
    run -0 "$SOFTCLOSE" run -q --enforce perl "$DATA/reset_self.pl" linger
    run -143 bash -c 'set +m; "$0" run -q --enforce sh -c "kill -TERM \$\$"; exit $?' "$SOFTCLOSE"
    run -127 "$SOFTCLOSE" run -q --enforce no-such-program
}

@test "--enforce with close.on_signal: a program that dies of the signal delivers, and dies of it" {
    local key
    for key in close.on_signal=TERM log.sites=8; do
        start_server 3 keep "$SOFTCLOSE" run -q --enforce --set "$key" --log "$key.log"
        start_clients 3
        wait_until grep -q ready out
        kill -TERM "$server"
        ends_with "$server" 143
        end_clients
        if [[ $key == close.on_signal* ]]; then
            assert_output "3 100000 end of file"
        else
            assert_output --partial "reset"
            refute_output --partial "end of file"
        fi
    done
}

@test "log.events: the end of a drain is told with its close, or when it gave up, or never" {
    local events
    for events in changes resets none; do
        run -0 "$SOFTCLOSE" run -q --enforce --set "log.events=$events" \
            --set close.drain_idle=100ms --log "$events.log" python3 "$DATA/exposed.py"
        run -0 jq -r 'select(.event == "close" or .event == "drain") | "\(.event) \(.result)"' \
            "$events.log"
        # The first one's end may come before its close is told.
        assert_equal "$(sort <<<"$output" | xargs)" "$(
            case $events in
            changes) echo "close null close null drain eof drain idle" ;;
            resets) echo "drain idle" ;;
            esac)"
    done
}

@test "--enforce --report tells what was repaired" {
    run -0 --separate-stderr "$SOFTCLOSE" run --enforce --report perl "$DATA/reset_self.pl" linger
    assert_output ""
    assert_regex "$stderr" 'enforce: the policy was applied'
    assert_regex "$stderr" 'WHAT ENFORCE DID'
    assert_regex "$stderr" 'Repaired: 2 of 2 resets\.'
    assert_regex "$stderr" '1 +1 +close +drain-background'
    assert_regex "$stderr" 'SO_LINGER +linger-off'
    assert_regex "$stderr" 'DRAINS'
}

@test "--fail-on counts only what --enforce has not repaired" {
    local program=(perl "$DATA/reset_self.pl" linger)
    local all=(--fail-on reset --fail-on unread --fail-on linger-zero --fail-on exposed)
    run -3 "$SOFTCLOSE" run -q "${all[@]}" "${program[@]}"
    run -0 "$SOFTCLOSE" run -q --enforce "${all[@]}" "${program[@]}"
    assert_output ""
    run -3 "$SOFTCLOSE" run -q --enforce --set linger.zero=allow "${all[@]}" "${program[@]}"
    assert_output "softclose: reset: 1 close, more than 0 (--fail-on)
softclose: linger-zero: 1 close, more than 0 (--fail-on)"
    run -3 "$SOFTCLOSE" run -q --enforce --set close.half_close=never --fail-on 'unread>0' \
        "${program[@]}"
    assert_output "softclose: unread: 1 close, more than 0 (--fail-on)"
    run -0 "$SOFTCLOSE" run -q --enforce --set linger.zero=allow --fail-on 'reset>1' "${program[@]}"
}
