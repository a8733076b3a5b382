# SPDX-License-Identifier: MIT
"""What the scripts of this directory share: a slow link between two network namespaces, the
kernel's own record of resets, programs with and without softclose, and a driver for closer."""

import atexit
import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

TRACING = "/sys/kernel/tracing"
SKIPPED = 77
ESTABLISHED, TIME_WAIT, CLOSE, LISTEN = 1, 6, 7, 10  # enum in Linux, net/tcp_states.h
BUILD = os.environ.get("SOFTCLOSE_BUILD", "")
LIBRARY = os.environ.get("SOFTCLOSE_LIB", "")
# In builds with AddressSanitizer its runtime comes first: some programs need it before the library
# is initialized.
PRELOAD = ":".join(filter(None, (os.environ.get("SOFTCLOSE_TEST_RUNTIME"), LIBRARY)))


def skip(why):
    print("skipped: " + why)
    sys.exit(SKIPPED)


def sanitized():
    """Does the library bring AddressSanitizer's runtime into every program?"""
    return b"__asan_init" in open(LIBRARY, "rb").read()


def without_warnings(text):
    """AddressSanitizer's, where there is no /proc."""
    return re.sub(r"^==\d+==WARNING: reading executable name failed.*\n", "", text, flags=re.M)


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
        for event in ("tcp_send_reset", "tcp_receive_reset"):
            with open(f"{self.instance}/events/tcp/{event}/enable", "w") as file:
                file.write("1")

    def remove(self):
        os.rmdir(self.instance)

    def take(self, source):
        """[(reason, port)...] sent from that address since the last call."""
        return [reset[:2] for reset in self.take_peers(source)]

    def take_met(self, source):
        """As take_peers(), but what came for a connection that is gone and met the listener, whose
        peer's port is not told, only where the peer had a connection still, and with its port. (A
        FIN that was sent twice, because a busy machine acknowledged late, is acknowledged twice by
        a peer in TIME_WAIT: the second time nobody is there, natively neither.)"""
        sent = self.take_peers(source)
        named = {reset[1:] for reset in sent}
        return [reset for reset in sent if reset[2]] + \
            [("TCP_FLAGS", *ends) for ends in self.met if ends not in named]

    def take_peers(self, source):
        """[(reason, port, peer's port)...], and the record is empty again."""
        with open(self.instance + "/trace") as file:
            text = file.read()
        with open(self.instance + "/trace", "w"):
            pass
        found, self.met = [], []
        for line in text.splitlines():
            # what a socket of the peer's was reset by: its own address comes first
            match = re.search(r"sport=(\d+) dport=(\d+) saddr=\S+ daddr=(\S+)", line)
            if match and match.group(3) == source:
                self.met.append((int(match.group(2)), int(match.group(1))))
            # a socket that takes both families shows IPv4 as [::ffff:10.0.0.1]
            match = re.search(r"src=(?:\[(?:::ffff:)?)?([0-9a-f.:]+?)\]?:(\d+) "
                              r"dest=\S+:(\d+) .*reason=(\w+)", line)
            if match and match.group(1) == source:
                found.append((match.group(4), int(match.group(2)), int(match.group(3))))
        return found


def reset_connections(resets):
    """How many connections these (of take_peers) are. What comes for one that is gone and meets the
    listener is refused without the peer's port (0): it counts when there is nothing else."""
    return len({reset[1:] for reset in resets if reset[2]}) or len(resets)


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
            # A full backlog is answered with cookies, and then only the first segment may open the
            # connection: others are reset (cookie_v4_check()). Without, the client tries again.
            self.run(f"ip netns exec {space} sysctl -qw net.ipv4.tcp_syncookies=0")
            self.run(f"ip -n {space} link set lo up")
            self.run(f"ip -n {space} link set v0 up")
            if rate:
                self.run(f"tc -n {space} qdisc add dev v0 root tbf rate {rate} burst 32kb "
                         "latency 400ms")

    def send_buffer(self, size):
        """What sockets of the near side begin with."""
        subprocess.run(["ip", "netns", "exec", self.near, "sysctl", "-qw",
                        f"net.ipv4.tcp_wmem=4096 {size} {4 * size}"], check=True)

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
    """Of the program under test: natively, under enforce (True), or under "audit"."""
    out = {key: value for key, value in os.environ.items() if not key.startswith("SOFTCLOSE")}
    out.pop("LD_PRELOAD", None)
    if enforce:
        out["LD_PRELOAD"] = PRELOAD
        out["SOFTCLOSE"] = "enforce" if enforce is True else enforce
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


class Near:
    """A program on the near side of the link; ended with everything that it has started.

    With `alone` it has a process namespace of its own, so that softclose can look into every
    process: where an inherited socket may have other holders that cannot be seen, nothing is
    touched."""

    def __init__(self, link, command, enforce, settings=None, log=None, alone=False, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        self.process = subprocess.Popen(
            ["nsenter", "--net=/run/netns/" + link.near,
             *(["unshare", "-p", "-f", "--mount-proc", "--kill-child", "setsid"] if alone else []), "env",
             *Closer.preload(enforce, settings=settings, log=log), *command],
            env=environment(False), start_new_session=True, **options)
        # the first process of a namespace ignores the one, and takes the rest with it by the other
        self.last_signal = signal.SIGKILL if alone else signal.SIGTERM
        atexit.register(self.end)

    def sockets(self):
        """[(state, local port, peer's port, unread)...] of TCP in its namespace, by proc(5)."""
        found = []
        for name in ("tcp", "tcp6"):
            with open(f"/proc/{self.process.pid}/net/{name}") as file:
                for words in (line.split() for line in file.readlines()[1:]):
                    found.append((int(words[3], 16), int(words[1].split(":")[1], 16),
                                  int(words[2].split(":")[1], 16), int(words[4].split(":")[1], 16)))
        return found

    def connections(self):
        """Of these, what is neither listening nor over."""
        return [one for one in self.sockets() if one[0] not in (TIME_WAIT, CLOSE, LISTEN)]

    def listens(self, port):
        return any(one[:2] == (LISTEN, port) for one in self.sockets())

    def unread(self, peer):
        """Bytes that have come from that port and nobody has read; -1 without a connection."""
        return next((one[3] for one in self.connections() if one[2] == peer), -1)

    @contextlib.contextmanager
    def stopped(self):
        """What happens meanwhile has happened when the program goes on."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)

    def end(self):
        atexit.unregister(self.end)
        try:
            os.killpg(self.process.pid, self.last_signal)
        except ProcessLookupError:
            pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def write(room, name, text):
    path = os.path.join(room, name)
    with open(path, "w") as file:
        file.write(text)
    return path


def reachable(address, port):
    try:
        socket.create_connection((address, port), timeout=5).close()
        return True
    except OSError:
        return False


def find(program):
    """Servers live in directories that a user's PATH may lack."""
    return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


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


def talk(client, request):
    """Sends while it reads. What came, and how it ended."""
    def send():
        try:
            client.sendall(request)
        except OSError:
            pass
    sender = threading.Thread(target=send)
    sender.start()
    data, end = b"", "eof"
    try:
        while piece := client.recv(1 << 16):
            data += piece
    except OSError as error:
        end = type(error).__name__
    sender.join()
    return data, end


def directory():
    """A temporary one, removed at the end."""
    made = tempfile.TemporaryDirectory(prefix="softclose-lab.")
    atexit.register(made.cleanup)
    return made.name


def die_in_order():
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))


def each(what, entries, play):
    """Plays each entry (name, program, package) that is installed, names the others; the script's
    exit status. What tests/run has installed (SOFTCLOSE_INSTALLED) must not be missing."""
    promised = os.environ.get("SOFTCLOSE_INSTALLED", "").split()
    wrong = played = 0
    for number, entry in enumerate(entries):
        if find(entry.program):
            played += 1
            try:
                wrong += not play(entry, number)
            except (OSError, EOFError, RuntimeError, subprocess.SubprocessError) as error:
                wrong += 1
                print(f"{what}: {entry.name}: {type(error).__name__}: {error}: WRONG", flush=True)
        elif os.path.basename(entry.program) in promised:
            wrong += 1
            print(f"{what}: {entry.name}: MISSING, though tests/packages.sh installs "
                  f"{entry.package}", flush=True)
        else:
            print(f"skipped: {what}: {entry.name}: not installed (Debian package "
                  f"{entry.package})", flush=True)
    if wrong == played == 0:
        return SKIPPED
    return 1 if wrong else 0
