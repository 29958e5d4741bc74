"""Imports what the environment says, when it is loaded or when it is told to."""

import importlib
import os

__thread_safe__ = True

for name in os.environ.get("IMPORTS", "").split():
    importlib.import_module(name)


def load(name):
    importlib.import_module(name)
    return os.getpid()
