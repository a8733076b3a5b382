# SPDX-License-Identifier: MIT
"""Answers before the request has been read: early_answer.py PORT-FILE [COUNT [keep]]. Serves COUNT
(default 1) connections, closes each, prints "closed", ends with status 0. With `keep` it closes
nothing and waits for a signal. The answer is wholly in the send buffer when the connection ends:
natively the client gets a reset and what little had arrived."""
import os
import signal
import socket
import sys

ANSWER = 100000

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * ANSWER)
listener.bind(("127.0.0.1", 0))
listener.listen(16)
with open(sys.argv[1] + ".new", "w") as file:
    file.write(str(listener.getsockname()[1]))
os.rename(sys.argv[1] + ".new", sys.argv[1])
kept = []
for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 1):
    connection, _ = listener.accept()
    connection.recv(1)  # the rest of the request stays unread
    connection.sendall(b"a" * ANSWER)
    if len(sys.argv) > 3:
        kept.append(connection)
    else:
        connection.close()
listener.close()
print("ready" if kept else "closed", flush=True)
while kept:
    signal.pause()
