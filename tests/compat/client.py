#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The peer of a server under test: every way in which a client treats a connection.

usage: client.py [--help] PROTOCOL PORT

PROTOCOL is http, redis, memcached or echo. At the end a few idle connections are left open,
"held" is printed, and the client waits until the server has ended them.
"""

import http.client
import socket
import struct
import sys
import time

PATIENCE = 30  # seconds for anything that must happen; never waited for otherwise
REQUESTS = {
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "redis": b"PING\r\n",
    "memcached": b"version\r\n",
    "echo": b"hello\n",
}
HOLD = 3


def connect(port):
    """A connection, as soon as somebody listens."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def exchange(connection, protocol, request):
    """One request and its whole answer. Returns False when the server will close."""
    if protocol == "http":
        response = http.client.HTTPResponse(connection)
        connection.sendall(request)
        response.begin()
        if not response.status:
            raise SystemExit("no answer")
        response.read()
        return not response.will_close
    connection.sendall(request)
    answer = b""
    while not answer.endswith(b"\n"):
        piece = connection.recv(65536)
        if not piece:
            raise SystemExit(f"end of file after {answer!r}")
        answer += piece
    return True


def until_end(connection):
    """Read until the server ends the connection, in order or not."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    connection.close()


def main(protocol, port):
    request = REQUESTS[protocol]
    polite = request.replace(b"localhost\r\n", b"localhost\r\nConnection: close\r\n")

    for _ in range(8):  # one exchange each; over HTTP the server closes first
        connection = connect(port)
        exchange(connection, protocol, polite)
        if protocol == "http":
            until_end(connection)
        connection.close()
    for _ in range(4):  # several exchanges, then the client closes
        connection = connect(port)
        for _ in range(3):
            if not exchange(connection, protocol, request):
                break
        connection.close()
    for _ in range(4):  # asks and leaves without waiting for the answer
        connection = connect(port)
        connection.sendall(request)
        connection.close()
    for _ in range(2):  # says nothing at all
        connect(port).close()
    for _ in range(2):  # half-closes, then reads to the end
        connection = connect(port)
        connection.sendall(polite)
        connection.shutdown(socket.SHUT_WR)
        until_end(connection)
    for _ in range(2):  # leaves with a reset in the middle of a request
        connection = connect(port)
        connection.sendall(request[: len(request) // 2])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    if protocol == "http":  # sends more than most servers read before they answer
        for _ in range(2):
            connection = connect(port)
            try:
                connection.sendall(
                    b"POST /none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                    b"Content-Length: 300000\r\n\r\n" + bytes(300000)
                )
            except (BrokenPipeError, ConnectionResetError):
                pass
            until_end(connection)

    held = [connect(port) for _ in range(HOLD)]
    for connection in held:
        exchange(connection, protocol, request)
    print("held", flush=True)
    for connection in held:
        until_end(connection)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in REQUESTS:
        print(__doc__)
        sys.exit(0 if sys.argv[1:] == ["--help"] else 2)
    main(sys.argv[1], int(sys.argv[2]))
