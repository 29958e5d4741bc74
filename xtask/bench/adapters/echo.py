"""The least a Python process can do per message: the floor for any worker written in Python."""

import os
import socket

#: As long as the answers of the Rust floor.
ANSWER = b"S" * 20

lane = socket.socket(fileno=os.dup(0))
buffer = memoryview(bytearray(4096))
while lane.recv_into(buffer):
    lane.sendall(ANSWER)
