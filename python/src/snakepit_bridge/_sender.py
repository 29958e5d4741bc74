"""Sending on the control connection, from any thread or interpreter; must not know who reads it."""

from __future__ import annotations

import os
import socket
import threading
from typing import Any, Callable, ContextManager, Sequence

from ._api import LANES
from ._frames import send_all
from ._wire import CODEC_JSON, HEADER, LOG, MAGIC, NOTICE, LinkClosed, dump_object

_MAX_LOG = 48 * 1024


class PipeLock:
    """A lock for several interpreters of a process: whoever took the one byte out of a pipe holds it."""

    def __init__(self, reader: int, writer: int) -> None:
        self.descriptors = (reader, writer)

    @classmethod
    def create(cls) -> PipeLock:
        """A free lock. Its descriptors stay open for as long as the process lives."""
        lock = cls(*os.pipe())
        lock.__exit__()
        return lock

    def __enter__(self) -> None:
        try:
            os.read(self.descriptors[0], 1)
        except OSError as error:  # user code closed the descriptor
            raise LinkClosed(str(error)) from None

    def __exit__(self, *_: object) -> None:
        try:
            os.write(self.descriptors[1], b"!")
        except OSError as error:
            raise LinkClosed(str(error)) from None


class Sender:
    """Sends frames on control, one at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._lock: ContextManager[Any] = threading.Lock()
        self._sending: set[int] = set()
        """Threads that hold the lock, or are about to take it."""

    def share(self, lock: PipeLock) -> None:
        """Take turns with other interpreters. Nothing may be sent meanwhile."""
        self._lock = lock

    def send(self, kind: int, body: bytes, ident: int = 0) -> None:
        """Send a frame, from any thread."""
        header = HEADER.pack(len(body), kind, 0, CODEC_JSON, MAGIC, ident)
        thread = threading.get_ident()
        try:
            # Before the lock is taken: a signal handler that prints may run between any two steps.
            self._sending.add(thread)
            with self._lock:
                send_all(self.sock, [header, body])
        finally:
            self._sending.discard(thread)

    def log(self, record: dict[str, Any]) -> bool:
        """Send a LOG frame for its `call`, or the one this thread works for. False if it cannot be sent from here."""
        if threading.get_ident() in self._sending:
            return False  # a destructor or a signal handler prints while this very thread is sending
        lane = LANES.here()
        ident = record.pop("call", 0) or (0 if lane is None else lane.gate.running)
        body = dump_object(record)
        while len(body) > _MAX_LOG:  # control characters grow sixfold as JSON
            record["text"] = record["text"][: len(record["text"]) // 2]
            body = dump_object(record)
        return self._send_from_user_code(LOG, body, ident)

    def _send_from_user_code(self, kind: int, body: bytes, ident: int) -> bool:
        try:
            # An interruption halfway would leave half a frame, or the lock taken for ever.
            shielded(self.send, kind, body, ident)
        except LinkClosed:
            return False
        return True

    def notice_gil(self, modules: list[str], command: str, ident: int) -> None:
        """Send the NOTICE that the GIL came on."""
        self.send(NOTICE, dump_object({"kind": "gil_enabled", "modules": modules, "command": command}), ident)

    def notice_overlap(self, subject: str, uses: Sequence[str]) -> None:
        """Send the NOTICE that two threads use an object at once, from the one that came later."""
        if threading.get_ident() in self._sending:
            return  # as for LOG
        lane = LANES.here()
        ident = 0 if lane is None else lane.gate.running
        body = dump_object({"kind": "thread_overlap", "subject": subject, "uses": list(uses)})
        self._send_from_user_code(NOTICE, body, ident)


def shielded(function: Callable[..., Any], *args: Any) -> Any:
    """Run code of the runtime from within user code so that no cancellation interrupts it."""
    lane = LANES.here()
    if lane is not None and lane.gate.thread == threading.get_ident():
        return lane.gate.shielded(function, *args)
    return function(*args)
