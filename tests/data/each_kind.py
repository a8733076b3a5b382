# SPDX-License-Identifier: MIT
"""each_kind.py [no-thread]: connections closed and shut in each way that an event can tell of. With
no-thread, the process may have no second one."""
import ctypes
import os
import resource
import select
import socket
import struct
import sys

libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
libc.fputs.argtypes = ctypes.c_char_p, ctypes.c_void_p
libc.fclose.argtypes = ctypes.c_void_p,
listener = socket.create_server(("127.0.0.1", 0))
peers = []


def pair(sent=b"", finished=False):
    """The accepted end; what its peer has sent is here."""
    peer = socket.create_connection(listener.getsockname())
    connection = listener.accept()[0]
    if sent:
        peer.sendall(sent)
        connection.recv(1, socket.MSG_PEEK)
    if finished:
        peer.shutdown(socket.SHUT_WR)
        poll = select.poll()
        poll.register(connection, select.POLLRDHUP)
        poll.poll()
    peers.append(peer)
    return connection


def zero(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def unflushed():
    connection = pair(b"unread")
    connection.setblocking(False)
    try:
        while True:
            connection.send(bytes(65536))
    except BlockingIOError:
        pass
    stream = libc.fdopen(connection.detach(), b"w")
    libc.fputs(b"cannot go out", stream)
    libc.fclose(stream)


def main():
    if sys.argv[1:] == ["no-thread"]:
        "".encode("idna")  # what connecting imports: another user may not read it
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
    pair().close()
    pair(b"unread").close()
    pair(finished=True).close()
    pair(b"unread", finished=True).close()
    pair(bytes(4096)).close()
    connection = pair(b"unread")
    zero(connection)
    connection.close()
    connection = pair()
    connection.shutdown(socket.SHUT_RDWR)
    connection.close()
    connection = pair()
    connection.shutdown(socket.SHUT_WR)
    connection.close()
    connection = pair(b"unread")
    other = os.dup(connection.fileno())
    epoll = select.epoll()
    epoll.register(other, select.EPOLLIN)
    os.close(other)
    connection.close()
    unflushed()
    connection = pair(b"unread")
    libc.connect(connection.fileno(), bytes(16), 16)
    connection.close()
    with socket.create_server(("127.0.0.1", 0)) as waiting:
        peers.append(socket.create_connection(waiting.getsockname()))
    number = pair().detach()
    os.close(number)
    libc.close(number)
    left, right = socket.socketpair()
    left.send(b"unread")
    right.close()
    left.close()
    zero(pair())
    pair(b"unread").detach()  # both ends: until that of the process
    peers.pop().detach()


main()
