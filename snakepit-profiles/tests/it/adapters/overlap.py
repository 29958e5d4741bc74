"""Shows what happens at the same time, and where."""

import os
import threading
import time

__thread_safe__ = True

_together = threading.Barrier(16)
_builder = threading.get_ident()


def sleep(seconds):
    time.sleep(seconds)


def meet():
    """Return once 16 calls are in here at the same time."""
    _together.wait(60)
    return threading.current_thread().name


def place():
    return [os.getpid(), threading.get_native_id()]


def blas():
    return os.environ["OPENBLAS_NUM_THREADS"]
