"""Is never done importing. Knocks on a socket first, if it is told one."""

import os
import socket
import time

path = os.environ.get("SNAKEPIT_TEST_SOCKET")
if path:
    socket.socket(socket.AF_UNIX).connect(path)

while True:
    time.sleep(3600)
