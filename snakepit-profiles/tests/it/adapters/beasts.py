"""Does one bad deed, at the point that a file names: `call leave`, or the environment for an import."""

import ctypes
import os
import struct
import threading
import time

from snakepit_bridge import tool


def _raise():
    raise ImportError("bad by nature")


def _exit():
    raise SystemExit(3)


def _deadlock(library):
    mutex = ctypes.create_string_buffer(64)
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)


def _flood():
    line = b"x" * 1000 + b"\n"
    for _ in range(2000):
        os.write(1, line)


def _fork():
    if os.fork() == 0:
        time.sleep(1000)


def _fork_and_go_on():
    os.fork()


_leak = []


def _deaf():
    while True:
        try:
            time.sleep(0.01)
        except BaseException:
            pass


def _lie():
    for entry in os.listdir("/proc/self/fd"):
        try:
            if os.readlink("/proc/self/fd/" + entry).startswith("socket:"):
                os.write(int(entry), struct.pack("<IBBBBQ", 2, 2, 0, 1, 0x53, 1 << 40) + b"[]")
        except OSError:
            pass


DEEDS = {
    "raise": _raise,
    "exit": _exit,
    "leave": lambda: os._exit(3),
    "crash": lambda: ctypes.string_at(0),
    "hang": lambda: _deadlock(ctypes.CDLL(None)),
    "hang with the GIL": lambda: _deadlock(ctypes.PyDLL(None)),
    "flood": _flood,
    "fork": _fork,
    "fork and go on": _fork_and_go_on,
    "leak": lambda: _leak.append(bytearray(os.urandom(1 << 20) * 32)),
    "swallow": _deaf,
    "close": lambda: os.closerange(3, 3000),
    "lie": _lie,
}


def misbehave(point):
    try:
        with open(os.environ["BEAST"]) as file:
            wanted, _, deed = file.read().partition(" ")
    except FileNotFoundError:
        return
    if point == wanted:
        open(os.environ["BEAST"] + ".begun", "w").close()
        DEEDS[deed]()


misbehave("import")


class Beast:
    def setup(self):
        misbehave("setup")

    def cleanup(self):
        misbehave("cleanup")

    @tool
    def echo(self, value):
        return value

    @tool
    def call(self):
        misbehave("call")

    @tool
    def stream(self):
        yield 1
        misbehave("stream")
        yield 2

    @tool
    def wait_and_call(self):
        """Waits for as long as a file is there."""
        open(os.environ["BEAST"] + ".running", "w").close()
        while os.path.exists(os.environ["BEAST"] + ".wait"):
            time.sleep(0.001)
        misbehave("recycle")

    @tool
    def leave_alone(self):
        """The deed is done beside the lane, when no call runs."""
        threading.Thread(target=lambda: (time.sleep(0.02), misbehave("idle")), daemon=True).start()

    @tool
    def pid(self):
        return os.getpid()
