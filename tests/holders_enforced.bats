#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A connection with two holders: whoever gives it up first leaves it alone, the last ends it in
# order. By fork in any order, killed children, passed descriptors, inetd, children of libc's.

setup() {
    load helpers
    bats_load_library bats-support
    bats_load_library bats-assert
    enforce="$SOFTCLOSE_SOURCE/tests/enforce"
}

@test "no holder disturbs another, and the last one drains" {
    run "$enforce/holders"
    skip_if_it_cannot_run
    printf '%s\n' "$output" | sed 's/^/# /' >&3
    assert_success
}

@test "SO_LINGER and SHUT_RDWR do what the policy says" {
    run "$enforce/lingers"
    skip_if_it_cannot_run
    printf '%s\n' "$output" | sed 's/^/# /' >&3
    assert_success
}

# Natively and under enforce: the same lines.
same_in_call() {
    timeout 60 "$inside" "$1" >native || return 1
    timeout 60 env SOFTCLOSE=enforce SOFTCLOSE_SET=log.events=all SOFTCLOSE_LOG="$log" \
        LD_PRELOAD="$SOFTCLOSE_LIB" "$inside" "$1" >enforced || return 1
    diff native enforced
}

@test "a call of another thread holds the connection until it returns" {
    cd "$BATS_TEST_TMPDIR"
    local inside="$SOFTCLOSE_BUILD/tests/interposition/in_call" log=in_call.jsonl call same=0
    local calls=(read readv preadv2 recv waitall recvmsg recvmmsg splice-in write writev pwritev2
        send sendmsg sendmmsg sendfile splice-out accept accept4)
    for call in "${calls[@]}"; do
        same_in_call "$call" || { echo "in $call"; cat native enforced; continue; }
        same=$((same + 1))
    done
    echo "# $same of ${#calls[@]} calls end as they do natively" >&3
    assert_equal "$same" "${#calls[@]}"
    run jq -rs 'map(select(.event == "close" and .holders == "shared").outcome) | unique[]' "$log"
    assert_output released
}

@test "a thread that is elsewhere, or only polls, prevents no repair" {
    cd "$BATS_TEST_TMPDIR"
    local inside="$SOFTCLOSE_BUILD/tests/interposition/in_call" call
    for call in none other poll busy; do
        run timeout 60 "$inside" "$call"
        assert_line --regexp '^(closed reset|end ECONNRESET 0)$'
        run timeout 60 env SOFTCLOSE=enforce SOFTCLOSE_LOG=none LD_PRELOAD="$SOFTCLOSE_LIB" \
            "$inside" "$call"
        assert_line "closed eof"
        assert_line "end eof 0"
    done
    run timeout 60 env SOFTCLOSE=enforce SOFTCLOSE_LOG=none LD_PRELOAD="$SOFTCLOSE_LIB" \
        "$inside" --unshare other # a thread that meant to leave with the descriptors, and did not
    assert_line "closed eof"
    for threads in 0 1 8 64; do
        echo "# natively: $("$inside" --cost "$threads"); enforce:" \
            "$(SOFTCLOSE=enforce SOFTCLOSE_LOG=none LD_PRELOAD="$SOFTCLOSE_LIB" \
                "$inside" --cost "$threads" | sed 's/.*data, //')" >&3
    done
    # Known limit: with more threads that compute than processors it is not always found out in time.
    for threads in 1 8; do
        echo "# enforce: $(SOFTCLOSE=enforce SOFTCLOSE_LOG=none LD_PRELOAD="$SOFTCLOSE_LIB" \
            "$inside" --busy "$threads")" >&3
    done
}

@test "in a process that was root's: a reader keeps what it waits for, one that polls is no reader" {
    local inside="$SOFTCLOSE_BUILD/tests/interposition/in_call" call
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    cd "$BATS_TEST_TMPDIR"
    for call in read recvmsg send accept splice-out; do
        timeout 60 "$inside" --dropped "$call" >native
        timeout 60 env SOFTCLOSE=enforce SOFTCLOSE_LOG=none LD_PRELOAD="$SOFTCLOSE_LIB" \
            "$inside" --dropped "$call" >enforced
        diff native enforced
    done
    for call in none poll busy; do
        run timeout 60 env SOFTCLOSE=enforce SOFTCLOSE_LOG=none LD_PRELOAD="$SOFTCLOSE_LIB" \
            "$inside" --dropped "$call"
        assert_line "closed eof"
        assert_line "end eof 0"
    done
}

@test "a drain thread that does not get to run: a close waits for its answer rarely, and not long" {
    skip_under_coverage "its counting takes longer than what is measured here"
    local inside="$SOFTCLOSE_BUILD/tests/interposition/in_call" late=15000000
    command -v strace >/dev/null || skip "no strace"
    cd "$BATS_TEST_TMPDIR"
    run timeout 60 strace -f --seccomp-bpf -o /dev/null -e trace=prctl \
        -e inject=prctl:delay_enter=$late:when=1 env SOFTCLOSE=enforce \
        SOFTCLOSE_SET=log.events=all SOFTCLOSE_LOG=late.jsonl LD_PRELOAD="$SOFTCLOSE_LIB" \
        "$inside" --cost 1
    assert_success
    assert_output --partial ", 200 resets"
    run jq -rs '[.[] | select(.event == "close" and .outcome == "reset")]
        | [length, (map(select(.holders == "unknown" and .action == "pass")) | length),
           (map(select(.took_us >= 15000)) | length), (map(.took_us) | max)] | join(" ")' late.jsonl
    local closes untouched waited longest
    read -r closes untouched waited longest <<<"$output"
    echo "# thread $late us late: $closes closes, $untouched untouched, $waited waited," \
        "the longest $longest us" >&3
    assert_equal "$closes $untouched" "200 200"
    [ "$longest" -lt $((late / 2)) ]
    assert_equal "$(grep -c '"code":"threads-unknown"' late.jsonl)" 1
}

@test "what has just woken a reader is not taken from it" {
    local inside="$SOFTCLOSE_BUILD/tests/interposition/in_call"
    run timeout 60 "$inside" --woken 200
    assert_output "200 of 200 readers got what woke them"
    run timeout 60 env SOFTCLOSE=enforce SOFTCLOSE_LOG=none LD_PRELOAD="$SOFTCLOSE_LIB" \
        "$inside" --woken 1000
    echo "# $output" >&3
    assert_output "1000 of 1000 readers got what woke them"
}

# Where nobody else's processes and UNIX sockets are.
apart() {
    # shellcheck disable=SC2016 # for the inner shell
    unshare --net --pid --fork --mount-proc setsid sh -c 'ip link set lo up && "$@"; exit $?' sh "$@"
}

@test "a connection that was sent: the close that ends it is repaired, and no other" {
    apart true 2>/dev/null || skip "no namespaces"
    local sends="$SOFTCLOSE_BUILD/tests/interposition/sends" what road wrong=0 count=0
    cd "$BATS_TEST_TMPDIR"
    for what in failed dropped in-flight twice peeked kept; do
        for road in sendmsg syscall many syscall-many; do
            count=$((count + 1))
            apart timeout 20 "$sends" "$what" "$road" >native
            apart timeout 20 env SOFTCLOSE=enforce SOFTCLOSE_SET=log.events=all \
                SOFTCLOSE_LOG="$what.$road" LD_PRELOAD="$SOFTCLOSE_LIB" "$sends" "$what" "$road" \
                >enforced
            assert_equal "$(tail -1 native)" "last reset"
            diff <(sed 's/^last reset$/last eof/' native) enforced || {
                echo "$what by $road"
                wrong=$((wrong + 1))
            }
        done
    done
    echo "# $count ways, $wrong wrong" >&3
    assert_equal "$wrong" 0
    # One that was sent and has not been received is not called released, nor the last one's.
    run jq -rs 'map(select(.event == "close" and .via == "close" and .state == "ESTABLISHED"
        and .unread > 0).holders) | join(" ")' twice.sendmsg
    assert_output "unknown unknown last"
}

@test "a connection that an io_uring holds is left alone" {
    local ring="$SOFTCLOSE_BUILD/tests/interposition/ring" ways=(registered in-flight) way
    cd "$BATS_TEST_TMPDIR"
    run timeout 20 "$ring" none
    [ "$status" -ne 77 ] || skip "no io_uring here"
    run timeout 20 "$ring" none dlopen
    [ "$status" -eq 77 ] || ways+=("registered dlopen")
    for way in "${ways[@]}"; do
        # shellcheck disable=SC2086 # two words
        timeout 20 "$ring" $way >native
        assert_equal "$(head -1 native)" "closed none"
        rm -f ring.jsonl
        # shellcheck disable=SC2086
        timeout 20 env SOFTCLOSE=enforce SOFTCLOSE_SET=log.events=all SOFTCLOSE_LOG=ring.jsonl \
            LD_PRELOAD="$SOFTCLOSE_LIB" "$ring" $way >enforced
        diff native enforced
        assert_equal "$(grep -c '"code":"io-uring"' ring.jsonl)" 1
        echo "# $way: $(xargs <enforced)" >&3
    done
}

# inherited HOW...: what the peer of an inherited connection sees when a process that HOW starts has
# closed it, while another process keeps it.
inherited() {
    local programs="$SOFTCLOSE_BUILD/tests/interposition"
    timeout 30 env SOFTCLOSE=enforce SOFTCLOSE_LOG=none LD_PRELOAD="$SOFTCLOSE_LIB" \
        "$programs/inherit" kept /usr/bin/env "$@" "$programs/family" -i 3 close:p </dev/null |
        tail -1 | cut -d' ' -f4
}

@test "an inherited connection that a process out of sight may hold is left alone" {
    skip_under_coverage "it says which of its files another user may not write"
    # shellcheck disable=SC2016 # for the inner shells
    local gives_it_up='mkfifo -m 666 go; (read -r _ <go; exec "$@") & exec 3<&-; echo >go; wait $!'
    # shellcheck disable=SC2016
    local hides='mount -t proc -o hidepid=invisible proc /proc && { sleep 30 & } &&
        mkfifo -m 666 go && exec setpriv --reuid 65534 --regid 65534 --clear-groups \
        bash -c "${0#*; }" bash "$@"'
    apart true 2>/dev/null || skip "no namespaces"
    cd "$BATS_TEST_TMPDIR"
    run inherited unshare --pid --fork --mount-proc
    assert_output none # the first process of a PID namespace
    run inherited unshare --pid --fork --mount-proc bash -c "$gives_it_up" bash
    assert_output none # one of a session from outside
    setpriv --reuid 65534 test -r "$SOFTCLOSE_LIB" || skip "others cannot read the library"
    rm go
    run inherited unshare --pid --fork --mount-proc setsid bash -c "$hides" "$gives_it_up"
    assert_output none # hidden by /proc
}

# beside WHAT [PROGRAM...]: the end that the peer of an inherited connection sees when it is closed, by
# the program if one is given, while in some UNIX socket of the network namespace WHAT waits.
beside() {
    local programs="$SOFTCLOSE_BUILD/tests/interposition" wait='
import socket, subprocess, sys
kind = socket.SOCK_DGRAM if "datagram" in sys.argv[1] else socket.SOCK_STREAM
one, other = socket.socketpair(socket.AF_UNIX, kind)
text = b"" if "empty" in sys.argv[1] else b"x"
if "descriptor" in sys.argv[1]:
    socket.send_fds(one, [text], [0])
elif sys.argv[1] != "nothing":
    one.send(text)
sys.exit(subprocess.run(sys.argv[2:]).returncode)'
    local what=$1 closes=()
    shift
    [ $# -gt 0 ] || closes=(-i 3 close:p)
    apart timeout 30 python3 -c "$wait" "$what" env SOFTCLOSE=enforce SOFTCLOSE_LOG=none \
        LD_PRELOAD="$SOFTCLOSE_LIB" "$programs/inherit" alone \
        "${@:-$programs/family}" "${closes[@]}" \
        </dev/null | tail -1 | cut -d' ' -f4
}

@test "an inherited connection: repaired beside unread messages, left alone beside descriptors in flight" {
    apart true 2>/dev/null || skip "no namespaces"
    local waits wrong=0
    for waits in nothing:eof bytes:eof datagram:eof "empty datagram:eof" descriptor:reset \
        "descriptor in a datagram:reset" "descriptor in an empty datagram:reset"; do
        run beside "${waits%:*}"
        echo "# ${waits%:*} in a queue: the peer sees $output" >&3
        [ "$output" = "${waits##*:}" ] || wrong=$((wrong + 1))
    done
    # A program of several threads does not look whether a descriptor is among what waits.
    local threads='
import os, socket, threading, time
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
os.close(3)
try:
    print("- - -", "eof" if socket.socket(fileno=4).recv(1) == b"" else "bytes", flush=True)
except ConnectionResetError:
    print("- - - reset", flush=True)
os._exit(0)'
    for waits in nothing:eof bytes:reset; do
        run beside "${waits%:*}" "$(command -v python3)" -c "$threads"
        echo "# ${waits%:*} in a queue, several threads: the peer sees $output" >&3
        assert_output "${waits##*:}"
    done
}

@test "a connection that waits in one which nobody has accepted is left alone" {
    apart true 2>/dev/null || skip "no namespaces"
    local waits='
import os, socket
listener, named = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
client = socket.create_connection(listener.getsockname())
peer = listener.accept()[0]
peer.sendall(b"unread")
named.bind("\0waits")
named.listen()
other = socket.socket(socket.AF_UNIX)
other.connect("\0waits")
socket.send_fds(other, [b"x"], [client.fileno()])
client.recv(1, socket.MSG_PEEK)
client.close()
peer.settimeout(0.3)
try:
    print("end", peer.recv(1), flush=True)
except OSError as error:
    print(type(error).__name__, flush=True)
os._exit(0)'
    run apart timeout 30 python3 -c "$waits"
    assert_output TimeoutError
    run apart timeout 30 env SOFTCLOSE=enforce SOFTCLOSE_LOG=none LD_PRELOAD="$SOFTCLOSE_LIB" \
        python3 -c "$waits"
    assert_output TimeoutError
}

# The long form: TRIALS=5000 bats -f trials tests/holders_enforced.bats
@test "trials: parent and children give a connection up in any order" {
    local trials="$SOFTCLOSE_BUILD/tests/interposition/trials" seed=${SEED:-$RANDOM}
    apart true 2>/dev/null || skip "no namespaces"
    run apart timeout 60 "$trials" "$seed" 50 reset
    assert_success
    # What an exiting child drains would wait for the peer, which looks only afterwards.
    run apart env SOFTCLOSE=enforce SOFTCLOSE_SET=close.exit_wait=20ms SOFTCLOSE_LOG=none \
        LD_PRELOAD="$SOFTCLOSE_LIB" "$trials" "$seed" "${TRIALS:-200}"
    printf '%s\n' "$output" | sed 's/^/# /' >&3
    assert_success
}

@test "after chroot() into an empty folder a connection that a spawned program holds is left alone" {
    [ "$(id -u)" -eq 0 ] || skip "not root"
    cd "$BATS_TEST_TMPDIR"
    mkdir empty
    cat >subject.py <<'END'
import os, socket, time
listener = socket.create_server(("127.0.0.1", 0))
peer = socket.create_connection(listener.getsockname())
held, _ = listener.accept()
os.set_inheritable(held.fileno(), True)
child = os.posix_spawn("/bin/sleep", ["sleep", "30"], os.environ)
while os.path.basename(os.readlink(f"/proc/{child}/exe")) == os.path.basename(os.readlink("/proc/self/exe")):
    time.sleep(0.01)
peer.settimeout(1)
os.chroot("empty")
held.close()
try:
    print("the peer sees", "the end" if peer.recv(1) == b"" else "data", flush=True)
except TimeoutError:
    print("the peer sees nothing", flush=True)
os.kill(child, 9)
os._exit(0)
END
    run timeout 60 python3 subject.py
    assert_output "the peer sees nothing"
    run timeout 60 env SOFTCLOSE=enforce SOFTCLOSE_LOG=none LD_PRELOAD="$SOFTCLOSE_LIB" python3 subject.py
    assert_output "the peer sees nothing"
}
