"""Declares whatever the environment says about its threads, or nothing."""

import os

from snakepit_bridge import tool


class Adapter:
    if "DECLARED" in os.environ:
        __thread_safe__ = os.environ["DECLARED"] == "yes"

    @tool
    def ping(self):
        return "pong"
