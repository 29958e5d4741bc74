"""Sessions that live and die with their worker."""

import os

from snakepit_bridge import context


def add(item):
    items = context.state.setdefault("items", [])
    items.append(item)
    return [os.getpid(), items]
