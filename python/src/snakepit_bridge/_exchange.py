"""What crosses a lane while its call runs: questions, input, leave for chunks; must not know commands or answers.

The lane's thread shares its connection here with whatever threads user code works with: `lock` is for one at a time.
The end of a call is "write mine, then read theirs" on both sides: the lane notes the end before it looks whether
anybody has exchanged anything, others note that they do before they look whether the call has ended.
"""

from __future__ import annotations

import itertools
import json
import select
import threading
from collections import deque
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from ._api import Cancelled
from ._cancel import Gate
from ._frames import Connection
from ._tools import ToolError
from ._values import Unserialisable, Unusable, body_parts, decode, encode
from ._wire import (
    ASK,
    CODEC_JSON,
    CODEC_RAW,
    CREDIT,
    FLAG_BUFFERS,
    ITEM,
    ITEMS_AHEAD,
    ITEMS_END,
    PULL,
    REFUSAL,
    REPLY,
    LinkClosed,
    ProtocolError,
)

_LONGEST = 9e9
"""Seconds whose nanoseconds fit into 63 bits. The deadline of the call holds anyway."""

_FOR_A_CALL = frozenset((CREDIT, REPLY, REFUSAL, ITEM, ITEMS_END))


class _Failure(NamedTuple):
    """What takes the place of a reply or of an item: an error as the host describes it."""

    error: Mapping[str, Any]


class Exchange:
    """What the call that one lane serves exchanges with its caller's side."""

    def __init__(self, link: Connection, gate: Gate) -> None:
        self.lock = threading.Lock()
        """Held by whoever writes to or reads from the lane while its call runs."""
        self.ended = 0
        """The last call whose answer was begun: nothing is exchanged for it any more."""
        self.is_used = False
        """Whether the call in progress has exchanged anything, or is about to."""
        self._link = link
        self._gate = gate
        self._fault: Exception | None = None
        self._numbers = itertools.count(1)
        self._poll: Any = None
        self._forget()

    def _forget(self) -> None:
        self._credit = 0
        self._number = 0
        self._reply: Any = None
        self._items: deque[Any] = deque()
        self._is_over = False
        self._under_way = 0

    # The lane's thread.

    def end(self, ident: int) -> None:
        """The call is about to be answered: have others let go. Raises what broke the connection meanwhile."""
        self.ended = ident
        if self.is_used:
            if not self.lock.acquire(False):
                self._gate.wake()
                self.lock.acquire()
                self._gate.drain()
            self.is_used = False
            self._forget()
            self.lock.release()
            if self._fault is not None:
                raise self._fault

    def wait_for_credit(self, ident: int) -> int:
        """Block until the host allows more chunks, and how many. Not armed: an interrupted read would lose bytes."""
        with self.lock:
            self.is_used = True
            self._wait(ident, lambda: self._credit)
            credit, self._credit = self._credit, 0
            return credit

    def pass_over(self, kind: int, ident: int) -> None:
        """A frame between calls. One that crossed the answer of its call concerns nobody. Raises `ProtocolError`."""
        if kind not in _FOR_A_CALL:
            raise ProtocolError("frame of kind %d out of order" % kind)
        if ident != self.ended or not ident:
            raise ProtocolError("frame of kind %d for call %d, which is not in progress" % (kind, ident))

    # Any thread that works for the call.

    def ask(
        self, ident: int, tool: str | None, args: Sequence[Any], kwargs: Mapping[str, Any], timeout: float | None
    ) -> Any:
        """Ask a tool of the host, or, without a name, which there are. Raises `ToolError`."""
        number = next(self._numbers)
        patience = None if timeout is None else max(0, int(min(timeout, _LONGEST) * 1e9))
        try:
            text, buffers = encode([number, tool, list(args), dict(kwargs), patience])
        except Unserialisable as error:
            message = "the arguments of tool %r cannot be sent: %s" % (tool, error)
            raise ToolError(message, "tool.unserialisable", tool) from None
        parts = body_parts(text, buffers) if buffers else [text]
        size = sum(map(len, parts)) if buffers else len(text)
        if size > self._link.max_frame:
            message = "the arguments of tool %r are %d bytes, the limit is %d" % (tool, size, self._link.max_frame)
            raise ToolError(message, "tool.too_large", tool, hint="pass less, or raise max_payload")
        reply = self._shielded(self._ask, ident, number, parts, bool(buffers))
        if type(reply) is _Failure:
            raise _raised(reply, tool)
        return reply

    def next_item(self, ident: int, end: Any) -> Any:
        """The next item of the input, or `end`. Raises `ToolError`."""
        item = self._shielded(self._next_item, ident, end)
        if type(item) is _Failure:
            raise _raised(item, None)
        return item

    def has_item(self) -> bool:
        """Whether the next item is here already."""
        return bool(self._items)

    def _shielded(self, function: Callable[..., Any], *args: Any) -> Any:
        gate = self._gate
        if threading.get_ident() == gate.thread:
            return gate.shielded(function, *args)
        return function(*args)

    def _ask(self, ident: int, number: int, parts: Sequence[Any], has_buffers: bool) -> Any:
        with self.lock:
            self._begin(ident)
            self._reply = None
            self._number = number
            if has_buffers:
                self._send(ASK, FLAG_BUFFERS, CODEC_JSON, ident, parts)
            else:
                self._send_text(ASK, ident, parts[0])
            try:
                self._wait(ident, lambda: self._reply)
                return self._reply[0]
            finally:
                self._reply = None
                self._number = 0

    def _next_item(self, ident: int, end: Any) -> Any:
        with self.lock:
            self._begin(ident)
            items = self._items
            if not self._is_over:
                if self._under_way <= ITEMS_AHEAD // 2:
                    count = ITEMS_AHEAD - self._under_way
                    self._send(PULL, 0, CODEC_RAW, ident, [count.to_bytes(4, "little")])
                    self._under_way = ITEMS_AHEAD
                if not items:
                    self._wait(ident, lambda: items or self._is_over)
            if not items:
                return end
            self._under_way -= 1
            return items.popleft()

    # Under the lock.

    def _begin(self, ident: int) -> None:
        self.is_used = True
        self._check(ident)

    def _check(self, ident: int) -> None:
        """Whether the call goes on. Raises if not."""
        gate = self._gate
        if self.ended == ident or gate.running != ident:
            raise RuntimeError("the call that this thread asks for has ended")
        if self._fault is not None:
            raise self._fault
        if gate.is_cancelled(ident):
            if threading.get_ident() == gate.thread:
                gate.interrupt_here()
            raise Cancelled

    def _send(self, kind: int, flags: int, codec: int, ident: int, parts: Sequence[Any]) -> None:
        try:
            self._link.send(kind, flags, codec, ident, parts)
        except LinkClosed as fault:
            self._fault = fault
            raise

    def _send_text(self, kind: int, ident: int, text: bytes) -> None:
        try:
            self._link.send_text(kind, ident, text)
        except LinkClosed as fault:
            self._fault = fault
            raise

    def _wait(self, ident: int, is_there: Callable[[], Any]) -> None:
        """Take what the host sends until something is there, or the call is cancelled."""
        gate, link = self._gate, self._link
        poll = self._poll or self._make_poll()
        wake = gate.wake_descriptor
        self._check(ident)
        while not is_there():
            if not link.read_ahead:
                ready = poll.poll()
                if len(ready) > 1 or ready[0][0] == wake:
                    gate.drain()
                    self._check(ident)
                    if len(ready) == 1:
                        continue
            try:
                self._take(*link.read())
            except (LinkClosed, ProtocolError) as fault:
                self._fault = fault
                raise

    def _make_poll(self) -> Any:
        self._poll = poll = select.poll()
        poll.register(self._link.sock.fileno(), select.POLLIN)
        poll.register(self._gate.wake_descriptor, select.POLLIN)
        return poll

    def _take(self, kind: int, flags: int, codec: int, ident: int, body: memoryview, owned: bool) -> None:
        if ident != self._gate.running:
            self.pass_over(kind, ident)
        elif kind == CREDIT:
            if codec != CODEC_RAW or len(body) != 4:
                raise ProtocolError("malformed CREDIT")
            self._credit += int.from_bytes(body, "little")
        elif kind in (REPLY, REFUSAL):
            self._take_reply(kind, flags, body, owned)
        elif kind == ITEM:
            try:
                self._items.append(decode(body, flags, owned))
            except Unusable as error:
                self._is_over = True
                self._items.append(_unusable("an item of the input", "input.unusable", error))
        elif kind == ITEMS_END:
            self._is_over = True
            if len(body):
                self._items.append(_Failure(_object(json.loads(bytes(body)))))
        else:
            raise ProtocolError("frame of kind %d out of order" % kind)

    def _take_reply(self, kind: int, flags: int, body: memoryview, owned: bool) -> None:
        try:
            reply = decode(body, flags, owned)
        except Unusable as error:
            # Its number cannot be told. It is that of the last question, for hosts answer no other.
            reply = [self._number, _unusable("the answer of the tool", "tool.unusable", error)]
        if type(reply) is not list or len(reply) != 2:
            raise ProtocolError("malformed REPLY or REFUSAL")
        number, value = reply
        if number == self._number:  # and not of a question that was given up
            self._reply = (_Failure(_object(value)) if kind == REFUSAL else value,)


def _object(value: Any) -> Mapping[str, Any]:
    if type(value) is not dict or type(value.get("message")) is not str:
        raise ProtocolError("malformed REFUSAL or ITEMS_END")
    return value


def _unusable(what: str, code: str, error: Unusable) -> _Failure:
    return _Failure({"message": "%s cannot be used in Python: %s" % (what, error), "code": code})


def _raised(failure: _Failure, tool: str | None) -> ToolError:
    error = failure.error
    code = str(error.get("code") or "tool.failed")
    return ToolError(error["message"], code, tool, str(error.get("retry") or "never"), error.get("hint"))
