"""The control connection of a worker and the thread that listens to it; must not know adapters or values."""

from __future__ import annotations

import _thread
import os
import select
import signal
import socket
import threading
from typing import Any

from . import _output
from ._api import LANES
from ._frames import Connection
from ._lane import Lane
from ._process import kill_own_group
from ._wire import (
    CANCEL,
    CODEC_JSON,
    EXIT_PROTOCOL,
    LOG,
    NOTICE,
    PING,
    PONG,
    STOP,
    LinkClosed,
    ProtocolError,
    dump_object,
)

_TRIES = 30
_MAX_LOG = 48 * 1024
_MAX_FRAME = 240  # nothing the host sends here has a body


class Control:
    """Answers PING, passes CANCEL and STOP on, sends LOG. It ends the worker when the host is gone."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._link = Connection(sock, max_frame=_MAX_FRAME, read_ahead=256)
        self._lanes: list[Lane] = []
        self._stopping = False
        self._tries = 0
        self._lock = threading.Lock()
        self._holder = 0

    def start(self) -> None:
        """Start listening, before any user code of this worker runs."""
        # Not a threading.Thread: user code should neither see nor join it, and it touches fewer shared pages.
        _thread.start_new_thread(self._listen, ())

    def serve(self, lanes: list[Lane]) -> None:
        """Take the lanes that CANCEL, PING and STOP speak of."""
        self._lanes = lanes
        if self._stopping:
            self._stop()

    def send(self, kind: int, body: bytes, ident: int = 0) -> None:
        """Send a frame, from any thread."""
        with self._lock:
            self._holder = threading.get_ident()
            try:
                self._link.send(kind, 0, CODEC_JSON, ident, (body,))
            finally:
                self._holder = 0

    def log(self, record: dict[str, Any]) -> bool:
        """Send a LOG frame for the call this thread works for. False if it cannot be sent from here."""
        if self._holder == threading.get_ident():
            return False  # a destructor or a signal handler prints while this very thread is sending
        lane = LANES.here()
        ident = 0 if lane is None else lane.gate.running
        body = dump_object(record)
        while len(body) > _MAX_LOG:  # control characters grow sixfold as JSON
            record["text"] = record["text"][: len(record["text"]) // 2]
            body = dump_object(record)
        try:
            if lane is not None and lane.gate.thread == threading.get_ident():
                # An interruption halfway would leave half a frame, or the lock taken for ever.
                lane.gate.shielded(self.send, LOG, body, ident)
            else:
                self.send(LOG, body, ident)
        except LinkClosed:
            return False
        return True

    def notice_gil(self, modules: list[str], command: str, ident: int) -> None:
        """Send the NOTICE that the GIL came on."""
        self.send(NOTICE, dump_object({"kind": "gil_enabled", "modules": modules, "command": command}), ident)

    def _listen(self) -> None:
        # Signals are for the main thread, which may be blocked in a system call that they should interrupt.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            while True:
                if self._tries:
                    self._insist()
                kind, flags, _codec, ident, body, _ = self._link.read()
                if flags or len(body):
                    raise ProtocolError("frame of kind %d with flags or a body on control" % kind)
                if kind == PING:
                    self.send(PONG, self._pong())
                elif kind == CANCEL:
                    for lane in self._lanes:
                        lane.gate.request(ident)
                    self._tries = _TRIES
                elif kind == STOP:
                    self._stopping = True
                    self._stop()
                else:
                    raise ProtocolError("frame of kind %d does not belong on control" % kind)
        except ProtocolError as error:
            _output.complain("protocol error on control: %s" % error)
            os._exit(EXIT_PROTOCOL)
        except BaseException:  # the host is gone, or user code closed the descriptor
            kill_own_group()

    def _insist(self) -> None:
        """Wait for the next frame, interrupting again and again meanwhile, until it helped or is known to be no use."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        while self._tries and not self._link.read_ahead and not poll.poll(min(2 ** (_TRIES - self._tries), 100)):
            self._tries -= 1
            useful = [lane.gate.insist() for lane in self._lanes]
            if not any(useful):
                self._tries = 0

    def _pong(self) -> bytes:
        busy = [lane.gate.running for lane in self._lanes]
        return dump_object({"busy": busy, "served": sum(lane.served for lane in self._lanes)})

    def _stop(self) -> None:
        for lane in self._lanes:
            lane.stop()
