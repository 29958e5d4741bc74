"""What crosses a lane while its call runs: questions, input, leave for chunks; must not know commands or answers.

The lane's thread shares its connection here with whatever threads user code works with. Who writes holds `sending` for
the write only; of those who wait one reads, for all of them: no chunk, question or item waits for another of these.
The end of a call is "write mine, then read theirs" on both sides: the lane notes the end before it looks whether
anybody has exchanged anything, others note that they do before they look whether the call has ended.
"""

from __future__ import annotations

import itertools
import json
import select
import threading
from collections import deque
from threading import get_ident as _get_ident
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from ._api import Cancelled
from ._cancel import Gate
from ._frames import Connection
from ._tools import END, ToolError
from ._values import Unserialisable, Unusable, body_parts, decode, encode, parse
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
        self.sending = threading.Lock()
        """Held by whoever writes to the lane while its call runs, and never while waiting for the host."""
        self.ended = 0
        """The last call whose answer was begun: nothing is exchanged for it any more."""
        self.is_used = False
        """Whether the call in progress has exchanged anything, or is about to."""
        self._link = link
        self._gate = gate
        self._fault: Exception | None = None
        self._asking = threading.Lock()
        self._taking = threading.Lock()
        # One question, and one taker of items at a time: each keeps its own lock while it waits.
        self._lock = threading.Lock()
        """Guards what has arrived, and `_is_read`: whether somebody reads the lane, for all who wait."""
        self._changed = threading.Condition(self._lock)
        self._is_read = False
        self._waiting = 0
        """How many wait for `_changed`."""
        self._numbers = itertools.count(1)
        self._poll: Callable[[], Any] | None = None
        self._wake = -1
        self._items: deque[Any] = deque()
        self._number = 0
        self._reply: Any = None
        self._forget()

    def _forget(self) -> None:
        self._credit = self._under_way = 0
        self._is_over = False
        self._items.clear()

    # The lane's thread.

    def end(self, ident: int) -> None:
        """The call is about to be answered: have others let go. Raises what broke the connection meanwhile."""
        self.ended = ident
        if self.is_used:
            with self.sending:
                pass  # whoever was writing is done, and who comes later sees the end
            with self._lock:
                while self._is_read:
                    self._gate.wake()
                    self._await_change()
                self.is_used = False
                self._forget()
            if self._fault is not None:
                raise self._fault

    def wait_for_credit(self, ident: int) -> int:
        """Block until the host allows more chunks, and how many. Not armed: an interrupted read would lose bytes."""
        self.is_used = True
        return int(self._wait(ident, self._take_credit))

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
            text, buffers = _question(number, tool, args, kwargs, patience)
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

    def next_item(self, ident: int) -> Any:
        """The next item of the input, or `END`. Raises `ToolError`."""
        item = self._shielded(self._next_item, ident)
        if type(item) is _Failure:
            raise _raised(item, None)
        return item

    def has_item(self) -> bool:
        """Whether the next item is here already."""
        return bool(self._items)

    def _shielded(self, function: Callable[..., Any], *args: Any) -> Any:
        gate = self._gate
        if _get_ident() == gate.thread:
            return gate.shielded(function, *args)
        return function(*args)

    def _ask(self, ident: int, number: int, parts: Sequence[Any], has_buffers: bool) -> Any:
        with self._asking:
            self.is_used = True
            self._reply = None
            self._number = number
            try:
                if has_buffers:
                    self._send(ident, self._link.send, ASK, FLAG_BUFFERS, CODEC_JSON, ident, parts)
                else:
                    self._send(ident, self._link.send_text, ASK, ident, parts[0])
                return self._wait(ident, self._take_answer)[0]
            finally:
                self._reply = None
                self._number = 0

    def _next_item(self, ident: int) -> Any:
        with self._taking:
            self.is_used = True
            if not self._is_over and self._under_way <= ITEMS_AHEAD // 2:
                count = ITEMS_AHEAD - self._under_way
                self._send(ident, self._link.send, PULL, 0, CODEC_RAW, ident, [count.to_bytes(4, "little")])
                with self._lock:
                    self._under_way += count
            return self._wait(ident, self._take_item)[0]

    def _send(self, ident: int, send: Callable[..., None], *frame: Any) -> None:
        with self.sending:
            self._check(ident)
            try:
                send(*frame)
            except LinkClosed as fault:
                self._fault = fault
                raise

    def _check(self, ident: int) -> None:
        """Whether the call goes on. Raises if not."""
        gate = self._gate
        if self.ended == ident or gate.running != ident:
            raise RuntimeError("the call that this thread asks for has ended")
        if self._fault is not None:
            raise self._fault
        if gate.is_cancelled(ident):
            if _get_ident() == gate.thread:
                gate.interrupt_here()
            raise Cancelled

    def _wait(self, ident: int, take: Callable[[], Any]) -> Any:
        """What `take` finds once it finds something. Meanwhile this thread reads, or waits for the one that does."""
        frame = None
        reads = False
        try:
            while True:
                with self._lock:
                    if reads:
                        self._is_read = reads = False
                        if self._waiting:
                            self._changed.notify_all()
                        if frame is not None:
                            self._take(*frame)
                    while True:
                        self._check(ident)
                        taken = take()
                        if taken:
                            return taken
                        if not self._is_read:
                            break
                        self._await_change()
                    self._is_read = reads = True
                frame = self._read()
        except (LinkClosed, ProtocolError) as fault:
            self._fault = fault
            raise
        finally:
            if reads:
                with self._lock:
                    self._is_read = False
                    self._changed.notify_all()

    def _read(self) -> tuple[int, int, int, int, Any, bool] | None:
        """One frame; or None, woken without one. For whoever has set `_is_read`."""
        link = self._link
        if not link.read_ahead:
            ready = (self._poll or self._make_poll())()
            if len(ready) > 1 or ready[0][0] == self._wake:
                self._gate.drain()
                return None
            plain = link.read_plain(REPLY)
            if plain is not None:
                return REPLY, 0, CODEC_JSON, *plain, False
        return link.read()

    # Under `_lock`.

    def _await_change(self) -> None:
        self._waiting += 1
        try:
            self._changed.wait()
        finally:
            self._waiting -= 1

    def _take_credit(self) -> int:
        credit, self._credit = self._credit, 0
        return credit

    def _take_answer(self) -> tuple[Any] | None:
        answer: tuple[Any] | None = self._reply
        return answer

    def _take_item(self) -> tuple[Any] | None:
        if self._items:
            self._under_way -= 1
            return (self._items.popleft(),)
        return (END,) if self._is_over else None

    def _make_poll(self) -> Callable[[], Any]:
        poll = select.poll()
        self._wake = self._gate.wake_descriptor
        for descriptor in (self._link.sock.fileno(), self._wake):
            poll.register(descriptor, select.POLLIN)
        self._poll = poll.poll
        return self._poll

    def _take(self, kind: int, flags: int, codec: int, ident: int, body: Any, owned: bool) -> None:
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

    def _take_reply(self, kind: int, flags: int, body: Any, owned: bool) -> None:
        try:
            reply = parse(body) if type(body) is str else decode(body, flags, owned)
        except Unusable as error:
            # Its number cannot be told. It is that of the last question, for hosts answer no other.
            reply = [self._number, _unusable("the answer of the tool", "tool.unusable", error)]
        if type(reply) is not list or len(reply) != 2:
            raise ProtocolError("malformed REPLY or REFUSAL")
        number, value = reply
        if number == self._number:  # and not of a question that was given up
            self._reply = (_Failure(_object(value)) if kind == REFUSAL else value,)


def _question(
    number: int, tool: str | None, args: Sequence[Any], kwargs: Mapping[str, Any], patience: int | None
) -> tuple[bytes, list[memoryview]]:
    """The body of ASK, put together from parts: finding out that the whole is plain takes longer than all the rest."""
    positional, of_positional = encode(list(args)) if args else (b"[]", ())
    keyword, of_keyword = encode(kwargs) if kwargs else (b"{}", ())
    if of_positional or of_keyword:
        return encode([number, tool, list(args), kwargs, patience])
    limit = b"null" if patience is None else b"%d" % patience
    return b"[%d,%b,%b,%b,%b]" % (number, encode(tool)[0], positional, keyword, limit), []


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
