"""An adapter with the import everybody knows to be slow."""

import gc
import time

import pandas

#: Each call has frames of its own.
__thread_safe__ = True


def rows(values):
    """How many rows a frame of the values has."""
    return len(pandas.DataFrame({"values": values}))


def fill(count, seconds):
    """Group a frame, forget it, collect; then hold the lane, so that each lane has its turn."""
    frame = pandas.DataFrame({"key": range(count), "value": 1.0})
    groups = len(frame.groupby(frame["key"] % 97)["value"].sum())
    del frame
    gc.collect()
    time.sleep(seconds)
    return groups
