# SPDX-License-Identifier: MIT
"""Benchmarks of programs of our own over loopback: closes, connections, drains, memory."""

import re
import statistics

from bench import (DIRECTORY, LIBRARY, NATIVE, PROGRAMS, Missing, Variant, need, output, paired,
                   softclose)

PASSTHROUGH = Variant("pass-through wrapper", preload=PROGRAMS + "/passthrough.so")
EMPTY = Variant("empty preload", preload=PROGRAMS + "/empty.so")
INERT = Variant("inert", preload=LIBRARY)
AUDIT_RESETS = softclose("audit, resets logged", "audit", events="resets")
AUDIT_ALL = softclose("audit, all logged", "audit")


def instructions(variant, words, within=()):
    """User instructions of a program, as callgrind counts them, and what it prints: those of the
    first process, and only within these functions, if there are any."""
    need("valgrind")
    out = DIRECTORY + "/callgrind"
    tool = Variant(variant.name, before=["env", *(f"{k}={v}" for k, v in variant.environment.items()),
                                         "valgrind", "--quiet", "--tool=callgrind",
                                         "--callgrind-out-file=" + out,
                                         *("--toggle-collect=" + name for name in within)])
    printed = output([PROGRAMS + "/" + words[0], *words[1:]], tool)
    with open(out) as file:
        found = re.search(r"^(?:totals|summary): (\d+)", file.read(), re.M)
    return int(found.group(1)), printed


def added_instructions():
    """What one close of a descriptor that is no socket costs more than through a wrapper that does
    nothing: the difference of two counts, divided. The same in every run."""
    each = {}
    for variant in (PASSTHROUGH, AUDIT_ALL):
        few, many = (instructions(variant, ["plain_close", count])[0] for count in ("900", "2700"))
        each[variant.name] = (many - few) / 1800
    return each[AUDIT_ALL.name] - each[PASSTHROUGH.name]


def connection_instructions():
    """What both ends of a connection cost more than natively, as long as nothing is told of it: one
    batch of them, and as many as half a second allows, or more if that was not one more."""
    each = {}
    for variant in (NATIVE, AUDIT_RESETS):
        few, some = instructions(variant, ["cycle", "0.000001"])
        first = last = int(some.split()[0])
        for seconds in ("0.5", "5", "50"):
            if last == first:
                many, more = instructions(variant, ["cycle", seconds])
                last = int(more.split()[0])
        each[variant.name] = (many - few) / (last - first)
    return each[AUDIT_RESETS.name] - each[NATIVE.name]


def decision_instructions(rules, when):
    """What one decision costs with so many rules, at the first close of a connection or again."""
    few, many = (instructions(NATIVE, ["decision", str(rules), when, count])[0]
                 for count in ("100", "200"))
    return (many - few) / 100


def decision(results, rounds, quick):
    """a decision with 1 and with 1,000 rules"""
    for line in output([PROGRAMS + "/decision"]).splitlines():
        rules, first, again = re.search(r"(\d+) rules: .* (\d+) ns, .* (\d+) ns", line).groups()
        name = f"decision, {rules} rule" + "s" * (rules != "1")
        # Cached with its connection: that is what 1,000 rules may cost.
        target = {"target": "<= 100", "holds": float(first) <= 100} if rules == "1" else {}
        results.add(name, "first close of a connection", float(first), "ns", **target)
        results.add(name, "each later operation", float(again), "ns", target="<= 100",
                    holds=float(again) <= 100)


def plain_close(results, rounds, quick):
    """close of a file descriptor that is no socket"""
    name = "close of what is no socket"
    added = added_instructions()
    results.add(name, "audit", added, "instr.", target="<= 12 added", holds=added <= 12)
    count = 180000 if quick else 1800000
    figures = paired([NATIVE, PASSTHROUGH, AUDIT_ALL, torsocks()], lambda variant: float(
        output([PROGRAMS + "/plain_close", str(count)], variant)), rounds)
    results.ratios(name, figures, "ns", {AUDIT_ALL.name: ("<=", 1.05)}, to=PASSTHROUGH.name)


def torsocks():
    import glob
    found = glob.glob("/usr/lib/*/torsocks/libtorsocks.so")
    if not found:
        raise Missing("torsocks is not installed (Debian package torsocks)")
    return Variant("torsocks", preload=found[0], TORSOCKS_LOG_LEVEL="1")


def cycles(words):
    def measure(variant):
        count, seconds, _ = map(float, output([PROGRAMS + "/cycle", *words], variant).split())
        return count / seconds
    return measure


def cycle(results, rounds, quick):
    """connect, accept, exchange, close; both ends in the process"""
    variants = [NATIVE, EMPTY, INERT, AUDIT_RESETS, AUDIT_ALL,
                softclose("enforce, resets logged", "enforce", events="resets"),
                softclose("enforce, changes logged", "enforce"),
                softclose("enforce, inline", "enforce", events="resets", close__drain="inline")]
    # Not close.drain=block: with both ends in one thread each close would wait for its own peer.
    targets = {AUDIT_RESETS.name: (">=", 0.98), AUDIT_ALL.name: (">=", 0.95),
               "enforce, resets logged": (">=", 0.95)}
    figures = paired(variants, cycles(["0.2" if quick else "1"]), rounds)
    results.ratios("connection cycle", figures, "1/s", targets)


# How often softclose asks it for a connection whose both ends are its own: three calls that make a
# descriptor (socket, connect, accept) and two that close one, the first before the peer has
# finished. tests/bench/counts holds the sums.
ASKED = {"getpid": 5, "SO_COOKIE": 4, "SO_PROTOCOL": 1, "TCP_INFO": 2, "SO_LINGER": 2, "TCP_LINGER2": 1,
         "SO_MEMINFO": 2}
LOGGED = {"getsockname+getpeername": 2, "fstat+getrlimit": 2, "write": 2}


def floor(results, rounds, quick):
    """what the system calls alone cost that a connection's closes are decided by"""
    words = [PROGRAMS + "/questions", "3" if quick else "9"]
    each = {name: float(ns) for name, ns in (line.rsplit(None, 1) for line in output(words).splitlines())}
    native = statistics.median(cycles(["0.2" if quick else "1"])(NATIVE) for _ in range(rounds))
    for name, ns in each.items():
        results.add("one system call", name, ns, "ns")
    audit = sum(each[name] * times for name, times in ASKED.items())
    everything = audit + sum(each[name] * times for name, times in LOGGED.items())
    for name, ns in (("audit, resets logged", audit), ("audit, all logged", everything)):
        results.add("system calls of a connection", name, ns, "ns", 1 / (1 + ns * native / 1e9),
                    "native's rate at best")


def cycle_watched(results, rounds, quick):
    """the same, watched by what only watches"""
    probe = ("tracepoint:tcp:tcp_destroy_sock,tracepoint:tcp:tcp_send_reset { @[probe] = count(); }")
    variants = [NATIVE, AUDIT_ALL,
                Variant("strace -f -e close", before=[need("strace"), "-f", "-qq", "-e", "trace=close",
                                                      "-o", DIRECTORY + "/strace"]),
                Variant("bpftrace, tcp tracepoints", before=[need("bpftrace"), "-q", "-o",
                                                             DIRECTORY + "/bpftrace", "-e", probe, "-c"])]

    def measure(variant):
        words = [PROGRAMS + "/cycle", "0.2" if quick else "1"]
        if variant.before and "bpftrace" in variant.before[0]:
            words = [" ".join(words)]  # -c takes one word
        lines = [line for line in output(words, variant).splitlines() if line.count(" ") == 2]
        count, seconds, _ = map(float, lines[0].split())
        return count / seconds
    results.ratios("connection cycle, watched", paired(variants, measure, rounds), "1/s", {})


def threads(results, rounds, quick):
    """threads that open and close sockets"""
    for count in (8, 64):
        variants = [NATIVE, AUDIT_RESETS, softclose("enforce, resets logged", "enforce",
                                                    events="resets")]
        figures = paired(variants, cycles(["0.3" if quick else "1.5", str(count)]), rounds)
        results.ratios(f"{count} threads", figures, "1/s", {
            AUDIT_RESETS.name: (">=", 0.97), "enforce, resets logged": (">=", 0.97)})


def draining(results, rounds, quick):
    """connections that drain at once"""
    levels = (1000, 10000) if quick else (1000, 10000, 100000)
    enforce = softclose("enforce", "enforce", log="none", close__max_draining="200000",
                        close__drain_idle="10m", close__drain_total="10m", close__exit_wait="0ms")
    flat = {}
    for count in levels:
        figures = [list(map(float, output([PROGRAMS + "/closes_draining", str(count)],
                                          enforce).split()))
                   for _ in range(max(1, rounds // 3))]
        first, last, before, after, held = (statistics.median(column) for column in zip(*figures))
        flat[count] = last
        results.add("draining at once", f"close with {count:,}", last, "ns", last / flat[levels[0]],
                    f"with {levels[0]:,}", "<= 1.2 x", last <= 1.2 * flat[levels[0]])
        each = (after - before) * 1024 / held
        if count == levels[-1]:
            results.add("draining at once", f"memory each of {count:,}", each, "bytes",
                        target="<= 128", holds=each <= 128)


def fat_sender(results, rounds, quick):
    """drain speed of one fat sender"""
    size = 1 << (28 if quick else 32)
    variants = [Variant(how) for how in ("recv", "trunc", "splice")]
    variants.append(softclose("softclose drains", "enforce", log="none", close__drain_total="10m",
                              close__exit_wait="10m"))

    def measure(variant):
        how = variant.name if variant.name in ("recv", "trunc", "splice") else "close"
        return size / float(output([PROGRAMS + "/fat", str(size), how], variant)) / 1e9
    figures = paired(variants, measure, rounds)
    results.ratios("one fat sender", figures, "GB/s", {"softclose drains": (">=", 1.0)}, to="recv")
    limit = iperf(2 if quick else 5)
    drained = statistics.median(figures["softclose drains"])
    results.add("one fat sender", "loopback's limit (iperf3)", limit, "GB/s")
    results.add("one fat sender", "softclose's share of it", drained / limit, "")


def iperf(seconds):
    import json
    import subprocess
    server = subprocess.Popen([need("iperf3"), "-s", "-1", "-p", "5399"], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            done = subprocess.run(["iperf3", "-c", "127.0.0.1", "-p", "5399", "-t", str(seconds),
                                   "-J"], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"] / 8e9
    finally:
        server.terminate()
        server.wait()
    raise RuntimeError("iperf3: " + done.stdout[-300:])


def fork_and_memory(results, rounds, quick):
    """fork, and memory, with 10,000 tracked sockets"""
    # What audit adds, as plain memory of the program's own: no table can be had for less.
    memory = Variant("native, 2 MiB more memory")
    figures = paired([NATIVE, memory, AUDIT_RESETS], lambda variant: list(map(float, output(
        [PROGRAMS + "/held", "10000", "50" if quick else "300", "2048" if variant is memory else "0"],
        variant).split())), rounds)
    forks = {name: [figure[1] / 1000 for figure in values] for name, values in figures.items()}
    results.ratios("fork, 10,000 sockets", forks, "us", {AUDIT_RESETS.name: ("<=", 1.05)})
    kib = {name: statistics.median(figure[0] for figure in values)
           for name, values in figures.items()}
    added = (kib[AUDIT_RESETS.name] - kib["native"]) / 1024
    results.add("memory, 10,000 sockets", "audit", added, "MiB added", target="<= 3", holds=added <= 3)
