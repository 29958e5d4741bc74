"""A well-behaved adapter."""

import os
import sys
import time

from snakepit_bridge import context


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


def remember(text: str):
    kept = context.state.setdefault("kept", [])
    kept.append(text)
    return [context.session, kept]


def ask_a_tool():
    return context.call("lookup")


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


def clean_up_when_interrupted():
    try:
        wait_for_ever()
    finally:
        print("cleaned up", flush=True)


def take_long_to_clean_up():
    try:
        wait_for_ever()
    finally:
        print("cleaning up", flush=True)
        time.sleep(3600)


def finish_when_there_is(path: str):
    print("waiting", flush=True)
    while not os.path.exists(path):
        time.sleep(0.01)
    return "finished"
