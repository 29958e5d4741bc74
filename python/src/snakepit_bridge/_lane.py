"""The loop of one lane: read a call, run it, answer it; must not know processes, control or loading."""

from __future__ import annotations

import select
import socket
from time import monotonic_ns
from typing import Any, Callable, Mapping, Sequence

from . import _output
from ._answers import Answers, cancelled, expired, unknown
from ._api import Cancelled
from ._cancel import BEFORE_START, Gate
from ._context import CallContext
from ._drive import LAZY, Driver, Exhausted
from ._errors import error_of
from ._exchange import Exchange
from ._frames import Connection
from ._gil import LateNotice
from ._refs import Kept
from ._sessions import Keeper, Visit, keeping, visit_of
from ._tools import Items
from ._values import Expired, Unusable, parse, parse_first, text_of
from ._wire import (
    CALL,
    CODEC_JSON,
    CODEC_RAW,
    FLAG_STREAM,
    FREE_CHUNKS,
    STATE,
    LinkClosed,
    ProtocolError,
)

_NO_ARGS: tuple[()] = ()
_NO_KWARGS: dict[str, Any] = {}
_NO_CONTEXT: dict[str, Any] = {}

# What the items of a CALL are when it leaves them out.
_LEFT_OUT: list[Any] = ["", _NO_ARGS, _NO_KWARGS, None, _NO_CONTEXT]

# Results that are certainly values, for which no further question is asked.
_EAGER = frozenset((type(None), bool, int, float, str, bytes, list, dict, tuple))


class Lane:
    """One lane. Everything here happens on the lane's thread, except reading `gate.running` and setting `stopping`."""

    def __init__(
        self, link: Connection, gate: Gate, driver: Driver, functions: Mapping[str, Callable[..., Any]]
    ) -> None:
        self.link = link
        self.gate = gate
        self.functions = functions
        self.driver = driver
        self.notice: LateNotice | None = None
        """What to ask after each call, where the GIL is off."""
        self.keeper: Keeper | None = None
        """What it keeps for sessions."""
        self.served = 0
        self.stopping = False
        self.exchange = Exchange(link, gate)
        self.answers = Answers(link, gate, self.exchange)
        self._call: tuple[int, str, int | None, Mapping[str, Any] | str] = (0, "", None, _NO_CONTEXT)
        """Id, command, deadline and context of the call admitted last: one object, as other threads read it.

        The context is a text until someone asks for it: few commands do, and reading it takes half a microsecond."""
        self._current: CallContext | None = None
        self._visit: Visit | None = None
        """The session to be saved before the call's final answer."""

    @property
    def _command(self) -> str:
        return self._call[1]

    @property
    def deadline(self) -> int | None:
        """The deadline of the call in progress, in nanoseconds of `CLOCK_MONOTONIC`."""
        ident, _, deadline, _ = self._call
        return deadline if ident == self.gate.running else None

    def current_call(self) -> CallContext | None:
        """What `current_call()` answers on this lane."""
        ident, command, deadline, context = self._call
        # Of a call that is not admitted yet, nothing is known but its number.
        if not ident or ident != self.gate.running:
            return None
        current = self._current
        if current is None or current.id != ident:
            current = CallContext(ident, command, deadline, _read(context), self)
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

    def trim(self) -> int:
        """Collect what only this lane can: nothing, as it shares its interpreter."""
        return 0

    def stop(self) -> None:
        """End after the call in progress; from any thread."""
        self.stopping = True
        # Written before `running` is read, as the lane writes `running` before it reads `stopping`.
        if not self.gate.running:
            try:
                self.link.sock.shutdown(socket.SHUT_RD)
            except OSError:
                pass

    def _loop(self) -> None:
        read, read_plain = self.link.read, self.link.read_plain
        gate = self.gate
        call = gate.call
        out, err = _output.STDOUT.partial, _output.STDERR.partial
        gil_is_on = None if self.notice is None else self.notice.is_on
        while not self.stopping or self._has_more():
            # Nearly all calls are small and plain. Whatever this path saves is time on the way of each of them.
            plain = read_plain(CALL)
            if plain is not None:
                gate.running, text = plain
                flags = 0
                prepared = self._parsed(text)
            else:
                kind, flags, codec, ident, body, owned = read()
                if kind != CALL:
                    self.exchange.pass_over(kind, ident)
                    continue
                gate.running = ident
                prepared = self._decoded(flags, codec, body, owned)
                body = None  # type: ignore[assignment]
            if prepared is not None:
                ident = gate.running
                function, args, kwargs = prepared
                if flags & FLAG_STREAM:
                    self._stream(function, args, kwargs)
                else:
                    try:
                        result = call(ident, function, args, kwargs)
                        if type(result) not in _EAGER:
                            result = self._complete(result)
                        if gate.requested == ident:
                            gate.settle()
                    except BaseException as error:
                        gate.settle()
                        if gate.requested == ident:
                            self.driver.recover()
                        if gil_is_on is not None and gil_is_on():
                            self._look_at_gil()
                        if self._visit is not None:
                            self._save_session()
                        self.answers.failure(error, self._command, function, args, kwargs)
                    else:
                        if gil_is_on is not None and gil_is_on():
                            self._look_at_gil()
                        if self._visit is not None:
                            self._save_session()
                        self.answers.result(result)
                        result = None
                if out or err:
                    _output.flush()
                # Arguments may be large, and the next call far away.
                prepared = args = kwargs = text = None  # type: ignore[assignment]
            self._finish()

    def _has_more(self) -> bool:
        """Whether a call came before STOP, which overtakes it on its own connection: that is to be answered too."""
        poll = select.poll()
        poll.register(self.link.sock, select.POLLIN)
        return self.link.read_ahead or bool(poll.poll(0))

    def _look_at_gil(self) -> None:
        notice = self.notice
        if notice is not None and notice.is_on() and notice.tell(self._command, self.gate.running):
            self.notice = None

    def _finish(self) -> None:
        self.gate.running = 0
        self._visit = None
        self.served += 1

    def _decoded(
        self, flags: int, codec: int, body: memoryview, owned: bool
    ) -> tuple[Callable[..., Any], Any, Any] | None:
        """As `_admit`, for a body."""
        if codec != CODEC_JSON:
            raise ProtocolError("CALL is not JSON")
        return self._parsed(*text_of(body, flags), owned)

    def _parsed(
        self, text: str, buffers: Sequence[memoryview] = (), owned: bool = False
    ) -> tuple[Callable[..., Any], Any, Any] | None:
        """As `_admit`, for the text of a body."""
        try:
            request, end = parse_first(text, buffers, owned)
        except Unusable as error:
            self._refuse(error)
            return None
        return self._admit(request, None if end == len(text) else text[end:].strip() or None)

    def _refuse(self, error: Unusable) -> None:
        if isinstance(error, Expired):
            self.answers.error(error_of("expired_ref", str(error), "make the object anew"))
        else:
            self.answers.error(error_of("bad_arguments", "the arguments cannot be used in Python: %s" % error))

    def _admit(self, request: Any, described: str | None) -> tuple[Callable[..., Any], Any, Any] | None:
        """Check a call, with the context that follows it, if any. None if it was refused, and answered, before any user
        code ran."""
        if type(request) is not list or not 1 <= len(request) <= 5:
            raise ProtocolError("CALL is not an array of one to five items")
        if len(request) < 5:
            request += _LEFT_OUT[len(request) :]
        command, args, kwargs, deadline, context = request
        if type(command) is not str or type(args) not in (list, tuple) or type(kwargs) is not dict:
            raise ProtocolError("CALL items are not a string, an array and an object")
        if type(context) is not dict:
            raise ProtocolError("the context of CALL is not an object")
        if described is not None:
            if context is not _NO_CONTEXT:
                raise ProtocolError("CALL has two contexts")
            if self.keeper is not None and self.keeper.saves:
                context, described = _read(described), None
        gate = self.gate
        self._call = gate.running, command, deadline, described or context
        if gate.told_early and gate.running in gate.told_early:
            self.answers.error(error_of("cancelled", BEFORE_START))
            return None
        if deadline is not None:
            if type(deadline) is not int:
                raise ProtocolError("the deadline of CALL is not an integer")
            late = monotonic_ns() - deadline
            if late >= 0:
                self.answers.error(expired(command, late))
                return None
        function = self.functions.get(command)
        if function is None and self.keeper is not None:
            function = self.keeper.commands.get(command)
        if function is None:
            self.answers.error(unknown(command, self.functions))
            return None
        if context is not _NO_CONTEXT:
            name = context.get("input")
            if name is not None:
                if type(name) is not str or name in kwargs:
                    raise ProtocolError("the input of CALL has no name of its own")
                kwargs[name] = Items(self.exchange, gate.running)
            if not self._enter_session(context):
                return None
            if context.get("keep"):
                owner = context.get("session"), context.get("state"), self.keeper is not None
                function = keeping(function, self.driver.complete, *owner)
        return function, args, kwargs

    def _complete(self, result: Any) -> Any:
        if isinstance(result, LAZY):
            return self.gate.call(self.gate.running, self.driver.complete, (result,), _NO_KWARGS)
        if type(result) is Kept and self.gate.is_cancelled(self.gate.running):
            return None  # nobody takes the handle
        return result

    # Sessions.

    def _enter_session(self, context: Mapping[str, Any]) -> bool:
        """Take over what the call's session left elsewhere. False if the call was cancelled, and answered."""
        keeper, state = self.keeper, context.get("state")
        if keeper is None or not (keeper.saves or type(state) is list):
            return True
        try:
            visit = visit_of(context.get("session"), state)
        except ValueError as error:
            raise ProtocolError("the context of CALL: %s" % error) from None
        if visit is None:
            return True
        if visit.left is not None:
            try:
                self._interruptibly(keeper.load, visit)
            except BaseException as error:
                self.answers.failure(error, self._command, keeper.load, (visit,), _NO_KWARGS)
                return False
        self._visit = visit if keeper.saves else None
        return True

    def _save_session(self) -> None:
        """Send what the session leaves as of this call, if that is something new."""
        keeper, visit = self.keeper, self._visit
        if keeper is None or visit is None:
            return
        try:
            body = self._interruptibly(keeper.save, visit)
        except BaseException:
            return  # nobody waits for the answer of this call; the next one saves the session
        if body is None:
            return
        if len(body) > self.link.max_frame:
            body = keeper.refuse(visit, len(body))
        with self.exchange.sending:  # other threads may be asking
            self.link.send(STATE, 0, CODEC_RAW, self.gate.running, [body])

    def _interruptibly(self, function: Callable[[Visit], Any], visit: Visit) -> Any:
        gate = self.gate
        try:
            return gate.call(gate.running, function, (visit,), _NO_KWARGS)
        finally:
            gate.settle()
            if gate.requested == gate.running:
                self.driver.recover()

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
                self._look_at_gil()
                self._save_session()
                if self.answers.chunk(result):
                    self.answers.end()
                return
            if self._send_chunks(step):
                self._look_at_gil()
                self._save_session()
                self.answers.end()
                return
        except (LinkClosed, ProtocolError):
            raise
        except BaseException as error:
            gate.settle()
            if gate.requested == ident:
                self.driver.recover()
            self.driver.close(result)
            self._look_at_gil()
            self._save_session()
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
            if gate.requested == ident or gate.told == ident:
                gate.settle()
                raise Cancelled
            if not credit:
                credit = self.exchange.wait_for_credit(ident)
            if not self.answers.chunk(item):
                return False
            credit -= 1


def _read(context: Mapping[str, Any] | str) -> Mapping[str, Any]:
    """What a context says that may not have been read yet."""
    if type(context) is str:
        context = parse(context)
        if type(context) is not dict:
            raise ProtocolError("the context of CALL is not an object")
    return context  # type: ignore[return-value]
