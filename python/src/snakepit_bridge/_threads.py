"""Lanes that run on threads of their own, whatever they are; must not know frames, processes or interpreters."""

from __future__ import annotations

import contextvars
import queue
import sys
import threading
from typing import Any, Callable, Protocol, Sequence

from ._adapter import Adapter
from ._api import LANES
from ._cancel import ThreadGate
from ._drive import Driver
from ._frames import Connection
from ._instance import Instance
from ._lane import Lane

_PATIENCE = 2.0
"""Seconds for closing, once all answers are out: threads of user code may never end."""


class LaneLife(Protocol):
    """A lane from its beginning to its end, all on one thread."""

    def live(self) -> None:
        """Set up, serve until told to stop, clean up. What it raises ends the worker."""

    def close(self) -> None:
        """Release what is left, if that is possible: nobody waits for ever."""


class LaneThreads:
    """One thread for each of `lives`, for as long as the worker lives."""

    def __init__(self, lives: Sequence[LaneLife], on_failure: Callable[[BaseException], None]) -> None:
        self._lives = lives
        self._on_failure = on_failure
        self._ended: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._closed: queue.SimpleQueue[None] = queue.SimpleQueue()

    def start(self) -> None:
        """Start them all."""
        for number, life in enumerate(self._lives):
            name = "snakepit-lane-%d" % number
            # Free-threaded builds would hand on the context variables of this thread.
            clean: dict[str, Any] = {"context": contextvars.Context()} if sys.version_info >= (3, 14) else {}
            threading.Thread(target=self._run, args=(life,), name=name, daemon=True, **clean).start()

    def join(self) -> None:
        """Wait until all have ended, and for a while until they are closed."""
        for _ in self._lives:
            self._ended.get()
        for _ in self._lives:
            try:
                self._closed.get(timeout=_PATIENCE)
            except queue.Empty:
                return

    def _run(self, life: LaneLife) -> None:
        try:
            life.live()
        except BaseException as error:
            self._on_failure(error)
        self._ended.put(None)
        life.close()
        self._closed.put(None)


class ThreadLane:
    """A lane in this interpreter, with an instance of its own: threads that share objects slow each other down."""

    def __init__(self, adapter: Adapter, link: Connection, outcomes: Any, begun: threading.Event) -> None:
        self._adapter = adapter
        self._link = link
        self._outcomes = outcomes
        self._begun = begun
        self.lane: Lane | None = None

    def live(self) -> None:
        """Set up, put None or what was raised into `outcomes`, serve when it has `begun`, clean up."""
        try:
            gate = ThreadGate()
            instance = Instance(self._adapter, Driver(gate))
            instance.set_up(first=False)
            lane = self.lane = Lane(self._link, gate, instance.driver, instance.functions())
            lane.keeper = instance.keeper()
        except BaseException as error:
            self._outcomes.put(error)
            # Until the worker has left: on 3.8 the end of a thread may need a descriptor, and aborts without one.
            self._begun.wait()
            return
        LANES.by_thread[threading.get_ident()] = lane
        self._outcomes.put(None)
        self._begun.wait()
        lane.serve()
        instance.clean_up(last=False)

    def close(self) -> None:
        """Threads leave nothing behind."""
