# SPDX-License-Identifier: MIT
"""Closes two connections while their peers, in this process too, have not finished; then one peer
ends and the other never does."""
import socket
import time

listener = socket.create_server(("127.0.0.1", 0))
for ends in (True, False):
    peer = socket.create_connection(listener.getsockname())
    subject, _ = listener.accept()
    subject.close()
    assert peer.recv(1) == b""
    if ends:
        peer.close()
    else:
        silent = peer
time.sleep(0.3)
