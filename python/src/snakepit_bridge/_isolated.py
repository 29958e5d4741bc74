"""A lane inside a sub-interpreter, from set-up to clean-up; must not know what the main interpreter does."""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import threading
from typing import Any, Callable, Mapping, Sequence

from . import _gil, _output, _placeholders, _sessions, _telemetry
from ._adapter import load
from ._api import LANES
from ._cancel import ThreadGate
from ._drive import Driver
from ._events import Events
from ._frames import Connection
from ._imports import Imports
from ._insist import Insistence
from ._instance import Instance, setup_failure
from ._lane import Lane
from ._leave import leave_because
from ._order import AdapterError, parse_order
from ._relay import Address, LaneState
from ._sender import PipeLock, Sender
from ._shortage import is_shortage

_LAST_EVENTS = 0.5
"""Seconds for telling what is left to tell, as in other workers."""


def live(order_body: bytes, place: str) -> None:
    """Load the adapter, set it up, report that, serve until told to stop, and clean up."""
    where = json.loads(place)
    try:
        life = _Life(order_body, where)
    except AdapterError as error:
        report(where["report"], failed(error.error, is_shortage(error)))
        return
    except BaseException as error:
        report(where["report"], failed(setup_failure(error), is_shortage(error)))
        return
    report(where["report"], life.facts)
    try:
        life.serve()
    except BaseException as error:
        leave_because(error)


def report(descriptor: int, outcome: dict[str, Any]) -> None:
    """Tell the main interpreter how setting up went: what `failed` says, or the facts that HELLO is to tell."""
    _output.flush()
    line = json.dumps(outcome).encode() + b"\n"
    while line:
        line = line[os.write(descriptor, line) :]


def failed(error: dict[str, Any], is_short: bool) -> dict[str, Any]:
    """The outcome of a lane that cannot be set up; `is_short` where it lacked descriptors."""
    return {"failed": error, "is_short": is_short}


class _Gate(ThreadGate):
    def __init__(self, state: LaneState) -> None:
        super().__init__()
        self._state = state

    def call(self, ident: int, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        self._state.begin(ident)
        return super().call(ident, function, args, kwargs)


class _Lane(Lane):
    state: LaneState

    def _finish(self) -> None:
        super()._finish()
        self.state.finish(self.served)


class _Life:
    def __init__(self, order_body: bytes, place: dict[str, Any]) -> None:
        order = parse_order(order_body)
        number = place["relay"][1]
        threading.current_thread().name = "snakepit-lane-%d" % number
        sys.argv[:] = place["argv"]
        _placeholders.choose(place["unserialisable"])
        # Descriptors of its own: this interpreter closes what it holds when it ends.
        self._sender = sender = Sender(_duplicate(place["control"]))
        sender.share(PipeLock(*place["lock"]))
        _output.install(order.log_level)
        _output.ROUTE.sink = sender.log
        self._events = Events(sender.send, _in_thread)
        _telemetry.ROUTE.sink = self._events.put
        address = Address(*place["relay"])
        self._relay = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, address.sock)
        self._state = LaneState(address.board, address.number)
        imports = Imports()
        _gil.watch()
        adapter = load(place["adapter"], order.preload, order.arguments)
        if any(command.is_async for command in adapter.commands):
            import asyncio  # noqa: F401 - not in the first call
        gate = _Gate(self._state)
        self._instance = Instance(adapter, Driver(gate))
        self._instance.set_up(first=True)
        link = Connection(_duplicate(place["lane"]), order.max_frame)
        self._lane = _Lane(link, gate, self._instance.driver, self._instance.functions())
        self._lane.state = self._state
        if place["lanes"] == 1:
            self._lane.keeper = self._instance.keeper()
        else:
            _sessions.keep_none()
        self._lane.notice = _gil.late_notice(sender.notice_gil)
        LANES.sole = self._lane
        # After the notice was made: what comes on in between is told twice then, rather than never.
        self.facts = {
            "imports": imports.packages(adapter.module.__name__),
            "gil_enabled": _gil.enabled(),
            "gil_enabled_by": _gil.culprits(),
        }
        if not _gil.FREE_THREADED_BUILD:
            gc.freeze()
        self._trimming = threading.Lock()
        self._thread = threading.Thread(target=self._listen, name="snakepit-relay")

    def serve(self) -> None:
        """Serve and clean up. No thread of ours is left then: the interpreter could not end."""
        self._thread.start()
        self._lane.serve()
        self._instance.clean_up(last=True)
        _output.flush()
        _telemetry.ROUTE.sink = None
        self._events.close(_LAST_EVENTS)
        self._relay.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        _output.ROUTE.sink = None
        for sock in (self._relay, self._lane.link.sock, self._sender.sock):
            sock.close()  # or the interpreter complains about each of them when it ends

    def _listen(self) -> None:
        insistence = Insistence(self._relay)
        lanes = [self._lane]
        state, gate = self._state, self._lane.gate
        while True:
            insistence.wait(lanes)
            if not self._relay.recv(4096):
                return
            for ident in state.told.take():
                gate.tell(ident)
            cancelled = state.cancelled.take()
            for ident in cancelled:
                gate.request(ident)
            if cancelled:
                insistence.begin()
            if state.wants_trim():
                self._trim()
            if self._state.is_stopping():
                self._lane.stop()

    def _trim(self) -> None:
        """Collect garbage on a thread of its own: finalisers are user code, and a cancellation must not wait for it."""
        if not self._trimming.acquire(blocking=False):
            return
        try:
            threading.Thread(target=self._collect, name="snakepit-trim").start()
        except RuntimeError:  # no more threads, or the interpreter is ending
            self._trimming.release()

    def _collect(self) -> None:
        try:
            self._state.trimmed(gc.collect())
        finally:
            self._trimming.release()
        try:
            self._relay.send(b"!", socket.MSG_DONTWAIT)
        except OSError:
            pass  # full, hence readable already; or the lane has ended


def _in_thread(function: Callable[[], None]) -> None:
    # The interpreter waits for it, and cannot end while there are threads it does not know.
    threading.Thread(target=function, name="snakepit-events").start()


def _duplicate(descriptor: int) -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, os.dup(descriptor))
