"""Events of user code on their way to the host, which nobody waits for; must not know what they say.

A lane puts a frame into a queue and goes on; a thread, made when the first one comes, sends them. When the host does
not read, the queue fills up, and what comes then is dropped and counted: the next event to get through says how many.
"""

from __future__ import annotations

import queue
import signal
import threading
from typing import Any, Callable

from ._sender import shielded
from ._wire import EVENT, LOG, LinkClosed, dump_object

MAX_WAITING = 1024
"""Frames that may wait. With `MAX_BODY` each, that is 16 MiB at most."""

MAX_BODY = 16 * 1024

_TOO_LARGE = "an event was dropped, as it is %d bytes long: %d is the limit (told once; later ones are counted only)"


class Events:
    """A queue of frames and the thread that empties it. `send(kind, body, ident)` may block; nothing else here does.

    `start(function)` runs it on a thread of its own.
    """

    def __init__(self, send: Callable[[int, bytes, int], None], start: Callable[[Callable[[], None]], Any]) -> None:
        self._send = send
        self._start = start
        # Its `put` is one step of the interpreter: safe in destructors and signal handlers, wherever they come.
        self._waiting: queue.SimpleQueue[tuple[int, bytes, int] | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._started = False
        self._ended = threading.Event()
        # By thread, so that no two count on the same number.
        self._drops: dict[int, int] = {}
        self._told = 0
        self._complained = False

    def put(self, body: bytes, ident: int) -> bool:
        """Have an event sent for a call. False if it was dropped; never blocks."""
        if len(body) > MAX_BODY:
            self._drop()
            if not self._complained:
                self._complained = True
                text = _TOO_LARGE % (len(body), MAX_BODY)
                record = {"stream": "log", "text": text, "level": "WARNING", "logger": "snakepit.telemetry"}
                self._put(LOG, dump_object(record), ident)
            return False
        return self._put(EVENT, body, ident)

    def _put(self, kind: int, body: bytes, ident: int) -> bool:
        if self._waiting.qsize() >= MAX_WAITING:
            self._drop()
            return False
        self._waiting.put((kind, body, ident))
        if not self._started:
            shielded(self._begin)
        return True

    def close(self, patience: float) -> None:
        """Send what waits, for `patience` seconds at most."""
        if self._started:
            self._waiting.put(None)
            self._ended.wait(patience)

    def _drop(self) -> None:
        here = threading.get_ident()
        self._drops[here] = self._drops.get(here, 0) + 1

    def _begin(self) -> None:
        if self._starting.acquire(blocking=False):  # else another thread, or this one further out, is about to
            try:
                if not self._started:
                    self._start(self._run)
                    self._started = True
            except RuntimeError:
                pass  # no more threads: the next event tries again, and what waits is bounded
            finally:
                self._starting.release()

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for the main thread
        try:
            while True:
                waiting = self._waiting.get()
                if waiting is None:
                    return
                kind, body, ident = waiting
                if kind == EVENT:
                    body = self._with_drops(body)
                self._send(kind, body, ident)
        except LinkClosed:
            pass  # the host is gone, which the control thread sees to
        finally:
            self._ended.set()

    def _with_drops(self, body: bytes) -> bytes:
        total = sum(list(self._drops.values()))
        dropped, self._told = total - self._told, total
        return b'{"dropped":%d,%s' % (dropped, body[1:]) if dropped else body
