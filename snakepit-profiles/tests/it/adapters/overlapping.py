"""Shares an object that is not fit for that, and one that is."""

import os
import sys
import threading

from snakepit_bridge import BaseAdapter, shared, tool


class Meeting:
    def __init__(self):
        self.together = threading.Barrier(2)

    def meet(self):
        self.together.wait(60)


class Counter:
    def __init__(self):
        self.lock = threading.Lock()
        self.count = 0

    def add(self):
        with self.lock:
            self.count += 1
            return self.count


unfit = shared(Meeting)
fit = shared(Counter)
inside = threading.Event()
leave = threading.Event()


class Hold:
    def hold(self):
        inside.set()
        leave.wait(60)

    def touch(self):
        return "touched"


held = shared(Hold)


class Adapter(BaseAdapter):
    __thread_safe__ = True

    def initialize(self):
        if "MEET_IN_SETUP" in os.environ:
            unfit.meet()

    @tool
    def meet(self):
        unfit.meet()

    @tool
    def add(self):
        return fit.add()

    @tool
    def hold(self):
        held.hold()

    @tool
    def touch(self):
        """Use what is in use, once it is."""
        inside.wait(60)
        return held.touch()

    @tool
    def let_go(self):
        leave.set()

    @tool
    def is_watched(self):
        return "snakepit_bridge.thread_safety_checker" in sys.modules
