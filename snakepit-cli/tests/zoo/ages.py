"""Commands that wear out their worker, each in its own way."""

import ctypes
import gc
import os
import signal
import time

kept = []


def pid():
    return os.getpid()


def leak(mib: int):
    kept.append(bytearray(b"x") * (mib << 20))
    return os.getpid()


def litter(mib: int):
    """Leave what only a garbage collection finds."""
    gc.disable()
    knot = [bytearray(b"x") * (mib << 20)]
    knot.append(knot)
    return os.getpid()


def explode(mib: int):
    """Take memory piece by piece, and never give it back."""
    while True:
        leak(mib)
        time.sleep(0.01)


def stop_for_ever():
    os.kill(os.getpid(), signal.SIGSTOP)
    return "continued"


def wait_in_native_code():
    """Wait without letting any other thread of this interpreter run."""
    ctypes.PyDLL(None).sleep(3600)


def compute_in_native_code(seconds: float):
    """Compute without letting any other thread of this interpreter run, for that long each time."""
    numbers, started = 1_000_000, time.perf_counter()
    while time.perf_counter() - started < seconds:
        numbers *= 2
        started = time.perf_counter()
        sum(range(numbers))
    return os.getpid()


def wait(seconds: float):
    time.sleep(seconds)
    return os.getpid()
