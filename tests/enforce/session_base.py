# SPDX-License-Identifier: MIT
"""Servers whose connections pass through many processes, and what their clients do: sessions that
last, short visits, and among them such that the server turns away with bytes unread. Each class
has

    name, program, package  who it is, what is looked for in PATH, whose it is in Debian
    resets                  whether natively visits end in a reset or without an answer
    start(), end()          the servers: a list of lab.Near
    session()               one long session, until `over` is set; True if all of it came in order;
                            when it works it adds itself to `begun`
    visit(number)           one short one; True if it had what it wanted
    stir(last)              workers go and others come, twice"""

import os
import socket
import threading
import time

import lab

PAUSE = 0.02                # between the steps of a long session
REQUEST = b"x" * (1 << 17)  # more than any server reads before it turns a client away
BODY = 1 << 18


def public(room, name, text):
    os.chmod(room, 0o755)
    return lab.write(room, name, text)


class Base:
    """What most have in common: one server, at one address."""

    resets, nears = True, ()

    def __init__(self, link, enforce, room, port):
        self.link, self.enforce, self.room, self.port = link, enforce, room, port
        self.address = (link.near_address, port)
        self.begun, self.over = [], threading.Event()
        self.start()
        if not lab.wait_until(lambda: self.nears[0].listens(port), 60):
            raise RuntimeError(f"{self.name} does not start")

    def near(self, command, **options):
        return lab.Near(self.link, command, self.enforce, **options)

    def connect(self):
        return socket.create_connection(self.address, timeout=60)

    def steps(self):
        """Of a long session, numbered: until everything else has happened."""
        number = 0
        while number < 3 or not self.over.is_set():
            yield number
            number += 1
            if number == 2:
                self.begun.append(True)
            time.sleep(PAUSE)

    def stir(self, last):
        pass

    def end(self):
        for near in self.nears:
            near.end()
