# SPDX-License-Identifier: MIT
"""Talks to a memcached; status 0 when every answer was the right one.

usage: memcached_session.py PORT [many|long]
"""

import socket
import sys

PORT, WHAT = int(sys.argv[1]), (sys.argv[2:] or ["session"])[0]


def connect():
    return socket.create_connection(("127.0.0.1", PORT), timeout=30)


def session():
    value = b"x" * 100000
    with connect() as one, one.makefile("rb") as answers:
        for i in range(20):
            one.sendall(b"set k%d 0 0 %d\r\n%s\r\n" % (i, len(value), value))
            assert answers.readline() == b"STORED\r\n"
        one.sendall(b"get " + b" ".join(b"k%d" % i for i in range(20)) + b"\r\n")
        for i in range(20):
            assert answers.readline() == b"VALUE k%d 0 %d\r\n" % (i, len(value))
            assert answers.read(len(value) + 2) == value + b"\r\n"
        assert answers.readline() == b"END\r\n"
        one.sendall(b"quit\r\nget k1\r\n")
        assert answers.read() == b""


def many():
    """Beyond -c 100 connections are refused or wait; after some have gone there is room again."""
    held = [connect() for _ in range(120)]
    for one in held:
        one.close()
    session()


def long():
    """A line that never ends: an error, or a close."""
    with connect() as one:
        try:
            one.sendall(b"a" * 100000)
            heard = one.recv(1000)
        except ConnectionError:
            heard = b""
    assert heard in (b"", b"ERROR\r\n") or heard.startswith(b"CLIENT_ERROR"), heard
    session()


{"session": session, "many": many, "long": long}[WHAT]()
