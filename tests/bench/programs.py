# SPDX-License-Identifier: MIT
"""Benchmarks of other people's programs, with softclose and without."""

import contextlib
import json
import os
import re
import socket
import subprocess
import time

from bench import (DIRECTORY, LIBRARY, NATIVE, Missing, Variant, clean_environment, need, output,
                   paired, softclose)
from loopback import EMPTY, INERT

AUDIT = softclose("audit, resets logged", "audit", events="resets")
ENFORCE = softclose("enforce, resets logged", "enforce", events="resets")


def startup(results, rounds, quick):
    """start-up of `true`"""
    variants = [EMPTY, INERT, softclose("audit", "audit", log="none"), preload_of("libfaketime"),
                preload_of("libsnoopy")]
    each = DIRECTORY + "/hyperfine.json"
    runs = "200" if quick else "1000"

    def measure(variant):
        words = " ".join(variant.command(["/bin/true"]))
        output([need("hyperfine"), "-N", "--warmup", "20", "--runs", runs, "--export-json", each,
                words])
        with open(each) as file:
            return json.load(file)["results"][0]["median"] * 1e6
    results.ratios("start-up of true", paired(variants, measure, max(3, rounds // 2)), "us", {
        "inert": ("<=", 1.10), "audit": ("<=", 1.5)}, to=EMPTY.name)


def preload_of(name):
    import glob
    found = glob.glob(f"/usr/lib/*/faketime/{name}.so.1") + glob.glob(f"/usr/lib/*/{name}.so*")
    if not found:
        raise Missing(f"{name} is not installed (Debian packages faketime, snoopy)")
    return Variant(name, preload=found[0])


@contextlib.contextmanager
def server(words, variant, port):
    """Runs until the block ends; ready when the port answers. The whole group ends with it."""
    process = subprocess.Popen(variant.command(words), env=clean_environment(),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        for _ in range(2000):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.005)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def configuration(name, text):
    path = f"{DIRECTORY}/{name}"
    with open(path, "w") as file:
        file.write(text)
    return path


def nginx_words(port, lingering="on"):
    os.makedirs(DIRECTORY + "/www", exist_ok=True)
    configuration("www/page", "x" * 1024)
    os.chmod(DIRECTORY, 0o755)
    path = configuration(f"nginx-{port}-{lingering}.conf", f"""
daemon off; master_process off; pid {DIRECTORY}/nginx-{port}.pid; error_log /dev/null; user root;
events {{ worker_connections 4096; }}
http {{ access_log off; lingering_close {lingering}; keepalive_requests 100000000;
  client_body_temp_path {DIRECTORY}; proxy_temp_path {DIRECTORY}; fastcgi_temp_path {DIRECTORY};
  uwsgi_temp_path {DIRECTORY}; scgi_temp_path {DIRECTORY};
  server {{ listen 127.0.0.1:{port} backlog=4096; root {DIRECTORY}/www; }} }}
""")
    return [need("nginx"), "-c", path, "-e", "/dev/null"]


def wrk(port, seconds, *headers):
    words = [need("wrk"), "-t1", "-c32", f"-d{seconds}s"]
    for header in headers:
        words += ["-H", header]
    text = output([*words, f"http://127.0.0.1:{port}/page"])
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError("wrk: " + text)
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", text).group(1))


def nginx(results, rounds, quick):
    """nginx under wrk"""
    seconds = 1 if quick else 3
    for name, headers, audit, enforce in (("Connection: close", ["Connection: close"], 0.98, 0.96),
                                          ("keep-alive", [], 0.99, 0.99)):
        def measure(variant):
            with server(nginx_words(8091), variant, 8091):
                return wrk(8091, seconds, *headers)
        figures = paired([NATIVE, AUDIT, ENFORCE], measure, rounds)
        results.ratios(f"nginx, {name}", figures, "1/s", {
            AUDIT.name: (">=", audit), ENFORCE.name: (">=", enforce)})

    own = Variant("nginx lingers always")
    ours = softclose("nginx off, softclose enforce", "enforce", events="resets")

    def linger(variant):
        with server(nginx_words(8091, "always" if variant is own else "off"), variant, 8091):
            return wrk(8091, seconds, "Connection: close")
    results.ratios("lingering close, nginx", paired([own, ours], linger, rounds), "1/s",
                   {ours.name: (">=", 1.0)}, to=own.name)


def redis(results, rounds, quick):
    """redis-benchmark"""
    count = "20000" if quick else "100000"

    def measure(variant):
        with server([need("redis-server"), "--port", "6390", "--save", "", "--appendonly", "no"],
                    variant, 6390):
            # -k 0: a connection for each request
            text = output([need("redis-benchmark", "redis-tools"), "-p", "6390", "-n", count, "-c",
                           "32", "-k", "0", "-t", "get", "--csv"])
        return float(text.splitlines()[-1].split(",")[1].strip('"'))
    results.ratios("redis-benchmark, -k 0", paired([NATIVE, AUDIT, ENFORCE], measure, rounds),
                   "1/s", {AUDIT.name: (">=", 0.97), ENFORCE.name: (">=", 0.97)})


def haproxy(results, rounds, quick):
    """haproxy in front of nginx"""
    path = configuration("haproxy.cfg", """
global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
listen front
  bind 127.0.0.1:8092
  option httpclose
  server back 127.0.0.1:8091
""")

    def measure(variant):
        with server(nginx_words(8091), NATIVE, 8091), \
                server([need("haproxy"), "-db", "-f", path], variant, 8092):
            return wrk(8092, 1 if quick else 3, "Connection: close")
    results.ratios("haproxy before nginx", paired([NATIVE, AUDIT, ENFORCE], measure, rounds), "1/s",
                   {AUDIT.name: (">=", 0.97), ENFORCE.name: (">=", 0.97)})


def asyncio(results, rounds, quick):
    """a python asyncio server"""
    path = configuration("server.py", """
import asyncio
async def serve(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
    await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 8093, backlog=4096)
    await server.serve_forever()
asyncio.run(main())
""")

    def measure(variant):
        with server([need("python3"), path], variant, 8093):
            return wrk(8093, 1 if quick else 3)
    results.ratios("python asyncio", paired([NATIVE, AUDIT, ENFORCE], measure, rounds), "1/s",
                   {AUDIT.name: (">=", 0.97), ENFORCE.name: (">=", 0.97)})


def report(results, rounds, quick):
    """softclose report over many events"""
    events = 200000 if quick else 10000000
    path = DIRECTORY + "/many.jsonl"
    make_log(path, events)
    from bench import SOFTCLOSE
    clock = "/usr/bin/time"
    need("time", "time")
    query = ('select(.event=="close") | [.outcome,.cause,.exe] | join(" ")')
    commands = {
        "softclose report": [SOFTCLOSE, "report", "--by", "cause", path],
        "jq | sort | uniq -c": ["sh", "-c", f"jq -r '{query}' {path} | sort | uniq -c"],
        "ripgrep -c": [need("rg", "ripgrep"), "-c", '"outcome":"reset"', path],
    }
    need("jq")

    def measure(variant):
        words = [clock, "-f", "%e %M", "-o", DIRECTORY + "/time", *commands[variant.name]]
        output(words)
        with open(DIRECTORY + "/time") as file:
            seconds, kib = map(float, file.read().split())
        memory[variant.name] = kib
        return seconds
    memory = {}
    figures = paired([Variant(name) for name in commands], measure, 1 if not quick else 2)
    own, other = figures["softclose report"][0], figures["jq | sort | uniq -c"][0]
    for name in commands:
        results.add(f"report, {events:,} events", name, figures[name][0], "s")
    results.add(f"report, {events:,} events", "faster than jq", other / own, "times",
                target=">= 5", holds=other / own >= 5)
    results.add(f"report, {events:,} events", "memory", memory["softclose report"] / 1024, "MiB")
    os.unlink(path)


def make_log(path, events):
    """Events as the shim writes them: those of a short real run, over and over."""
    from bench import LOG, PROGRAMS
    output([PROGRAMS + "/cycle", "0.1"], softclose("sample", "audit"))
    with open(LOG) as file:
        sample = file.read()
    lines = sample.count("\n")
    with open(path, "w") as file:
        for _ in range(events // lines):
            file.write(sample)
        file.write("".join(line + "\n" for line in sample.splitlines()[:events % lines]))
