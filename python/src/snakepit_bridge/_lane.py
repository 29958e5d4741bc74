"""The loop of one lane: read a call, run it, answer it; must not know processes, control or loading."""

from __future__ import annotations

import select
from typing import Any, Callable, Mapping, Sequence

from . import _output
from ._answers import Answers, cancelled, lateness, unknown
from ._api import CallContext, Cancelled
from ._cancel import Gate
from ._drive import LAZY, Driver, Exhausted
from ._errors import error_of
from ._frames import Connection
from ._values import Unusable, decode
from ._wire import (
    CALL,
    CHUNK,
    CODEC_JSON,
    CODEC_RAW,
    CREDIT,
    END,
    FLAG_STREAM,
    FREE_CHUNKS,
    RESULT,
    LinkClosed,
    ProtocolError,
)

_NO_ARGS: tuple[()] = ()
_NO_KWARGS: dict[str, Any] = {}
_NO_CONTEXT: dict[str, Any] = {}

# Results that are certainly values, for which no further question is asked.
_EAGER = frozenset((type(None), bool, int, float, str, bytes, list, dict, tuple))


class Lane:
    """One lane. Everything here happens on the lane's thread, except reading `gate.running` and setting `stopping`."""

    def __init__(self, link: Connection, gate: Gate, functions: Mapping[str, Callable[..., Any]]) -> None:
        self.link = link
        self.gate = gate
        self.functions = functions
        self.driver = Driver(gate)
        self.served = 0
        self.stopping = False
        self.answers = Answers(link, gate)
        self._last = 0
        self._command = ""
        self._context: Mapping[str, Any] = _NO_CONTEXT
        self._current: CallContext | None = None

    def current_call(self) -> CallContext | None:
        """What `current_call()` answers on this lane."""
        ident = self.gate.running
        if not ident:
            return None
        current = self._current
        if current is None or current.id != ident:
            current = CallContext(ident, self._command, self._context, self.gate.is_requested)
            self._current = current
        return current

    def serve(self) -> None:
        """Serve until told to stop. Raises `LinkClosed` or `ProtocolError`, and nothing else."""
        gate = self.gate
        while True:
            try:
                self._loop()
                return
            except Cancelled as error:
                # It landed after user code was left and before the gate was settled: not answered yet.
                gate.settle()
                self.driver.recover()
                if gate.running:
                    self.answers.error(cancelled(error))
                    self._finish()
            except LinkClosed:
                if self.stopping:
                    return
                raise

    def _loop(self) -> None:
        read = self.link.read
        gate = self.gate
        call = gate.call
        functions = self.functions
        out, err = _output.STDOUT.partial, _output.STDERR.partial
        while not self.stopping or self._has_more():
            kind, flags, codec, ident, body, owned = read()
            if kind != CALL:
                self._between_calls(kind, flags, codec, ident, body)
                continue
            gate.running = ident
            prepared = self._prepare(flags, codec, body, owned)
            if prepared is not None:
                command, args, kwargs = prepared
                if flags & FLAG_STREAM:
                    self._stream(functions[command], args, kwargs)
                else:
                    try:
                        result = call(ident, functions[command], args, kwargs)
                        if type(result) not in _EAGER:
                            result = self._complete(result)
                        if gate.requested == ident:
                            gate.settle()
                    except BaseException as error:
                        gate.settle()
                        if gate.requested == ident:
                            self.driver.recover()
                        self.answers.failure(error, self._command, functions[command], args, kwargs)
                    else:
                        self.answers.value(RESULT, result)
                        result = None
                if out or err:
                    _output.flush()
                # Arguments may be large, and the next call far away.
                prepared = args = kwargs = body = None  # type: ignore[assignment]
            self._finish()

    def _has_more(self) -> bool:
        """Whether the host sent a call ahead before it said STOP: that is to be answered too."""
        poll = select.poll()
        poll.register(self.link.sock, select.POLLIN)
        return self.link.read_ahead or bool(poll.poll(0))

    def _finish(self) -> None:
        self._last = self.gate.running
        self.gate.running = 0
        self.served += 1

    def _prepare(self, flags: int, codec: int, body: memoryview, owned: bool) -> tuple[str, Any, Any] | None:
        """Check a call. None if it was refused, and answered, before any user code ran."""
        if codec != CODEC_JSON:
            raise ProtocolError("CALL is not JSON")
        try:
            request = decode(body, flags, owned)
        except Unusable as error:
            self.answers.error(error_of("bad_arguments", "the arguments cannot be used in Python: %s" % error))
            return None
        if type(request) is not list or not 1 <= len(request) <= 4:
            raise ProtocolError("CALL is not an array of one to four items")
        command = request[0]
        args: Any = _NO_ARGS
        kwargs: Any = _NO_KWARGS
        context: Any = _NO_CONTEXT
        count = len(request)
        if count > 1:
            args = request[1]
            if count > 2:
                kwargs = request[2]
                if count > 3:
                    context = request[3]
        if type(command) is not str or type(args) not in (list, tuple) or type(kwargs) is not dict:
            raise ProtocolError("CALL items are not a string, an array and an object")
        self._command = command
        self._context = context
        if context is not _NO_CONTEXT:
            late = lateness(context)
            if late is not None:
                message = "the deadline had passed %.3f ms before %s() could start" % (late / 1e6, command)
                self.answers.error(error_of("expired", message))
                return None
        if command not in self.functions:
            self.answers.error(unknown(command, self.functions))
            return None
        return command, args, kwargs

    def _complete(self, result: Any) -> Any:
        if isinstance(result, LAZY):
            return self.gate.call(self.gate.running, self.driver.complete, (result,), _NO_KWARGS)
        return result

    # Streams.

    def _stream(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        gate = self.gate
        ident = gate.running
        result: Any = None
        try:
            result = gate.call(ident, function, args, kwargs)
            step = self.driver.step(result)
            if step is None:
                result = self._complete(result)
            if gate.requested == ident:
                gate.settle()
            if step is None:
                if self.answers.value(CHUNK, result):
                    self.link.send(END, 0, CODEC_RAW, ident)
                return
            if self._send_chunks(step):
                self.link.send(END, 0, CODEC_RAW, ident)
                return
        except (LinkClosed, ProtocolError):
            raise
        except BaseException as error:
            gate.settle()
            if gate.requested == ident:
                self.driver.recover()
            self.driver.close(result)
            self.answers.failure(error, self._command, function, args, kwargs)
        else:
            self.driver.close(result)  # a chunk could not be sent, and was answered

    def _send_chunks(self, step: Callable[[], Any]) -> bool:
        gate = self.gate
        ident = gate.running
        credit = FREE_CHUNKS
        while True:
            try:
                item = gate.call(ident, step, _NO_ARGS, _NO_KWARGS)
            except (StopIteration, Exhausted):
                gate.settle()
                return True
            if gate.requested == ident:
                gate.settle()
                raise Cancelled
            if not credit:
                credit = self._wait_for_credit()
            if not self.answers.value(CHUNK, item):
                return False
            credit -= 1

    def _wait_for_credit(self) -> int:
        """Block until the host allows more chunks. Not armed: an interrupted read would lose bytes of the lane."""
        gate, link = self.gate, self.link
        poll = select.poll()
        descriptor = link.sock.fileno()
        poll.register(descriptor, select.POLLIN)
        poll.register(gate.wake_descriptor, select.POLLIN)
        credit = 0
        while not credit:
            if not link.read_ahead:
                ready = dict(poll.poll())
                gate.drain()
                if gate.is_requested(gate.running):
                    raise Cancelled
                if descriptor not in ready:
                    continue
            kind, flags, codec, ident, body, _ = link.read()
            if ident != gate.running:
                self._between_calls(kind, flags, codec, ident, body)
            else:
                credit += _credit(kind, flags, codec, body)
        return credit

    def _between_calls(self, kind: int, flags: int, codec: int, ident: int, body: memoryview) -> None:
        """A CREDIT that crossed the end of its stream is the only frame allowed besides CALL."""
        _credit(kind, flags, codec, body)
        if ident != self._last:
            raise ProtocolError("CREDIT for call %d, which is not in progress" % ident)


def _credit(kind: int, flags: int, codec: int, body: memoryview) -> int:
    if kind != CREDIT or flags or codec != CODEC_RAW or len(body) != 4:
        raise ProtocolError("frame of kind %d out of order, or malformed" % kind)
    return int.from_bytes(body, "little")
