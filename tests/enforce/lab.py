# SPDX-License-Identifier: MIT
"""What the scripts of this directory share: a slow link between two network namespaces, the
kernel's own record of resets, programs with and without softclose, and a driver for closer."""

import atexit
import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

TRACING = "/sys/kernel/tracing"
SKIPPED = 77
BUILD = os.environ.get("SOFTCLOSE_BUILD", "")
LIBRARY = os.environ.get("SOFTCLOSE_LIB", "")


def skip(why):
    print("skipped: " + why)
    sys.exit(SKIPPED)


def check_machine():
    if os.geteuid() != 0:
        skip("not root")
    path = TRACING + "/events/tcp/tcp_send_reset/format"
    if not os.path.exists(path) or "TCP_ABORT_ON_CLOSE" not in open(path).read():
        skip("no tracepoint tcp:tcp_send_reset with reasons (tracefs, Linux 6.12)")
    for program in ("ip", "tc", "nsenter"):
        if subprocess.run(["which", program], capture_output=True).returncode != 0:
            skip("no " + program)
    if not os.access(LIBRARY, os.R_OK):
        sys.exit("SOFTCLOSE_LIB does not name the library")


def wait_until(condition, seconds=10):
    """Polls; the time limit is far beyond any real delay."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


class Resets:
    """Resets that the kernel sent, from a tracefs instance of our own."""

    def __init__(self):
        self.instance = f"{TRACING}/instances/softclose-lab-{os.getpid()}"
        os.mkdir(self.instance)
        atexit.register(self.remove)
        with open(self.instance + "/buffer_size_kb", "w") as file:
            file.write("1024")
        with open(self.instance + "/events/tcp/tcp_send_reset/enable", "w") as file:
            file.write("1")

    def remove(self):
        os.rmdir(self.instance)

    def take(self, source):
        """[(reason, port)...] sent from that address since the last call."""
        with open(self.instance + "/trace") as file:
            text = file.read()
        with open(self.instance + "/trace", "w"):
            pass
        found = []
        for line in text.splitlines():
            match = re.search(r"src=\[?([0-9a-f.:]+?)\]?:(\d+) .*reason=(\w+)", line)
            if match and match.group(1) == source:
                found.append((match.group(3), int(match.group(2))))
        return found


class Link:
    """Two namespaces joined by a veth pair; `up` limits what `far` sends, `down` what `near` does.

    near is the side of the program under test, far the peer's."""

    def __init__(self, down, up=None):
        name = f"sc{os.getpid()}"
        self.near, self.far = name + "n", name + "f"
        number = os.getpid() % 16384
        subnet = f"10.{64 + number // 256}.{number % 256}"
        self.near_address, self.far_address = subnet + ".1", subnet + ".2"
        atexit.register(self.remove)
        self.run("ip netns add", self.near)
        self.run("ip netns add", self.far)
        self.run(f"ip -n {self.near} link add v0 type veth peer name v0 netns {self.far}")
        for space, address, rate in (
            (self.near, self.near_address, down),
            (self.far, self.far_address, up),
        ):
            self.run(f"ip -n {space} addr add {address}/24 dev v0")
            self.run(f"ip -n {space} link set lo up")
            self.run(f"ip -n {space} link set v0 up")
            if rate:
                self.run(f"tc -n {space} qdisc add dev v0 root tbf rate {rate} burst 32kb "
                         "latency 400ms")

    @staticmethod
    def run(*words):
        subprocess.run(" ".join(words).split(), check=True)

    def remove(self):
        for space in (self.near, self.far):
            subprocess.run(["ip", "netns", "del", space], capture_output=True)


def enter(namespace):
    """This process (one thread) goes into the namespace."""
    with open("/run/netns/" + namespace) as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def environment(enforce, log=None, settings=None):
    """Of the program under test."""
    out = {key: value for key, value in os.environ.items() if not key.startswith("SOFTCLOSE")}
    out.pop("LD_PRELOAD", None)
    if enforce:
        out["LD_PRELOAD"] = LIBRARY
        out["SOFTCLOSE"] = "enforce"
        out["SOFTCLOSE_LOG"] = log or "none"
        if settings:
            out["SOFTCLOSE_SET"] = settings
    return out


def events(log, kind=None):
    found = []
    if os.path.exists(log):
        with open(log) as file:
            found = [json.loads(line) for line in file]
    return [event for event in found if kind is None or event["event"] == kind]


class Closer:
    """tests/programs/closer in a namespace, told what to do."""

    def __init__(self, namespace, enforce, **how):
        commands, self.commands = os.pipe()
        self.answers, answers = os.pipe()
        mine, self.hold = socket.socketpair()
        script = 'exec 3<&"$1" 4>&"$2" 5<>/dev/null; shift 2; exec "$@"'
        self.process = subprocess.Popen(
            ["nsenter", "--net=/run/netns/" + namespace, "bash", "-c", script, "closer",
             str(commands), str(answers), "env", *self.preload(enforce, **how),
             BUILD + "/tests/programs/closer", "tcp4"],
            pass_fds=(commands, answers), env=environment(False),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        os.close(commands)
        os.close(answers)
        mine.close()
        self.reader = os.fdopen(self.answers)

    @staticmethod
    def preload(enforce, **how):
        new = environment(enforce, **how)
        return [f"{key}={value}" for key, value in new.items()
                if key.startswith(("SOFTCLOSE", "LD_PRELOAD"))]

    def tell(self, command):
        os.write(self.commands, (command + "\n").encode())

    def answer(self):
        line = self.reader.readline().split()
        if not line or line[0] != "ok":
            raise RuntimeError(f"closer: {line}")
        return int(line[1]) if len(line) > 1 else None

    def ask(self, command):
        self.tell(command)
        return self.answer()

    def end(self):
        os.close(self.commands)
        self.reader.close()
        self.hold.close()
        return self.process.wait(30)


def read_all(connection):
    """All that comes, and how it ended: "eof" or the name of the error."""
    total = 0
    try:
        while True:
            data = connection.recv(1 << 18)
            if not data:
                return total, "eof"
            total += len(data)
    except socket.timeout:
        return total, "silence"
    except OSError as error:
        return total, type(error).__name__


def directory():
    """A temporary one, removed at the end."""
    made = tempfile.TemporaryDirectory(prefix="softclose-lab.")
    atexit.register(made.cleanup)
    return made.name


def die_in_order():
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
