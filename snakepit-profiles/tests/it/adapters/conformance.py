"""The commands the conformance kit asks for."""

import os
import time

from snakepit_bridge import context, current_call

_calls = 0


def echo(value):
    return value


def fail(message):
    raise RuntimeError(message)


def count():
    global _calls
    _calls += 1
    return _calls


def session():
    return current_call().session


def sleep(seconds):
    time.sleep(seconds)


def die():
    os._exit(1)


def ask(tool, value):
    return context.call(tool, value)


def total(numbers):
    return sum(numbers)


def numbers(count):
    yield from range(count)


def broken_numbers(count):
    yield from range(count)
    raise RuntimeError("broken")
