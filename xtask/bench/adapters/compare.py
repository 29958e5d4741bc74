"""The work of the comparison, the same for all profiles and interpreters. Standard library only: all can run it."""

import asyncio  # noqa: F401  imported for its size: this is what a service has loaded
import decimal  # noqa: F401
import gc
import http.client  # noqa: F401
import json  # noqa: F401
import time

#: Nothing here is changed by a call.
__thread_safe__ = True


class Item:
    """A thing with a method, as programs are full of."""

    def __init__(self, number, size):
        """Remember both."""
        self.number = number
        self.size = size

    def weight(self, factor):
        """Multiply and add, through attributes."""
        return self.size * factor + self.number


def noop():
    """Do nothing."""


def nap(seconds):
    """Wait as for a network or a disk, the GIL released."""
    time.sleep(seconds)


def fold(number):
    """Small numbers from large ones, in a loop."""
    folded = 0
    while number:
        folded += number % 10
        number //= 10
    return folded


def crunch(rounds):
    """Arithmetic, objects, dictionaries and function calls."""
    total = 0
    table = {}
    for number in range(rounds):
        item = Item(number, number * 7 % 31)
        total += item.weight(3) + fold(number)
        key = number & 255
        table[key] = table.get(key, 0) + item.size
    return total + len(table)


def busy(seconds):
    """Pure Python for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        crunch(100)


def fill(count, seconds):
    """Build and forget many objects, walk what was loaded, collect; then hold the lane, so that each has its turn."""
    table = {number: Item(number, str(number)) for number in range(count)}
    seen = len(gc.get_objects()) + len(table)
    del table
    gc.collect()
    time.sleep(seconds)
    return seen
