"""Commands that misbehave, each in its own way."""

import ctypes
import os
import signal
import struct
import sys
import time

RESULT = 2
JSON = 1
MAGIC = 0x53


def write_to_every_descriptor(data: bytes) -> None:
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, data)
        except OSError:
            pass


def scribble():
    write_to_every_descriptor(b"this is not a frame at all, whoever reads it" * 10)
    return "scribbled"


def lie():
    body = b'"a result nobody asked for"'
    write_to_every_descriptor(struct.pack("<IBBBBQ", len(body), RESULT, 0, JSON, MAGIC, 999_999) + body)
    return "lied"


def close_every_descriptor():
    os.closerange(3, 4096)
    return "closed"


def fork_and_answer_twice():
    return "child" if os.fork() == 0 else "parent"


def fork_and_stay():
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(3600)
    return "parent"


def leave():
    sys.exit(3)


def leave_at_once():
    print("goodbye", flush=True)
    os._exit(7)


def crash():
    ctypes.string_at(0)


def opaque():
    return {"items": [1, object()]}


def huge():
    return "x" * 200_000_000


def recurse(depth=0):
    return recurse(depth + 1)


def hang_in_native_code():
    print("hanging", flush=True)
    ctypes.PyDLL(None).sleep(3600)


def swallow_every_interrupt():
    print("hanging", flush=True)
    while True:
        try:
            time.sleep(3600)
        except BaseException:
            pass
