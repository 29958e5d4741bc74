"""Sessions that are saved with every call, and what tells where they are."""

import json
import os
import time

from snakepit_bridge import context

CLOSED = []


def add(item):
    items = context.state.setdefault("items", [])
    items.append(item)
    return [os.getpid(), items]


def stream(count):
    for number in range(count):
        yield add(number)


def nap(seconds, item=None):
    if item is not None:
        add(item)
    time.sleep(seconds)


def grow(size):
    context.state["items"] = ["x" * size]


def closed():
    return [os.getpid(), CLOSED]


def save_session(session_id, state):
    return json.dumps(state).encode()


def load_session(session_id, data):
    return json.loads(data)


def session_closed(session_id, state):
    CLOSED.append([session_id, state.get("items", [])])
