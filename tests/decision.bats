#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What a decision costs, in nanoseconds (shown) and instructions (held): rules are matched once for
# a connection, so that later operations cost the same with 1 and with 1,000 rules. And the rules
# are matched anew when the connection becomes another one.

# shellcheck disable=SC2154 # stderr and lines are set by run
bats_require_minimum_version 1.5.0

setup()
{
    load helpers
    load tools
    setup_tools
    DECISION="$SOFTCLOSE_BUILD/tests/bench/decision"
}

# instructions RULES first|again: of one decision, from the difference of two runs
instructions()
{
    local count few many
    for count in 100 200; do
        valgrind --tool=callgrind --callgrind-out-file=/dev/null "$DECISION" "$1" "$2" $count 2>out
        [[ $count -eq 100 ]] && few=$(sed -n 's/.*Collected : //p' out)
        many=$(sed -n 's/.*Collected : //p' out)
    done
    echo $(((many - few) / 100))
}

@test "rules are matched once per connection: 1,000 rules cost what one costs" {
    skip_under_coverage "its counting adds instructions"
    skip_under_asan "valgrind does not run what its runtime is in"
    run -0 "$DECISION"
    # shellcheck disable=SC2154 # set by run
    printf '# %s\n' "${lines[@]}" >&3
    command -v valgrind >/dev/null || skip "no valgrind"
    local first=() again=() rules
    for rules in 1 1000; do
        first+=("$(instructions $rules first)")
        again+=("$(instructions $rules again)")
    done
    echo "# decision: instructions: first ${first[0]} with 1 rule, ${first[1]} with 1,000;" \
        "later ${again[0]} and ${again[1]}" >&3
    assert_equal "${again[0]}" "${again[1]}"
    assert [ "${again[0]}" -lt 400 ]
    assert [ "${first[0]}" -lt 2500 ]
    assert [ "${first[1]}" -lt 200000 ]
    assert [ "${first[1]}" -gt $((10 * again[1])) ] # or nothing was measured
}

@test "a socket that is connected anew is matched anew" {
    cat >rules.ini <<'INI'
[rule first]
peer = 127.0.0.1
shutdown.both = log
[rule second]
peer = 127.0.0.2
shutdown.both = allow
[rule one]
role = any
peer = 127.0.0.1
linger.zero = allow
[rule two]
role = connected
peer = 127.0.0.2
linger.zero = log
INI
    run -0 "$SOFTCLOSE" run -q --log log --policy rules.ini python3 - <<'PY'
import ctypes, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
ON = struct.pack("ii", 1, 0)
servers = [socket.create_server((f"127.0.0.{n}", 0)) for n in (1, 2)]
client = socket.socket()
for server in servers:
    client.connect(server.getsockname())
    server.accept()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ON)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ON)
    if libc.connect(client.fileno(), bytes(16), 16) != 0:
        raise OSError(ctypes.get_errno(), "connect")
client.close()
PY
    assert_equal "$(jq -r 'select(.event == "linger") | .rule' log | xargs)" "one one two two"
}
