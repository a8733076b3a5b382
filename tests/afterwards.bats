#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# After something about the program or around it has changed, softclose goes on and stays right: a descriptor put where its log
# was, a namespace left, a full log, a filter of the program's own, a machine that was busy, a
# thread that leaves the descriptor table while another one forks.

setup()
{
    load helpers
    setup_interposition
    unset SOFTCLOSE_SET
    export SOFTCLOSE=enforce
    PYTHON=$(python3 -c "import sys; print(sys.executable)") # not a script that finds it
}

# A connection whose reset the kernel tells its peer of, and what the peer sees of it.
PRELUDE='
import ctypes, os, resource, signal, socket, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)

def connection():
    listener = socket.create_server(("127.0.0.1", 0))
    peer = socket.create_connection(listener.getsockname())
    peer.settimeout(5)
    return peer, listener.accept()[0]

def close_unread(held, peer):
    peer.sendall(b"unread")
    held.recv(1, socket.MSG_PEEK)
    held.close()
    try:
        return "the end" if peer.recv(1) == b"" else "data"
    except ConnectionResetError:
        return "a reset"
'

python() # PROGRAM [ARGUMENT...]: what the program prints, under enforce
{
    local program=$PRELUDE$1
    shift
    run alone timeout "$LIMIT" env SOFTCLOSE_LOG="$LOG" SOFTCLOSE_SET=log.events=all \
        LD_PRELOAD="$LIBRARY" "$PYTHON" -c "$program" "$@"
    echo "$output"
}

@test "a program that puts a descriptor where the log was: the drain that ends after it is told" {
    python '
peer, held = connection()
held.close()
log = [int(n) for n in os.listdir("/proc/self/fd")
       if os.path.lexists(f"/proc/self/fd/{n}") and os.readlink(f"/proc/self/fd/{n}") == sys.argv[1]]
for number in log:
    os.dup2(0, number)
peer.close()
time.sleep(0.2)
print(len(log), "moved")' "$LOG"
    assert_output "1 moved"
    run events 'map(select(.event == "drain") | .result) | join(" ")'
    assert_output eof
    run events 'map(select(.event == "summary") | .unwritten) | add'
    assert_output 0
}

@test "a connection is repaired a long time after unshare()" {
    skip_under_tsan "unshare() of a process with its threads"
    alone true 2>/dev/null || skip "no namespaces"
    export SOFTCLOSE_SET="log.events=all;close.exit_wait=100ms"
    local program=$PRELUDE'
peer, held = connection()
draining, drained = connection()
drained.close()
if libc.unshare(0x04000000) != 0:
    sys.exit("no unshare(CLONE_NEWUTS)")
time.sleep(0.8)
os.set_inheritable(held.fileno(), True)
os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)
print("the peer sees", close_unread(held, peer))
draining.close()'
    run alone timeout "$LIMIT" python3 -c "$program"
    assert_output "the peer sees a reset"
    run alone timeout "$LIMIT" env SOFTCLOSE_LOG="$LOG" LD_PRELOAD="$LIBRARY" \
        "$PYTHON" -c "$program"
    assert_output "the peer sees the end"
}

@test "a log that was full, and then may not grow: the program lives, and its closes are repaired" {
    alone true 2>/dev/null || skip "no namespaces"
    # shellcheck disable=SC2016 # for the inner shell
    run unshare --mount bash -c 'mkdir small && mount -t tmpfs -o size=8k tmpfs small && "$@"' bash \
        timeout "$LIMIT" env SOFTCLOSE_LOG=small/log SOFTCLOSE_SET=log.events=all \
        LD_PRELOAD="$LIBRARY" "$PYTHON" -c "$PRELUDE"'
for _ in range(60):
    peer, held = connection()
    close_unread(held, peer)
text = open("small/log", "rb").read()
torn = len(text) > 0 and not text.endswith(b"\n")
size = os.stat("small/log").st_size
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
peer, held = connection()
print(size, "bytes, the last line", "torn" if torn else "whole", close_unread(held, peer))
sys.stdout.flush()'
    assert_success
    assert_line --index 0 "8192 bytes, the last line torn the end"
}

@test "behind a filter of the program's own dup2() asks nothing about what it replaces" {
    # x86-64: fcntl(2) is 72, prlimit64(2) 302; the number is the first word of what a filter sees.
    [ "$(uname -m)" = x86_64 ] || skip "the filter is written for x86-64"
    python '
peer, held = connection()
number = held.fileno()
class program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("text", ctypes.c_char_p)]
text = b"".join(struct.pack("HBBI", *line) for line in (
    (0x20, 0, 0, 0), (0x15, 1, 0, 72), (0x15, 0, 1, 302), (0x06, 0, 0, 0x80000000), (0x06, 0, 0, 0x7fff0000)))
libc.prctl(38, 1, 0, 0, 0)
if libc.prctl(22, 2, ctypes.byref(program(5, text)), 0, 0) != 0:
    sys.exit("no filter")
os.write(1, b"yes" if libc.dup2(0, number) == number else b"no")
os._exit(0)'
    assert_success
    assert_output yes
}

@test "a hand-over that waits in another process's queue while this one ends is waited for" {
    alone true 2>/dev/null || skip "no namespaces"
    # The parent is not covered: it plays a process whose drain thread comes to its queue late.
    local program=$PRELUDE'
import subprocess, threading
one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
socket.send_fds(one, [b"x"], [0])
peer, held = connection()
peer.sendall(b"unread")
child = subprocess.Popen(["/bin/bash", "-c", "exit 0"], pass_fds=[held.fileno()],
                         env=dict(os.environ, LD_PRELOAD=sys.argv[2]))
held.close()
time.sleep(float(sys.argv[1]))
socket.recv_fds(other, 1, 1)
child.wait()
try:
    print("the end" if peer.recv(1) == b"" else "data")
except ConnectionResetError:
    print("a reset")'
    for late in "0.1:the end" "2:a reset"; do
        SOFTCLOSE_LOG=none run alone timeout "$LIMIT" "$PYTHON" -c "$program" "${late%:*}" "$LIBRARY"
        figure "received after ${late%:*} s: the peer sees $output"
        assert_output "${late#*:}"
    done
}

@test "a child forked while another thread leaves the descriptor table does not cut that thread off" {
    skip_under_tsan "forks beside threads"
    local program=$PRELUDE'
import threading
peer, held = connection()
def leave():
    unshared = libc.unshare(0x400)  # CLONE_FILES; it returns 300 ms after the kernel has done it
    try:
        os.write(held_fd, b"still here")
        print("sent" if unshared == 0 else "not unshared", flush=True)
    except OSError as error:
        print(error, flush=True)
    done.set()
done, held_fd = threading.Event(), held.fileno()
thread = threading.Thread(target=leave)
thread.start()
time.sleep(0.1)
child = os.fork()
if child == 0:
    time.sleep(0.05)
    os.close(held_fd)
    os._exit(0)
os.close(held.detach())
os.waitpid(child, 0)
done.wait()
print("the peer sees", peer.recv(20), flush=True)
os._exit(0)'
    run timeout "$LIMIT" env LD_PRELOAD="$P/slow_unshare.so" "$PYTHON" -c "$program"
    assert_output "sent
the peer sees b'still here'"
    run alone timeout "$LIMIT" env SOFTCLOSE_LOG="$LOG" LD_PRELOAD="$LIBRARY:$P/slow_unshare.so" \
        "$PYTHON" -c "$program"
    assert_output "sent
the peer sees b'still here'"
}

@test "a process killed right after a close: what was unread then had been read, an urgent byte too" {
    local kind program=$PRELUDE'
import subprocess
resets = 0
for _ in range(20):
    peer, held = connection()
    peer.send(b"x", socket.MSG_OOB if sys.argv[1] == "urgent" else 0)
    time.sleep(0.005)
    child = subprocess.Popen(["/bin/bash", "-c", f"exec {held.fileno()}>&-; kill -9 $$"],
                             pass_fds=[held.fileno()], env=dict(os.environ, LD_PRELOAD=sys.argv[2]))
    held.close()
    child.wait()
    try:
        resets += peer.recv(1) != b""
    except ConnectionResetError:
        resets += 1
print(resets, "of 20 peers are reset")'
    for kind in plain urgent; do
        run alone "$PYTHON" -c "$program" $kind ""
        assert_output "20 of 20 peers are reset"
        SOFTCLOSE_LOG=none run alone "$PYTHON" -c "$program" $kind "$LIBRARY"
        figure "a byte unread ($kind), the close, SIGKILL: under enforce $output"
        assert_output "0 of 20 peers are reset"
    done
}
