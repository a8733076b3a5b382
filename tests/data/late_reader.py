# SPDX-License-Identifier: MIT
"""Sends a request and reads the answer when a file is there: late_reader.py PORT GO-FILE. Prints
how many bytes it got and how the connection ended. Its receive buffer is small, so that most of an
answer is still with the server until then."""
import os
import socket
import sys
import time

connection = socket.socket()
connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
connection.connect(("127.0.0.1", int(sys.argv[1])))
connection.sendall(b"r" * 1000)
while not os.path.exists(sys.argv[2]):
    time.sleep(0.02)
got, end = 0, "end of file"
try:
    while True:
        data = connection.recv(1 << 16)
        if not data:
            break
        got += len(data)
except ConnectionResetError:
    end = "reset"
print(got, end)
