"""Commands that do not end by themselves, in Python code and in C code."""

import ctypes
import time


def noop():
    """Do nothing."""


def spin(seconds):
    """Be busy in Python code."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def hold(_seconds):
    """Wait for ever in C code that holds the GIL; no signal ends it: lock a mutex that is locked."""
    lock = ctypes.PyDLL(None).pthread_mutex_lock
    mutex = ctypes.create_string_buffer(64)
    lock(mutex)
    lock(mutex)
