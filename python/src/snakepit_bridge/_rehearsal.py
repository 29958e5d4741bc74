"""A lane and its host in one process, for tests of adapters: real checks, real conversions; knows no test framework.

The lane runs on a thread of its own, as in a worker of several lanes. The host is whoever calls.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import queue
import select
import socket
import threading
import time
from collections import deque
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Sequence, Tuple, final

from ._adapter import Adapter
from ._answers import Answers
from ._api import LANES, Cancelled
from ._cancel import Gate
from ._drive import Driver
from ._errors import message_of, type_name
from ._frames import Buffer, Connection
from ._sessions import SESSION_CLOSED
from ._threads import ThreadLane
from ._values import body_parts, decode, encode
from ._wire import (
    ASK,
    CALL,
    CHUNK,
    CODEC_JSON,
    CODEC_RAW,
    CREDIT,
    END,
    ERROR,
    FLAG_BUFFERS,
    FLAG_STREAM,
    HEADER,
    ITEM,
    ITEMS_END,
    MAGIC,
    PULL,
    REFUSAL,
    REPLY,
    RESULT,
    STATE,
    LinkClosed,
    dump_object,
    load_object,
)

_Frame = Tuple[int, int, int, int, memoryview, bool]
"""As `Connection.read` gives it."""

_NUMBERS = itertools.count(1)
"""Of sessions, as hosts number them."""

_CALLS = itertools.count(1)
"""Of calls: what one tells is told apart by it from what others do, of other rehearsals too."""

_PATIENCE = 10.0
"""Seconds for a command that was interrupted to let go, and for closing."""


class Refused(Exception):
    """What a host would be answered in place of a result, where user code raised nothing.

    `kind` is `bad_arguments`, `unknown_command`, `unserialisable`, `too_large` or `not_kept`; `hint` says what to do.
    """

    def __init__(self, kind: str, message: str, hint: str | None) -> None:
        super().__init__("%s: %s%s" % (kind, message, "" if hint is None else " (%s)" % hint))
        self.kind = kind
        self.message = message
        self.hint = hint


class Terms(NamedTuple):
    """What a caller says of a call besides its arguments. `timeout` is in seconds."""

    session: str | None = None
    timeout: float | None = None
    traceparent: str | None = None
    left: bytes | None = None
    """What `session` left on another worker, for the adapter's `load_session`."""


class Rehearsal:
    """One lane of an adapter, from set-up to clean-up, and the host's end of it. One call at a time."""

    def __init__(self, adapter: Adapter, tools: Mapping[str, Callable[..., Any]], max_frame: int) -> None:
        self._adapter = adapter
        self._tools = tools
        self._module_hook("setup", adapter.arguments)
        ours, theirs = socket.socketpair()
        self._link = Connection(ours, max_frame)
        outcomes: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        begun = threading.Event()
        self._life = ThreadLane(adapter, Connection(theirs, max_frame), outcomes, begun)
        self._theirs = theirs
        self._thread = threading.Thread(target=self._live, name="snakepit-lane-0", daemon=True)
        self._thread.start()
        error = outcomes.get()
        if error is not None:
            begun.set()
            self.close()
            raise error
        lane = self._life.lane
        assert lane is not None
        self.lane = lane
        self._answers = lane.answers = _Answers(lane.link, lane.gate, lane.exchange)
        self._arrived: deque[_Frame] = deque()
        self._deadline: int | None = None
        self._is_expired = False
        self._turn = threading.Lock()
        self._holder = 0
        self._ident = 0
        self._idents: set[int] = set()
        self._input: Iterator[Any] | None = None
        self._session: str | None = None
        self._sessions: dict[str, int] = {}
        self.left: dict[str, bytes] = {}
        """What the adapter's `save_session` last gave for each session."""
        begun.set()

    def is_told_by(self, call: int) -> bool:
        """Whether what this thread tells, for a call or for none (0), is told by this adapter."""
        return call in self._idents if call else threading.current_thread() is self._thread

    def _live(self) -> None:
        try:
            self._life.live()
        finally:
            LANES.by_thread.pop(threading.get_ident(), None)
            self._theirs.close()

    def close(self) -> None:
        """End its sessions, stop the lane and clean up after it."""
        lane = self._life.lane
        if lane is not None:
            for session in list(self._sessions) if self._thread.is_alive() else ():
                self.end_session(session)
            lane.stop()
        self._thread.join(_PATIENCE)
        self._link.sock.close()
        if lane is not None and not self._thread.is_alive():
            lane.driver.dispose()
            lane.gate.close()
            self._module_hook("cleanup", {})

    def call(self, terms: Terms, command: str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        """Call a command and return what it returned, or raise what it raised."""
        with self._call(terms, command, args, kwargs, 0) as call:
            return call.read()[1]

    def stream(self, terms: Terms, command: str, args: Any, kwargs: Mapping[str, Any]) -> Iterator[Any]:
        """Call a command and yield what it yields, when it does. Closing the iterator early interrupts the command."""
        with self._call(terms, command, args, kwargs, FLAG_STREAM) as call:
            while True:
                kind, value = call.read()
                if kind == END:
                    return
                yield value
                self._post(CREDIT, 0, CODEC_RAW, [b"\1\0\0\0"])

    def end_session(self, session: str) -> None:
        """Tell the adapter that a session has ended."""
        number = self._sessions.pop(session, None)
        if number is not None:
            self.call(Terms(), SESSION_CLOSED, [[[session, number, True]]], {})

    def _visit(self, session: str | None, left: bytes | None) -> dict[str, Any]:
        """What the context of a call says of its session."""
        if session is None:
            return {}
        if session not in self._sessions:
            # Sessions of one name in two rehearsals are two sessions, though they share the interpreter.
            self._sessions[session] = next(_NUMBERS)
        number = self._sessions[session]
        return {"session": session, "state": number if left is None else [number, 1, left]}

    def _call(self, terms: Terms, command: str, args: Any, kwargs: Mapping[str, Any], flags: int) -> _Call:
        inputs = [name for name, value in kwargs.items() if isinstance(value, Iterator)]
        if len(inputs) > 1:
            raise TypeError("%s(): a call has one input, not %s; make lists of others" % (command, ", ".join(inputs)))
        here = threading.get_ident()
        if self._holder == here:
            raise RuntimeError("%s() while another command runs: a lane serves one at a time" % command)
        self._turn.acquire()
        self._holder = here
        try:
            self._ident = next(_CALLS)
            self._idents.add(self._ident)
            deadline = None if terms.timeout is None else time.monotonic_ns() + int(terms.timeout * 1e9)
            context = self._visit(terms.session, terms.left)
            if terms.traceparent is not None:
                context["traceparent"] = terms.traceparent
            self._session = terms.session
            given = dict(kwargs)
            for name in inputs:
                context["input"] = name
                self._input = given.pop(name)
            self._answers.raised = None
            self._deadline, self._is_expired = deadline, False
            self._send(CALL, [command, list(args), given, deadline, context], flags)
        except BaseException:
            self._release()
            raise
        return _Call(self, self._ident, command, deadline)

    def _release(self) -> None:
        self._holder = 0
        self._input = None
        self._answers.raised = None
        self._turn.release()

    def _send(self, kind: int, value: Any, flags: int = 0) -> None:
        text, buffers = encode(value)
        parts = body_parts(text, buffers) if buffers else [text]
        self._post(kind, flags | (FLAG_BUFFERS if buffers else 0), CODEC_JSON, parts)

    def _post(self, kind: int, flags: int, codec: int, parts: Sequence[Buffer] = ()) -> None:
        """Send a frame, and take in what comes meanwhile: the lane may be sending too, and reads nothing until then."""
        size = sum(memoryview(part).nbytes for part in parts)
        rest = memoryview(b"".join((HEADER.pack(size, kind, flags, codec, MAGIC, self._ident), *parts)))
        while rest:
            try:
                rest = rest[self._link.sock.send(rest, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                self._give_way()
            except OSError as error:
                raise LinkClosed(str(error)) from None

    def _give_way(self) -> None:
        """Wait until the lane takes more, or takes in what it sends. Interrupts the command at its deadline."""
        deadline = None if self._is_expired else self._deadline
        if not self._wait(deadline, select.POLLIN | select.POLLOUT):
            self._is_expired = True
            self.interrupt()
        elif self._wait(0):
            self._arrived.append(self._take())

    def _take(self) -> _Frame:
        kind, flags, codec, ident, body, is_own = self._link.read()
        # What is not its own is overwritten by the next one.
        return kind, flags, codec, ident, body if is_own else memoryview(bytearray(body)), True

    def next_frame(self) -> _Frame:
        """The next frame of the lane. Raises `LinkClosed`."""
        return self._arrived.popleft() if self._arrived else self._link.read()

    def wait(self, deadline: int | None) -> bool:
        """Wait for a frame; False if none has come by the deadline, in nanoseconds of the monotonic clock."""
        return bool(self._arrived) or self._wait(deadline)

    def _wait(self, deadline: int | None, events: int = select.POLLIN) -> bool:
        if self._link.read_ahead:
            return True
        poll = select.poll()
        poll.register(self._link.sock, events)
        left = None if deadline is None else max(0, -(-(deadline - time.monotonic_ns()) // 1_000_000))
        return bool(poll.poll(left))

    def interrupt(self) -> None:
        """Have the command end as soon as it can."""
        self.lane.gate.tell(self._ident)
        self.lane.gate.request(self._ident)

    def _answer(self, question: Any) -> None:
        """Answer an ASK, by the function that stands for the host's tool."""
        number, name, args, kwargs, _timeout = question
        try:
            if name is None:
                self._send(REPLY, [number, [{"name": known, "doc": "", "schema": None} for known in self._tools]])
                return
            tool = self._tools.get(name)
            if tool is None:
                known = ", ".join(map(repr, self._tools)) or "none"
                raise LookupError("there is no tool %r; given to load() were: %s" % (name, known))
            result = tool(*args, **kwargs)
            self._send(REPLY, [number, asyncio.run(result) if inspect.iscoroutine(result) else result])
        except Exception as error:
            self._refuse(REFUSAL, error, number)

    def _feed(self, count: int) -> None:
        """Send so many items of the input, or its end."""
        for _ in range(count):
            if self._input is None:
                return
            try:
                self._send(ITEM, next(self._input))
            except StopIteration:
                self._input = None
                self._post(ITEMS_END, 0, CODEC_RAW)
            except Exception as error:
                self._input = None
                self._refuse(ITEMS_END, error, None)

    def _refuse(self, kind: int, error: Exception, number: int | None) -> None:
        message = "%s: %s" % (type_name(error), message_of(error))
        described = {"kind": "tool", "code": None, "message": message, "retry": "never", "hint": None}
        body = dump_object(described)
        body = body if number is None else b"[%d,%s]" % (number, body)
        self._post(kind, 0, CODEC_JSON, [body])

    def _module_hook(self, name: str, arguments: Mapping[str, Any]) -> None:
        hook = None if self._adapter.owner is not None else getattr(self._adapter.module, name, None)
        if hook is not None:
            gate = Gate()
            driver = Driver(gate)
            try:
                driver.complete(hook(**arguments))
            finally:
                driver.dispose()
                gate.close()


@final
class _Call:
    """A call in progress, seen from the host. Leaving it early interrupts the command."""

    def __init__(self, stage: Rehearsal, ident: int, command: str, deadline: int | None) -> None:
        self.ident = ident
        self._stage = stage
        self._command = command
        self._deadline = deadline
        self._is_over = False

    def __enter__(self) -> _Call:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if not self._is_over:
                self._interrupt()
        finally:
            self._stage._release()

    def read(self) -> tuple[int, Any]:
        """The next answer and its value. Raises what the command raised, `Refused` or `TimeoutError`."""
        while True:
            if not self._stage.wait(self._deadline):
                self._interrupt()
                raise self._expired()
            kind, value = self._read()
            if kind == ERROR:
                raise self._error(value)
            if kind in (RESULT, CHUNK, END):
                return kind, value

    def _read(self) -> tuple[int, Any]:
        """The next frame; questions are answered at once."""
        stage = self._stage
        try:
            kind, flags, codec, ident, body, owned = stage.next_frame()
        except LinkClosed:
            self._is_over = True
            raise RuntimeError("the lane ended during %s()" % self._command) from None
        assert ident == self.ident
        self._is_over = kind in (RESULT, ERROR, END)
        if kind == PULL:
            stage._feed(int.from_bytes(body, "little"))
            return kind, None
        if kind == STATE:
            stage.left[stage._session or ""] = bytes(body)[8:]
            return kind, None
        if kind == ERROR:
            return kind, load_object(bytes(body))
        value = decode(body, flags, owned) if codec == CODEC_JSON and len(body) else None
        if kind == ASK:
            stage._answer(value)
        return kind, value

    def _interrupt(self) -> None:
        """Have the command end, and wait for that."""
        self._stage.interrupt()
        patience = time.monotonic_ns() + int(_PATIENCE * 1e9)
        while not self._is_over:
            if not self._stage.wait(patience):
                raise RuntimeError("%s() goes on though it was interrupted" % self._command)
            self._read()

    def _expired(self) -> TimeoutError:
        return TimeoutError("%s() was interrupted at its deadline" % self._command)

    def _error(self, described: dict[str, Any]) -> BaseException:
        kind, message = described["kind"], described["message"]
        raised = self._stage._answers.raised
        if kind == "exception" and raised is not None:
            return raised
        if kind == "cancelled" and self._stage._is_expired:
            return self._expired()
        if kind == "cancelled":
            return Cancelled(message)
        if kind == "expired":
            return TimeoutError(message)
        return Refused(kind, message, described.get("hint"))


class _Answers(Answers):
    """Keeps what user code raised: a test wants the exception itself."""

    raised: BaseException | None = None

    def failure(self, error: BaseException, *rest: Any, **more: Any) -> None:
        self.raised = error
        super().failure(error, *rest, **more)
