"""A module that is no adapter: it knows nothing of pools."""

import threading
import time
from os import system

meeting = threading.Barrier(2)


def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


def meet() -> str:
    """Returns when two threads are here."""
    meeting.wait(60)
    return threading.current_thread().name


class Point:
    """Classes are no commands."""


def _private() -> None:
    time.sleep(0)
    system("true")
