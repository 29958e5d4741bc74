"""A well-behaved adapter."""

import os
import sys
import time


def echo(value):
    """Give back what came in."""
    return value


def join(first, second, separator=" "):
    return separator.join([first, second])


def count(to: int):
    yield from range(1, to + 1)


def count_and_raise(to: int):
    yield from range(1, to + 1)
    raise ValueError("that was all")


def environment(name: str):
    return os.environ.get(name)


def interpreter():
    return sys.executable


def speak():
    print("said on stdout")
    print("said on stderr", file=sys.stderr)
    os.write(1, b"written to descriptor 1\n")
    return "answered"


def fail():
    try:
        {}["missing"]
    except KeyError as error:
        raise ValueError("the order is not there") from error


def wait_for_ever():
    print("waiting", flush=True)
    while True:
        time.sleep(3600)
