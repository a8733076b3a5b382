# SPDX-License-Identifier: MIT
"""An echo server that forks for every connection, with a subprocess and a passed socket beside it.

usage: socketserver_echo.py PORT
"""

import os
import signal
import socket
import socketserver
import subprocess
import sys


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


class Server(socketserver.ForkingTCPServer):
    allow_reuse_address = True
    request_queue_size = 32


def pass_a_socket():
    """One end of a pair goes to a child over another pair, and is closed there."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    left, right = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        left.close()
        right.close()
        _, descriptors, _, _ = socket.recv_fds(theirs, 16, 4)
        for descriptor in descriptors:
            os.write(descriptor, b"here\n")
            os.close(descriptor)
        os._exit(0)
    theirs.close()
    socket.send_fds(ours, [b"take"], [right.fileno()])
    right.close()
    assert left.recv(16) == b"here\n"
    os.waitpid(child, 0)


def stop(_signal, _frame):
    sys.exit(0)


signal.signal(signal.SIGTERM, stop)
pass_a_socket()
with Server(("127.0.0.1", int(sys.argv[1])), Echo) as server:
    subprocess.run(["true"], check=True, close_fds=False)
    subprocess.run(["true"], check=True, stdin=server.fileno(), pass_fds=[server.fileno()])
    server.serve_forever()
