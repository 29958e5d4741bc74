"""Counts primes: work for processors, the same for processes and for threads."""

import os
import sys
import threading

# Nothing is shared but what is never changed.
__thread_safe__ = True


def count(start: int, end: int) -> dict:
    """How many primes there are in [start, end), and who counted them."""
    found = sum(all(number % by for by in range(2, int(number**0.5) + 1)) for number in range(max(start, 2), end))
    return {"primes": found, "process": os.getpid(), "thread": threading.get_ident(), "gil": has_gil()}


def has_gil() -> bool:
    """Whether the threads of this process take turns. Asked where the work is done: an import may turn the GIL on."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())
