"""What the benchmarks of the author's side call: streams and host tools."""

import time

from snakepit_bridge import context

_closed_at = 0
_made = 0


def noop():
    """Do nothing."""


def one():
    """A stream of one."""
    yield 1


def chunks(count):
    """Small chunks as fast as they are taken."""
    yield from range(count)


def endless(size):
    """Chunks without end, which remembers when it was closed and how many it made."""
    global _closed_at, _made
    _closed_at = _made = 0
    payload = "x" * size
    try:
        while True:
            _made += 1
            yield payload
    finally:
        _closed_at = time.monotonic_ns()


def closed_at():
    """When `endless` was closed, by the clock both sides read."""
    return _closed_at


def made():
    """How many chunks `endless` has made."""
    return _made


def ask(times):
    """Ask a tool so often."""
    for _ in range(times):
        context.call("nothing")


def total(numbers):
    """Take all of an input."""
    count = 0
    for _ in numbers:
        count += 1
    return count
