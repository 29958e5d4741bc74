"""Well-behaved commands, and one that is deaf."""

import logging
import os
import sys
import time


def echo(value=None):
    return value


def boom(message):
    raise ValueError(message)


def zeros(length):
    return bytes(length)


def nap(seconds):
    time.sleep(seconds)
    return seconds


def deaf(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            time.sleep(end - time.monotonic())
        except BaseException:
            pass


def count(n, fail=False):
    for number in range(n):
        print("made")
        yield number
    if fail:
        raise ValueError("no more")


def speak():
    print("printed")
    print("complained", file=sys.stderr)
    logging.getLogger("tests").warning("noted")
    os.write(1, b"written\n")
    time.sleep(0.05)  # what is written past Python has no call id: the host says which call runs now


def pid():
    return os.getpid()
