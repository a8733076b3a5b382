# SPDX-License-Identifier: MIT
"""A PostgreSQL cluster of its own, and sessions that speak its protocol themselves: a client can
then send a query without waiting for the answer to the last one.

Messages: PostgreSQL documentation, "Frontend/Backend Protocol", "Message Formats"."""

import functools
import glob
import os
import shutil
import socket
import struct
import subprocess

import lab

BINARIES = max(glob.glob("/usr/lib/postgresql/*/bin"), default="/usr/lib/postgresql/bin")
AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


@functools.cache
def cluster():
    """Made once, copied by each server."""
    room = lab.directory()
    shutil.chown(room, "postgres", "postgres")
    subprocess.run([*AS_POSTGRES, BINARIES + "/initdb", "-D", room + "/data", "-A", "trust",
                    "--no-sync", "-E", "SQL_ASCII", "--locale=C"],
                   check=True, capture_output=True, cwd="/")
    return room + "/data"


class Server:
    def __init__(self, link, enforce, room, port):
        self.address = (link.near_address, port)
        self.room = os.path.join(room, str(port))
        os.chmod(room, 0o755)
        os.mkdir(self.room)
        shutil.chown(self.room, "postgres", "postgres")
        data = self.room + "/data"
        subprocess.run(["cp", "-a", cluster(), data], check=True)
        with open(data + "/pg_hba.conf", "a") as file:
            file.write(f"host all all {link.far_address}/32 trust\n")
        self.near = lab.Near(
            link, [*AS_POSTGRES, BINARIES + "/postgres", "-D", data, "-k", self.room, "-h",
                   link.near_address, "-p", str(port), "-c", "fsync=off"], enforce, cwd="/")
        if not lab.wait_until(lambda: self.status() == "ready", 60):
            raise RuntimeError("PostgreSQL does not start")

    def status(self):
        """The last line of postmaster.pid (PostgreSQL, utils/pidfile.h)."""
        try:
            with open(self.room + "/data/postmaster.pid") as file:
                return file.read().splitlines()[-1].strip()
        except (OSError, IndexError):
            return None

    def session(self):
        return Session(self.address)

    def end(self):
        self.near.end()


class Session:
    """One connection; its backend's process id is `pid`."""

    def __init__(self, address):
        self.connection = socket.create_connection(address, timeout=30)
        self.port = self.connection.getsockname()[1]
        words = struct.pack("!i", 196608) + b"user\0postgres\0database\0postgres\0\0"
        self.connection.sendall(struct.pack("!i", len(words) + 4) + words)
        self.stream = self.connection.makefile("rb")
        self.pid = None
        for kind, body in self.messages():
            if kind == b"K":
                self.pid = struct.unpack("!i", body[:4])[0]

    def message(self):
        kind = self.stream.read(1)
        if not kind:
            raise EOFError
        length = struct.unpack("!i", self.stream.read(4))[0]
        return kind, self.stream.read(length - 4)

    def messages(self):
        """Until the server is ready for a query."""
        while True:
            kind, body = self.message()
            if kind == b"E":
                raise OSError(body)
            if kind == b"Z":
                return
            yield kind, body

    def send(self, query):
        words = query.encode() + b"\0"
        self.connection.sendall(b"Q" + struct.pack("!i", len(words) + 4) + words)

    def ask(self, query):
        """The first column of the last row."""
        self.send(query)
        value = None
        for kind, body in self.messages():
            if kind == b"D":
                length = struct.unpack("!i", body[2:6])[0]
                value = body[6:6 + length].decode() if length >= 0 else None
        return value

    def last_words(self):
        """Did the server say that it ends the session, and how did the connection end?"""
        told = False
        try:
            while True:
                kind, body = self.message()
                told = told or (kind == b"E" and b"57P01" in body)
        except EOFError:
            return told, "eof"
        except OSError as error:
            return told, type(error).__name__

    def close(self):
        try:
            self.connection.sendall(b"X" + struct.pack("!i", 4))
        except OSError:
            pass
        self.stream.close()
        self.connection.close()
