#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The peer of `stacked`: runs it with several libraries preloaded, and says what it received.

usage: stacked.py [--log FILE] COMMAND...

COMMAND is run with the port of a listener added. Printed are the program's own lines, with what the
peer got of each connection's 200,000 bytes: `road: whole`, or `road: cut` when it was reset.
With --log: what stands in the log of softclose, closes of accepted connections by their cause.
"""

import collections
import json
import socket
import subprocess
import sys

ANSWER, ROADS = 200000, ("close", "fclose", "dup2", "fork", "thread", "exit")
PATIENCE = 60


def received(peer):
    count = 0
    try:
        while data := peer.recv(65536):
            count += len(data)
    except ConnectionResetError:
        return "cut"
    return "whole" if count == ANSWER else f"only {count}"


def call_back(listener):
    one, _ = listener.accept()
    with one:
        assert one.recv(5, socket.MSG_WAITALL) == b"hello"
        one.sendall(b"world")
        assert one.recv(1) == b""


def visit(program, listener):
    port = int(program.stdout.readline().split()[1])
    call_back(listener)
    for road in ROADS:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as peer:
            peer.sendall(b"u" * 100)
            for line in program.stdout:
                if line.startswith("closed"):
                    break
                print(line, end="")
            if road == "exit" and program.wait() != 0:
                print("status", program.returncode)
            print(f"{road}: {received(peer)}", flush=True)
        if road != "exit":
            program.stdin.write("next\n")
            program.stdin.flush()


def told(log):
    """Closes of accepted connections, by cause and road."""
    count = collections.Counter()
    with open(log, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            if event["event"] == "close" and event.get("role") == "accepted":
                count[event.get("cause") or event["outcome"], event["via"]] += 1
    return count


def main():
    arguments = sys.argv[1:]
    log = arguments[1] if arguments[0] == "--log" else None
    command = arguments[2:] if log else arguments
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        with subprocess.Popen(command + [str(listener.getsockname()[1])], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as program:
            try:
                visit(program, listener)
            finally:
                program.stdin.close()
    if log:
        for (cause, via), times in sorted(told(log).items()):
            print("log:", cause, via, times)


main()
