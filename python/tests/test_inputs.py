"""Input streams, as commands take them: iterators, pulling, errors, stopping early, both directions at once."""

from __future__ import annotations

from typing import Any, Callable, Iterator

import pytest

from conftest import PLACES
from snakepit_bridge import _wire as wire

Start = Callable[..., Any]

ADAPTER = """
    import asyncio
    import threading
    from snakepit_bridge import ToolError, current_call

    kept = []

    def total(numbers, start=0):
        return sum(numbers, start)

    async def async_total(numbers):
        total = 0
        async for number in numbers:
            total += number
        return total

    def first(numbers):
        kept.append(numbers)
        return next(numbers)

    def later():
        return next(kept[0])

    def ignores(numbers):
        return repr(type(numbers).__name__)

    def past_the_end(numbers):
        return [list(numbers), list(numbers), next(numbers, "none")]

    def up_to_error(numbers):
        seen = []
        try:
            for number in numbers:
                seen.append(number)
        except ToolError as error:
            return [seen, str(error), error.code, error.tool, list(numbers)]

    def doubled(numbers):
        for number in numbers:
            yield 2 * number

    async def async_doubled(numbers):
        async for number in numbers:
            yield 2 * number

    def plain(value):
        return value

    async def chat(messages):
        queue = asyncio.Queue()

        async def read():
            async for message in messages:
                await queue.put(message)

        reader = asyncio.ensure_future(read())
        yield "ready"
        for _ in range(20):
            yield "more"
        yield await queue.get()
        reader.cancel()

    def asks_meanwhile(messages):
        call, got = current_call(), []
        taker = threading.Thread(target=lambda: got.extend(messages))
        taker.start()
        answer = call.call("tool")
        taker.join()
        return [answer, got]
"""


@pytest.fixture(params=PLACES)
def it(worker: Start, request: Any) -> Any:
    return worker(ADAPTER, **request.param)


class Feed:
    """The host's side of an input: sends what is pulled, and never more."""

    def __init__(self, it: Any, items: Iterator[Any], end: Any = b"") -> None:
        self.it, self.items, self.end = it, items, end
        self.pulled = self.sent = 0
        self.over = False

    def until_answered(self, ident: int) -> Any:
        """Feed until the first frame that is no PULL."""
        lane = self.it.lanes[0]
        while True:
            frame = lane.read()
            assert frame is not None
            assert frame.ident == ident
            if frame.kind != wire.PULL:
                return frame
            count = int.from_bytes(frame.body, "little")
            self.pulled += count
            assert 1 <= count <= 16
            for _ in range(0 if self.over else count):
                item = next(self.items, None)
                if item is None:
                    self.over = True
                    lane.send(wire.ITEMS_END, self.end, ident)
                    break
                self.sent += 1
                lane.send(wire.ITEM, item, ident)


def feed(it: Any, command: str, items: Any, *args: Any, end: Any = b"", **options: Any) -> tuple[Any, Feed]:
    source = Feed(it, iter(items), end)
    frame = source.until_answered(it.start(command, *args, input="numbers", **options))
    assert frame.kind == wire.RESULT, frame
    return frame.json, source


@pytest.mark.parametrize("command", ["total", "async_total"])
@pytest.mark.parametrize("count", [0, 1, 16, 17, 100])
def test_items_arrive_in_order_and_end(it: Any, command: str, count: int) -> None:
    total, source = feed(it, command, range(count))
    assert total == sum(range(count))
    assert source.sent == count
    assert it.call("plain", 1) == 1


def test_other_arguments_come_as_usual(it: Any) -> None:
    total, _ = feed(it, "total", [1, 2], kwargs={"start": 10})
    assert total == 13


def test_stopping_early_takes_no_more_than_is_under_way(it: Any) -> None:
    first, source = feed(it, "first", range(1000))
    assert (first, source.sent) == (0, 16)
    assert "has ended" in it.fail("later")["message"]


def test_an_input_nobody_reads_is_never_pulled(it: Any) -> None:
    _, source = feed(it, "ignores", range(10))
    assert source.pulled == 0


def test_the_end_stays_the_end(it: Any) -> None:
    seen, _ = feed(it, "past_the_end", range(3))
    assert seen == [[0, 1, 2], [], "none"]


def test_an_error_of_the_source_is_raised_in_its_place(it: Any) -> None:
    error = {"kind": "tool", "message": "dried up", "code": "acme.dry", "retry": "later"}
    seen, _ = feed(it, "up_to_error", range(3), end=error)
    assert seen == [[0, 1, 2], "dried up", "acme.dry", None, []]


def test_an_item_python_has_no_object_for_is_an_error(it: Any) -> None:
    seen, _ = feed(it, "up_to_error", [1, {"$": ["map", [[[1], 2]]]}, 3])
    assert (seen[0], seen[2]) == ([1], "input.unusable")


@pytest.mark.parametrize("command", ["doubled", "async_doubled"])
def test_input_and_result_stream_at_the_same_time(it: Any, command: str) -> None:
    source = Feed(it, iter(range(50)))
    ident = it.start(command, input="numbers", stream=True)
    values = []
    while True:
        frame = source.until_answered(ident)
        if frame.kind == wire.END:
            break
        assert frame.kind == wire.CHUNK, frame
        values.append(frame.json)
        it.lanes[0].send(wire.CREDIT, (1).to_bytes(4, "little"), ident)
    assert values == [2 * number for number in range(50)]


@pytest.mark.parametrize("how", ["tell", "cancel"])
@pytest.mark.parametrize("command", ["total", "async_total"])
def test_waiting_for_an_item_can_be_cancelled(it: Any, command: str, how: str) -> None:
    ident = it.start(command, input="numbers")
    it.lanes[0].expect(wire.PULL, ident)
    getattr(it, how)(ident)
    assert it.lanes[0].expect(wire.ERROR, ident).json["kind"] == "cancelled"
    it.lanes[0].send(wire.ITEM, 1, ident)  # too late, and harmless
    it.lanes[0].send(wire.ITEMS_END, b"", ident)
    assert it.call("plain", 1) == 1


@pytest.mark.parametrize(("kind", "body"), [(wire.ITEM, b"[1"), (wire.ITEMS_END, b"[]"), (wire.ITEMS_END, b"{}")])
def test_a_malformed_item_ends_the_worker(worker: Start, kind: int, body: bytes) -> None:
    it = worker(ADAPTER)
    ident = it.start("total", input="numbers")
    it.lanes[0].expect(wire.PULL, ident)
    it.lanes[0].send(kind, body, ident)
    assert it.host.exited() == {"pid": it.pid, "code": 70}


def test_chunks_do_not_wait_for_the_input(it: Any) -> None:
    lane = it.lanes[0]
    call = it.start("chat", stream=True, input="messages")
    chunks: list[Any] = []
    while len(chunks) < 21:
        frame = lane.read()
        assert frame.kind in (wire.CHUNK, wire.PULL), frame
        if frame.kind == wire.CHUNK:
            chunks.append(frame.json)
            lane.send(wire.CREDIT, (1).to_bytes(4, "little"), call)
    lane.send(wire.ITEM, "hello", call)
    lane.send(wire.ITEMS_END, b"", call)
    assert lane.expect(wire.CHUNK).json == "hello"
    lane.expect(wire.END)
    assert chunks == ["ready"] + ["more"] * 20
    assert it.call("plain", 1) == 1


def test_questions_do_not_wait_for_the_input(it: Any) -> None:
    lane = it.lanes[0]
    call = it.start("asks_meanwhile", input="messages")
    frames = {frame.kind: frame for frame in (lane.read(), lane.read())}
    assert set(frames) == {wire.ASK, wire.PULL}
    lane.send(wire.REPLY, [frames[wire.ASK].json[0], "answer"], call)
    lane.send(wire.ITEM, "item", call)
    lane.send(wire.ITEMS_END, b"", call)
    assert it.finish(call).json == ["answer", ["item"]]
