"""Streams: chunks, credit, errors in the middle, cancelling."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from conftest import PLACES
from snakepit_bridge import _wire as wire

Start = Callable[..., Any]

ADAPTER = """
    import asyncio

    closed = []

    def count(n):
        try:
            for i in range(n):
                yield i
        finally:
            closed.append(n)

    async def async_count(n):
        try:
            for i in range(n):
                await asyncio.sleep(0)
                yield i
        finally:
            closed.append(n)

    def plain(value):
        return value

    async def coroutine(value):
        return value

    def breaks(n):
        yield from range(n)
        raise ValueError("broke")

    def odd():
        try:
            yield 1
            yield object()
            yield 2
        finally:
            closed.append("odd")

    def spins():
        yield 1
        while True:
            pass

    def were_closed():
        return list(closed)
"""


@pytest.fixture(params=PLACES)
def it(worker: Start, request: Any) -> Any:
    return worker(ADAPTER, **request.param)


def chunks(it: Any, ident: int, limit: int = 10**6) -> list[Any]:
    values: list[Any] = []
    while len(values) < limit:
        frame = it.lanes[0].read()
        assert frame is not None
        assert frame.ident == ident
        if frame.kind != wire.CHUNK:
            values.append((frame.kind, frame.json if frame.body else None))
            break
        values.append(frame.json)
    return values


def credit(it: Any, ident: int, count: int) -> None:
    it.lanes[0].send(wire.CREDIT, count.to_bytes(4, "little"), ident)


@pytest.mark.parametrize("command", ["count", "async_count"])
def test_a_short_stream_needs_no_credit(it: Any, command: str) -> None:
    assert chunks(it, it.start(command, 16, stream=True)) == [*range(16), (wire.END, None)]
    assert chunks(it, it.start(command, 0, stream=True)) == [(wire.END, None)]


@pytest.mark.parametrize("command", ["count", "async_count"])
def test_a_long_stream_waits_for_credit(it: Any, command: str) -> None:
    ident = it.start(command, 100, stream=True)
    assert chunks(it, ident, 16) == list(range(16))
    it.sync()
    credit(it, ident, 3)
    assert chunks(it, ident, 3) == [16, 17, 18]
    for _ in range(3):
        credit(it, ident, 30)
    assert chunks(it, ident) == [*range(19, 100), (wire.END, None)]
    credit(it, ident, 5)  # too late, and harmless
    assert it.call("plain", 1) == 1


@pytest.mark.parametrize("command", ["plain", "coroutine"])
def test_a_value_is_a_stream_of_one(it: Any, command: str) -> None:
    assert chunks(it, it.start(command, "v", stream=True)) == ["v", (wire.END, None)]


def test_an_exception_ends_a_stream(it: Any) -> None:
    *values, (kind, error) = chunks(it, it.start("breaks", 3, stream=True))
    assert values == [0, 1, 2]
    assert kind == wire.ERROR
    assert error["message"] == "broke"
    assert it.fail("breaks", 3)["message"] == "broke"


def test_a_chunk_that_cannot_be_carried_ends_a_stream(it: Any) -> None:
    *values, (kind, error) = chunks(it, it.start("odd", stream=True))
    assert values == [1]
    assert (kind, error["kind"]) == (wire.ERROR, "unserialisable")
    assert it.call("were_closed") == ["odd"]


@pytest.mark.parametrize("command", ["count", "async_count"])
def test_a_stream_out_of_credit_can_be_cancelled(it: Any, command: str) -> None:
    ident = it.start(command, 100, stream=True)
    chunks(it, ident, 16)
    it.cancel(ident)
    ((kind, error),) = chunks(it, ident)
    assert (kind, error["kind"]) == (wire.ERROR, "cancelled")
    assert it.call("were_closed") == [100]


def test_a_generator_that_never_yields_can_be_cancelled(it: Any) -> None:
    ident = it.start("spins", stream=True)
    assert chunks(it, ident, 1) == [1]
    it.cancel(ident)
    ((kind, error),) = chunks(it, ident)
    assert (kind, error["kind"]) == (wire.ERROR, "cancelled")
    assert it.call("plain", 1) == 1


@pytest.mark.parametrize(
    ("kind", "body", "ident"),
    [
        (wire.CREDIT, b"\1\0\0\0", 999),
        (wire.CREDIT, b"\1\0\0", 0),
        (wire.RESULT, b"1", 1),
        (99, b"", 1),
        (wire.CALL, b"{}", 1),
        (wire.CALL, b"[]", 1),
        (wire.CALL, b"[1]", 1),
        (wire.CALL, b'["plain",{}]', 1),
        (wire.CALL, b'["plain",[],[]]', 1),
        (wire.CALL, b'["plain",[],{},null,[]]', 1),
        (wire.CALL, b'["plain",[],{},"x"]', 1),
        (wire.CALL, b'["plain",[],{},null,{},1]', 1),
        (wire.CALL, b'["plain",[],{},null,{}]{}', 1),
        (wire.CALL, b'["plain"', 1),
        (wire.CALL, b'["plain",[{"$":["zzz"]}]]', 1),
    ],
)
def test_frames_out_of_order_end_the_worker(worker: Start, kind: int, body: bytes, ident: int) -> None:
    it = worker(ADAPTER)
    it.lanes[0].send(kind, body, ident)
    assert it.host.exited() == {"pid": it.pid, "code": 70}
    assert b"protocol error" in it.read_output()
