#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# `softclose run` passes signals on as if the program stood in its place.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031 # bats: sets stderr, each test is a subshell

bats_require_minimum_version 1.5.0

setup()
{
    load tools
    setup_tools
}

trapper='
trap "echo got $1 >>got; exit 9" "$1"
echo ready >ready
while :; do sleep 0.05; done'

@test "signals sent to run reach the program, once" {
    local signal
    for signal in TERM INT HUP QUIT USR1 USR2 WINCH ALRM; do
        rm -f ready got
        # no job control: bash starts background jobs with INT and QUIT ignored, env undoes that
        env --default-signal="$signal" "$SOFTCLOSE" run -q sh -c "$trapper" trapper "$signal" \
            3>&- &
        local pid=$!
        wait_until test -e ready
        kill "-$signal" "$pid"
        ends_with "$pid" 9
        assert_equal "$(cat got)" "got $signal"
    done
}

@test "a value sent with sigqueue is passed on" {
    run -0 python3 - "$SOFTCLOSE" <<'PYTHON'
import ctypes, os, signal, subprocess, sys
program = r"""
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
print("ready", flush=True)
import ctypes
class Info(ctypes.Structure):
    _fields_ = [("signo", ctypes.c_int), ("errno", ctypes.c_int), ("code", ctypes.c_int),
                ("pad", ctypes.c_int), ("pid", ctypes.c_int), ("uid", ctypes.c_uint),
                ("value", ctypes.c_int), ("rest", ctypes.c_char * 100)]
info = Info()
libc = ctypes.CDLL(None)
mask = (ctypes.c_ulong * 16)(1 << (signal.SIGRTMIN - 1))
libc.sigwaitinfo(mask, ctypes.byref(info))
print(info.value, flush=True)
"""
child = subprocess.Popen([sys.argv[1], "run", "-q", sys.executable, "-c", program],
                         stdout=subprocess.PIPE, text=True)
assert child.stdout.readline() == "ready\n"
ctypes.CDLL(None).sigqueue(child.pid, int(signal.SIGRTMIN), ctypes.c_void_p(4242))
assert child.stdout.readline() == "4242\n"
assert child.wait() == 0
PYTHON
}

# Writes the name of each signal it gets to "got", a line each, until SIGTERM; with an argument it
# first sends that signal to its own process group that many times, each time after the one before.
counter='
import os, signal, sys
signals = [signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM]
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
got = open("got", "w", buffering=1)
open("ready", "w").write("ready\n")
times = int(sys.argv[1]) if len(sys.argv) > 1 else 0
while True:
    if times > 0:
        times -= 1
        os.kill(0, signal.SIGUSR2)
    number = signal.sigwaitinfo(signals).si_signo
    if number == signal.SIGTERM:
        sys.exit(6)
    print(signal.Signals(number).name, file=got)'

@test "a signal that the program sends to its own process group is not delivered twice" {
    # setsid: a process group of its own, with run and the program in it
    setsid "$SOFTCLOSE" run -q python3 -c "$counter" 20 3>&- &
    local pid=$!
    wait_until test -e ready
    wait_until has_lines 20 SIGUSR2 got
    # run takes its signals one after the other: when this one has come, every doubled one has, too
    kill -USR1 "$pid"
    wait_until grep -q SIGUSR1 got
    kill -TERM "$pid"
    ends_with "$pid" 6
    assert_equal "$(grep -c SIGUSR2 got)" 20
}

@test "^C at a terminal reaches the program once" {
    run -0 python3 - "$SOFTCLOSE" "$counter" <<'PYTHON'
import os, pty, signal, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], ["softclose", "run", "-q", "python3", "-c", sys.argv[2]])
def wait_for(path, word, count):
    for _ in range(1200):
        if os.path.exists(path) and open(path).read().count(word) >= count:
            return
        time.sleep(0.05)
    sys.exit("waited in vain for " + path)
wait_for("ready", "ready", 1)
for times in range(1, 21):
    os.write(terminal, b"\x03")
    wait_for("got", "SIGINT", times)
os.kill(pid, signal.SIGUSR1)  # when it has come, every doubled one has, too
wait_for("got", "SIGUSR1", 1)
os.kill(pid, signal.SIGTERM)
status = os.waitpid(pid, 0)[1]
times = open("got").read().count("SIGINT")
sys.exit(0 if times == 20 and os.WEXITSTATUS(status) == 6 else "%d, status %x" % (times, status))
PYTHON
}

@test "run stops and goes on with the program" {
    # a process group of its own: SIGTSTP does nothing in an orphaned one, as CI's may be
    set -m
    "$SOFTCLOSE" run -q sh -c 'echo ready >ready; until test -e finished; do sleep 0.05; done' 3>&- &
    set +m
    local pid=$! program
    wait_until test -e ready
    program=$(child_of "$pid")
    kill -TSTP "$pid"
    wait_until is_state "$program" T
    wait_until is_state "$pid" T
    kill -CONT "$pid"
    wait_until is_state "$pid" S
    touch finished
    ends_with "$pid" 0
}
