"""The control connection of a worker and the thread that listens to it; must not know adapters or values."""

from __future__ import annotations

import _thread
import gc
import os
import signal
from typing import Any, Sequence

from . import _output
from ._errands import Errands
from ._errors import message_of, type_name
from ._frames import Connection
from ._insist import Insistence
from ._process import kill_own_group, trim_memory
from ._sender import Sender
from ._where import frames_of
from ._wire import (
    CANCEL,
    EXIT_PROTOCOL,
    PING,
    PONG,
    STACK,
    STOP,
    TELL,
    TRIM,
    TRIMMED,
    WHERE,
    LinkClosed,
    ProtocolError,
    dump_object,
)

_MAX_FRAME = 240  # nothing the host sends here has a body


class Control:
    """Answers PING, passes TELL, CANCEL and STOP on. It ends the worker when the host is gone.

    What may take long has threads of its own: where a call is, since that reads files, and collecting garbage, since
    that runs finalisers of user code. A lane is whatever has `served`, `stop`, `trim`, and as its `gate` whatever has
    `tell`, `request`, `insist`, `running` and `thread`.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._link = Connection(sender.sock, max_frame=_MAX_FRAME, read_ahead=256)
        self._insistence = Insistence(sender.sock)
        self._lanes: Sequence[Any] = ()
        self._stopping = False
        self._looking = Errands()
        self._trimming = Errands()

    def start(self) -> None:
        """Start listening, before any user code of this worker runs."""
        # Not a threading.Thread: user code should neither see nor join it, and it touches fewer shared pages.
        _thread.start_new_thread(self._listen, ())

    def serve(self, lanes: Sequence[Any]) -> None:
        """Take the lanes to which what arrives refers."""
        self._lanes = lanes
        if self._stopping:
            self._stop()

    def _listen(self) -> None:
        # Signals are for the main thread, which may be blocked in a system call that they should interrupt.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            while True:
                if not self._link.read_ahead:
                    self._insistence.wait(self._lanes)
                kind, flags, _codec, ident, body, _ = self._link.read()
                if flags or len(body):
                    raise ProtocolError("frame of kind %d with flags or a body on control" % kind)
                if kind == PING:
                    self._sender.send(PONG, self._pong())
                elif kind == CANCEL:
                    for lane in self._lanes:
                        lane.gate.request(ident)
                    self._insistence.begin()
                elif kind == TELL:
                    for lane in self._lanes:
                        lane.gate.tell(ident)
                elif kind == WHERE:
                    self._looking.run(self._where, ident)
                elif kind == TRIM:
                    self._trimming.run(self._trim, ident)
                elif kind == STOP:
                    self._stopping = True
                    self._stop()
                else:
                    raise ProtocolError("frame of kind %d does not belong on control" % kind)
        except ProtocolError as error:
            _output.complain("protocol error on control: %s" % error)
            os._exit(EXIT_PROTOCOL)
        except LinkClosed:  # the host is gone, or user code closed the descriptor
            kill_own_group()
        except BaseException as error:  # out of memory, most likely
            try:
                _output.complain("the runtime failed: %s: %s" % (type_name(error), message_of(error)))
            finally:
                kill_own_group()

    def _pong(self) -> bytes:
        busy = [lane.gate.running for lane in self._lanes]
        return dump_object({"busy": busy, "served": sum(lane.served for lane in self._lanes)})

    # Every question gets its answer, whatever user code did to the modules used here: hosts match them by their order.

    def _where(self, ident: int) -> None:
        frames: list[dict[str, object]] = []
        try:
            frames = self._frames(ident)
        finally:
            self._sender.send(STACK, dump_object({"frames": frames}), ident)

    def _frames(self, ident: int) -> list[dict[str, object]]:
        for lane in self._lanes:
            gate = lane.gate
            if ident and gate.running == ident:
                frames = frames_of(gate.thread)
                return frames if gate.running == ident else []  # else these may be another call's
        return []

    def _trim(self, ident: int) -> None:
        collected = 0
        try:
            collected = gc.collect() + sum(lane.trim() for lane in self._lanes)
            trim_memory()
        finally:
            self._sender.send(TRIMMED, dump_object({"collected": collected}), ident)

    def _stop(self) -> None:
        for lane in self._lanes:
            lane.stop()
