"""Fails to launch as the environment says."""

import ctypes
import os
import time

from snakepit_bridge import tool

HOW = os.environ.get("HOW", "")

print("loading", flush=True)
if HOW == "raise":
    raise RuntimeError("the import failed")
if HOW == "leave":
    os.write(2, b"leaving early\n")
    os._exit(3)
if HOW == "crash":
    ctypes.string_at(0)
if HOW == "hang":
    time.sleep(1000)
if HOW == "hold":
    ctypes.PyDLL(None).sleep(1000)
if HOW == "close":
    os.closerange(0, 200)
    time.sleep(1000)


class Adapter:
    def setup(self):
        if HOW == "setup raises":
            raise RuntimeError("the setup failed")
        if HOW == "setup leaves":
            os._exit(4)
        if HOW == "setup hangs":
            time.sleep(1000)
        if HOW == "setup holds":
            ctypes.PyDLL(None).sleep(1000)
        if HOW == "setup sleeps":
            time.sleep(0.3)

    @tool
    def echo(self, value=None):
        return value
