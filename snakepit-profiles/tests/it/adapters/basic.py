"""Well-behaved commands."""

import os
import time


def echo(value=None):
    return value


def boom(message):
    raise ValueError(message)


def nap(seconds):
    time.sleep(seconds)
    return seconds


def count(n, pause=0.0):
    for number in range(n):
        if pause:
            time.sleep(pause)
        yield number


def pid():
    return os.getpid()
