"""Work that waits: many threads in one process, each with an adapter of its own."""

from __future__ import annotations

import threading
import time

from snakepit_bridge import BaseAdapter, tool

# Shared by all lanes of a worker, so it is written under a lock, and the adapter may say that threads are safe with it.
_titles: dict[str, str] = {}
_lock = threading.Lock()


class Fetcher(BaseAdapter):
    """Each lane has an instance: `self` is never used by two threads."""

    __thread_safe__ = True

    def initialize(self) -> None:
        self.answered = 0

    @tool
    def title(self, name: str) -> str:
        """Look a name up, slowly the first time."""
        self.answered += 1
        with _lock:
            known = _titles.get(name)
        if known is None:
            time.sleep(0.05)  # a database far away
            known = f"{name}, Countess of Lovelace"
            with _lock:
                _titles[name] = known
        return known
