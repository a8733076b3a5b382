# SPDX-License-Identifier: MIT
"""What tests/enforce/examples plays: small programs under enforce with a policy, each in one
situation, and what the kernel, the peer and the log say of it. A policy is a path; None is the
built-in one."""

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

import lab

ADDRESS = f"127.{70 + os.getpid() // 65536 % 60}.{os.getpid() // 256 % 256}.{os.getpid() % 256}"
OTHER = f"127.{140 + os.getpid() // 65536 % 60}.{os.getpid() // 256 % 256}.{os.getpid() % 256}"
ANSWER = 262144

# ACTOR ROLE ADDRESS PORT COUNT HOW [SOURCE]: accepts from, or connects to, so many peers; each gets
# an answer and is then closed as told. Ends with its standard input.
ACTOR = """
import socket, struct, sys
role, address, how = sys.argv[1], sys.argv[2], sys.argv[5]
port, count = int(sys.argv[3]), int(sys.argv[4])
if role == "accepted":
    listener = socket.create_server((address, port))
    print(listener.getsockname()[1], flush=True)
kept = []
for _ in range(count):
    if role == "accepted":
        connection, _ = listener.accept()
    else:
        connection = socket.create_connection((address, port), source_address=(sys.argv[6], 0))
    connection.recv(4096, 0 if "read" in how else socket.MSG_PEEK)
    connection.sendall(bytes(%d))
    if "linger" in how:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if "both" in how:
        connection.shutdown(socket.SHUT_RDWR)
        kept.append(connection)
    else:
        connection.close()
print("answered", flush=True)
sys.stdin.readline()
""" % ANSWER

PREFORK = """
import os, signal, socket, sys
listener = socket.create_server((sys.argv[1], 0))
children = []
for _ in range(int(sys.argv[2])):
    child = os.fork()
    if child == 0:
        connection, _ = listener.accept()
        connection.sendall(bytes(65536))
        print("answered", flush=True)
        while True:
            signal.pause()
    children.append(child)
print(listener.getsockname()[1], flush=True)
sys.stdin.readline()
for child in children:
    _, status = os.waitpid(child, 0)
    print(os.WTERMSIG(status), flush=True)
"""

LOAD = """
import socket, struct, sys
done = 0
for _ in range(int(sys.argv[2])):
    try:
        client = socket.create_connection((sys.argv[1], 7000))
    except OSError as error:
        print(done, error.errno)
        sys.exit()
    client.sendall(b"x")
    client.recv(100)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    done += 1
tw = [line.split() for line in open("/proc/net/sockstat") if line.startswith("TCP:")][0]
print(done, 0, tw[tw.index("tw") + 1])
"""

ECHO = """
import socket, sys
listener = socket.create_server((sys.argv[1], 7000))
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    connection.recv(100)
    connection.sendall(b"y")
    try:
        while connection.recv(100):
            pass
    except OSError:
        pass
    connection.close()
"""

DOWNLOAD = """
import socket, sys
client = socket.socket()
client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
client.bind((sys.argv[1], 0))
client.connect((sys.argv[2], int(sys.argv[3])))
left = 65536
while left > 0:
    left -= len(client.recv(min(left, 4096)))
client.recv(1, socket.MSG_PEEK)
client.close()
print("closed", flush=True)
sys.stdin.readline()
"""


def environment(policy, log=None):
    out = lab.environment(True, log=log)
    if policy:
        out["SOFTCLOSE_POLICY"] = policy
        out["SOFTCLOSE_STRICT"] = "1"
    return out


@contextlib.contextmanager
def program(script, *words, policy=None, log=None, before=(), executable="/usr/bin/python3"):
    process = subprocess.Popen(
        [*before, executable, "-c", script, *map(str, words)],
        env=environment(policy, log), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


def python_as(name):
    """A copy of the interpreter: what a policy calls a program is the name of its executable."""
    path = os.path.join(lab.directory(), name)
    shutil.copy("/usr/bin/python3", path)
    return path


def new_log():
    handle, path = tempfile.mkstemp(dir=lab.directory())
    os.close(handle)
    return path


def connect(port, request=4096, address=ADDRESS):
    client = socket.create_connection((address, port))
    client.settimeout(30)
    client.sendall(bytes(request))
    return client


def serve(resets, policy, how="", port=0, waiting=0, log=None):
    """Whole answers of 3, those in its queue that saw an orderly end, reasons of its resets."""
    resets.take(ADDRESS)
    with program(ACTOR, "accepted", ADDRESS, port, 3, how, policy=policy, log=log) as server:
        port = int(server.stdout.readline())
        clients = [connect(port) for _ in range(3)]
        # What is in the queue before the answers are read: the server accepts no more than 3.
        queue = [connect(port, 0) for _ in range(waiting)]
        ends = [lab.read_all(client) for client in clients]
        server.stdout.readline()
        server.stdin.close()
        ends_of_queue = [lab.read_all(client)[1] for client in queue]
        for client in clients + queue:
            client.close()
    return (sum(end == (ANSWER, "eof") for end in ends), ends_of_queue.count("eof"),
            [reset[0] for reset in resets.take(ADDRESS)])


@contextlib.contextmanager
def one_peer(policy, role, how, port=0, log=None, executable="/usr/bin/python3"):
    """Its only peer, who has been answered, and the program, which has closed or shut."""
    if role == "accepted":
        with program(ACTOR, role, ADDRESS, port, 1, how, policy=policy, log=log,
                     executable=executable) as actor:
            peer = connect(int(actor.stdout.readline()))
            if "read" in how:
                lab.read_all(peer)
            actor.stdout.readline()
            yield peer, actor
            peer.close()
        return
    listener = socket.create_server((ADDRESS, 0))
    words = (role, ADDRESS, listener.getsockname()[1], 1, how, OTHER)
    with program(ACTOR, *words, policy=policy, log=log) as actor:
        peer, _ = listener.accept()
        peer.settimeout(30)
        peer.sendall(b"x")
        lab.read_all(peer)
        actor.stdout.readline()
        yield peer, actor
        peer.close()
    listener.close()


def late(resets, policy, role, how="read", port=0, executable="/usr/bin/python3"):
    """Reasons of the resets for what a peer sends after the close, or SHUT_RDWR. Nothing unread."""
    source = ADDRESS if role == "accepted" else OTHER
    resets.take(source)
    with one_peer(policy, role, how, port, executable=executable) as (peer, _):
        with contextlib.suppress(OSError):
            peer.sendall(b"late")
            peer.shutdown(socket.SHUT_WR)
    return [reset[0] for reset in resets.take(source)]


def upload(policy, size, port=0):
    """How the drain of a connection ended whose client goes on to send after the answer."""
    log = new_log()
    with one_peer(policy, "accepted", "", port, log) as (peer, _):
        peer.setblocking(True)
        with contextlib.suppress(OSError):
            for _ in range(size >> 16):
                peer.sendall(bytes(1 << 16))
            peer.shutdown(socket.SHUT_WR)
        lab.wait_until(lambda: lab.events(log, "drain"), 30)
    return [event["result"] for event in lab.events(log, "drain")]


def slowly(peer, seconds):
    """A byte now and then, for that long. False when the peer was reset meanwhile."""
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            peer.sendall(b".")
            time.sleep(0.05)
        peer.shutdown(socket.SHUT_WR)
        return lab.read_all(peer)[1] == "eof"
    except OSError:
        return False


def slow_end(policy):
    """Is a client that goes on for 3 seconds after the server's end spared a reset?"""
    with one_peer(policy, "accepted", "") as (peer, actor):
        actor.stdin.close()
        return slowly(peer, 3)


def connected(port):
    """Sockets of that local port that the kernel still has, listeners and TIME_WAIT apart."""
    with open("/proc/net/tcp") as file:
        lines = [line.split() for line in file][1:]
    return [line for line in lines
            if int(line[1].split(":")[1], 16) == port and line[3] not in ("06", "0A")]


def health_checks(resets, backend):
    """The reasons of the resets that end the first five checks."""
    checks, seen = [], 0
    backend.settimeout(0.05)
    # A check that resets replaces the last ACK of the handshake: its server never sees it.
    while seen + len(checks) < 5:
        checks += resets.take(OTHER)
        try:
            check, _ = backend.accept()
            check.settimeout(30)
            seen += lab.read_all(check)[1] == "eof"
            check.close()
        except socket.timeout:
            pass
    return [reset[0] for reset in checks + resets.take(OTHER)]


def post(size):
    """A client of the proxy that sends all of its request first: is it answered in order?"""
    client = socket.create_connection((ADDRESS, 8081))
    client.settimeout(30)
    client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
    try:
        for _ in range(size >> 16):
            client.sendall(bytes(1 << 16))
        client.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    answer, end = lab.read_all(client)
    client.close()
    return answer > 0 and end == "eof"


def haproxy(resets, policy):
    """Resets of the health checks; of a client that uploads 4 MB, and whether it was answered; how
    the drain of one ended that uploads 32 MiB."""
    room, log = lab.directory(), new_log()
    backend = socket.create_server((ADDRESS, 0))
    with open(room + "/haproxy.cfg", "w") as file:
        # One thread: whether another one is inside a call may not be found out in time.
        file.write(f"""
global
    nbthread 1
defaults
    mode http
    timeout client 30s
    timeout server 30s
    timeout connect 30s
frontend early
    bind {ADDRESS}:8081
    http-request return status 413 content-type text/plain string "too large"
    default_backend behind
backend behind
    source {OTHER}
    server one {ADDRESS}:{backend.getsockname()[1]} check inter 200ms
""")
    resets.take(ADDRESS)
    resets.take(OTHER)
    proxy = subprocess.Popen(["haproxy", "-q", "-db", "-f", room + "/haproxy.cfg"],
                             env=environment(policy, log), stdin=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    try:
        checks = health_checks(resets, backend)
        answered = post(4000000)
        # haproxy dies of the signal, and a drain with it.
        lab.wait_until(lambda: not connected(8081), 30)
        of_client = [reset for reset in resets.take(ADDRESS) if reset[1] == 8081]
        drains = len(lab.events(log, "drain"))
        post(32 << 20)
        lab.wait_until(lambda: len(lab.events(log, "drain")) > drains, 30)
    finally:
        proxy.terminate()
        proxy.wait(30)
        backend.close()
    ends = [event["result"] for event in lab.events(log, "drain") if event["role"] == "accepted"]
    return checks, of_client, answered, ends[-1:]


def load(policy, count):
    """Connections made before the ports were used up; errno; sockets left in TIME_WAIT."""
    space = f"sc{os.getpid()}load"
    run = ["ip", "netns", "exec", space]
    subprocess.run(["ip", "netns", "add", space], check=True)
    try:
        for command in ("ip link set lo up", "sysctl -qw net.ipv4.tcp_tw_reuse=0"):
            subprocess.run([*run, *command.split()], check=True)
        subprocess.run([*run, "sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40019"],
                       check=True)
        server = subprocess.Popen([*run, "/usr/bin/python3", "-c", ECHO, "127.0.0.1"],
                                  stdout=subprocess.PIPE, text=True)
        server.stdout.readline()
        with program(LOAD, "127.0.0.1", count, policy=policy, before=run) as generator:
            out = generator.stdout.read().split()
        server.kill()
        server.wait()
        server.stdout.close()
        return [int(word) for word in out]
    finally:
        subprocess.run(["ip", "netns", "del", space], check=True)


def download(resets, policy):
    """Bytes that the client's kernel took after its program had enough, and why it stopped."""
    resets.take(OTHER)
    listener = socket.create_server((ADDRESS, 0))
    words = (OTHER, ADDRESS, listener.getsockname()[1])
    with program(DOWNLOAD, *words, policy=policy) as client:
        server, _ = listener.accept()
        server.settimeout(30)
        with contextlib.suppress(OSError):
            while True:
                server.sendall(bytes(16384))
        info = server.getsockopt(socket.IPPROTO_TCP, 11, 256)
        client.stdout.readline()
        server.close()
    listener.close()
    return (struct.unpack_from("Q", info, 120)[0] - 65536,
            {reset[0] for reset in resets.take(OTHER)})


def prefork(resets, policy, waiting=0, seconds=0, log=None):
    """Answers whole of 3, waiting clients that saw an orderly end, connections reset, signals that
    the children died of. With `seconds`, the clients go on to send for so long."""
    resets.take(ADDRESS)
    with program(PREFORK, ADDRESS, 3, policy=policy, log=log) as daemon:
        port = int(daemon.stdout.readline())
        clients = [connect(port) for _ in range(3)]
        for _ in clients:
            daemon.stdout.readline()
        queue = [connect(port, 0) for _ in range(waiting)]
        with open(f"/proc/{daemon.pid}/task/{daemon.pid}/children") as file:
            for child in file.read().split():
                os.kill(int(child), signal.SIGTERM)
        if seconds:
            whole = slowly(clients[0], seconds)
        elif log:
            lab.wait_until(lambda: lab.events(log, "drain"), 30)
            whole = 0
        else:
            whole = sum(lab.read_all(client) == (65536, "eof") for client in clients)
        for client in clients:
            client.close()
        daemon.stdin.close()
        signals = daemon.stdout.read().split()
        ends = [lab.read_all(client)[1] for client in queue]
    # Bytes that come for a connection that was reset already are answered with one more.
    return (whole, ends.count("eof"), lab.reset_connections(resets.take_peers(ADDRESS)), signals)
