"""What the benchmarks call. Imports nothing heavy: this is the floor of every start."""

import time

_calls = 0


def noop():
    """Do nothing."""


def nap(seconds):
    """Be busy in C code, the GIL released."""
    time.sleep(seconds)


def count():
    """Be counted."""
    global _calls
    _calls += 1


def counted():
    """How often `count` ran in this worker."""
    return _calls
