"""Events and spans of user code: they reach the host from every kind of lane, and a lane never waits for them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from conftest import PLACES
from snakepit_bridge import _telemetry, telemetry
from snakepit_bridge import _wire as wire
from snakepit_bridge._events import MAX_WAITING

pytestmark = pytest.mark.filterwarnings("error")

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"

SOURCE = """
    import asyncio, threading
    from snakepit_bridge import context, current_call, telemetry

    def emit(name, measurements=None, metadata=None):
        return telemetry.emit(name, measurements, metadata)

    def odd():
        class Odd:
            def __repr__(self): raise RuntimeError
        cycle = []
        cycle.append(cycle)
        numbers = {"nan": float("nan"), "inf": -float("inf"), "huge": 10**400, "flag": True}
        values = {"object": object, "cycle": cycle, "odd": Odd(), "set": {1}, "nan": float("nan")}
        values["kept"] = [1, {"a": None}]
        deep = 1
        for _ in range(200): deep = [deep]
        values.update(deep=deep, big=10**400, tuple=(1, {2: 3}))
        return telemetry.emit("odd", numbers, {1: "one", "surrogate": "\\ud800", **values})

    def endless():
        many = []
        for _ in range(100): many.append(many)
        return telemetry.emit("endless", None, {"many": many})

    def refused(name, value):
        try:
            telemetry.emit(name, {"value": value})
        except (TypeError, ValueError) as error:
            return [type(error).__name__, str(error)]

    def nested():
        with telemetry.span("outer", rows=3) as outer:
            with context.telemetry.span("inner"):
                telemetry.emit("inside")
            outer.metadata["found"] = 2
            outer.measurements["bytes"] = 10
            return outer.traceparent

    @telemetry.span("failing")
    def fail():
        raise ValueError("no")

    @telemetry.span("stream")
    def count(to):
        for number in range(to):
            with telemetry.span("step"):
                yield number

    @telemetry.span("astream")
    async def acount(to):
        for number in range(to):
            yield number

    @telemetry.span("waiting")
    async def wait():
        with telemetry.span("within"):
            await asyncio.sleep(0)

    def leave_open():
        telemetry.span("open").__enter__()

    def from_thread():
        call = current_call()
        def work():
            call.telemetry.emit("threaded")
            with call.telemetry.span("span"):
                call.log.info("threaded")
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return call.call_id

    def flood(events):
        return sum(telemetry.emit("flood", {"number": number}) for number in range(events))

    def large(size):
        return telemetry.emit("large", None, {"text": "x" * size})

    def log(text):
        context.log.warning("%s", text, extra={"command": "mine", "other": 1})

    def cleanup():
        telemetry.emit("cleaned.up")
"""


def spans(events: list[Any]) -> dict[str, dict[str, str]]:
    return {event["name"]: event["span"] for event in events}


@pytest.mark.parametrize("place", PLACES)
def test_an_event_reaches_the_host_with_its_call(worker: Any, place: Any) -> None:
    with_lane = worker(SOURCE, **place)
    before = time.time_ns()
    ident = with_lane.start("emit", "tool.completed", {"seconds": 0.25, "rows": 3}, {"tool": "load", "tags": ["a"]})
    assert with_lane.finish(ident).json is True
    (event,) = with_lane.told(1)
    assert with_lane.events[0].ident == ident
    assert event["name"] == "tool.completed"
    assert event["measurements"] == {"seconds": 0.25, "rows": 3.0}
    assert event["metadata"] == {"tool": "load", "tags": ["a"]}
    assert before <= event["time_ns"] <= time.time_ns()
    assert "dropped" not in event
    assert "span" not in event


def test_what_json_cannot_hold_is_shown_instead(worker: Any) -> None:
    lane = worker(SOURCE)
    assert lane.call("odd") is True
    (event,) = lane.told(1)
    assert event["measurements"] == {"nan": "nan", "inf": "-inf", "huge": "inf", "flag": 1.0}
    assert lane.call("endless") is False
    metadata = event["metadata"]
    assert metadata["kept"] == [1, {"a": None}]
    assert metadata["1"] == "one"
    assert metadata["surrogate"] == "?"
    assert metadata["object"] == "<class 'object'>"
    assert metadata["set"] == "{1}"
    assert metadata["odd"].startswith("<Odd")
    assert metadata["nan"] == "nan"
    assert "[[[..." in str(metadata["cycle"])
    assert "[[[..." in str(metadata["deep"])
    assert metadata["big"].startswith("1000")
    assert metadata["tuple"] == [1, {"2": 3}]


@pytest.mark.parametrize("name", ["", "Upper", "two words", ".dot", "dot.", "a..b", "1st", "x" * 201, 7, "a\n"])
def test_a_name_of_another_form_is_refused(name: Any) -> None:
    with pytest.raises(ValueError, match="not the name of an event"):
        telemetry.emit(name)
    with pytest.raises(ValueError, match="not the name of an event"):
        telemetry.span(name)


def test_a_refusal_names_the_culprit(worker: Any) -> None:
    lane = worker(SOURCE)
    kind, message = lane.call("refused", "Not.A.Name", 1)
    assert (kind, message[:12]) == ("ValueError", "'Not.A.Name'")
    for value, shown in (("1", "str"), ([1], "list"), (None, "NoneType")):
        kind, message = lane.call("refused", "a.name", value)
        assert (kind, message) == ("TypeError", "the measurement 'value' is %s, not a number" % shown)


def test_without_a_host_nothing_happens() -> None:
    assert telemetry.emit("nobody.listens", {"n": 1}) is False
    with telemetry.span("nobody.listens") as span:
        assert span.traceparent is not None


def test_metadata_may_be_called_anything() -> None:
    assert telemetry.span("load", name="Ada", self=1).metadata == {"name": "Ada", "self": 1}


@pytest.mark.parametrize("place", PLACES)
def test_spans_nest_and_go_on_with_the_trace_of_the_caller(worker: Any, place: Any) -> None:
    lane = worker(SOURCE, **place)
    traceparent = lane.call("nested", traceparent="00-%s-%s-00" % (TRACE, PARENT))
    events = lane.told(5)
    assert [event["name"] for event in events] == ["outer.start", "inner.start", "inside", "inner.stop", "outer.stop"]
    outer, inner = events[0]["span"], events[1]["span"]
    assert outer == {"trace": TRACE, "id": outer["id"], "parent": PARENT}
    assert inner == {"trace": TRACE, "id": inner["id"], "parent": outer["id"]}
    assert events[3]["span"] == inner
    assert events[4]["span"] == outer
    assert traceparent == "00-%s-%s-00" % (TRACE, outer["id"])
    assert events[0]["metadata"] == {"rows": 3}
    assert events[4]["metadata"] == {"rows": 3, "found": 2, "error": False}
    assert events[4]["measurements"]["bytes"] == 10
    assert 0 <= events[3]["measurements"]["duration"] <= events[4]["measurements"]["duration"]


@pytest.mark.parametrize("traceparent", [None, "nonsense", "00-%s-%s" % (TRACE, PARENT)])
def test_without_the_callers_trace_a_call_is_one_of_its_own(worker: Any, traceparent: Any) -> None:
    lane = worker(SOURCE)
    context = {} if traceparent is None else {"traceparent": traceparent}
    lane.call("nested", **context)
    lane.call("nested", **context)
    events = lane.told(10)
    traces = [event["span"]["trace"] for event in events if "span" in event]
    assert len(set(traces[:4])) == len(set(traces[4:])) == 1
    assert traces[0] != traces[4]
    assert "parent" not in events[0]["span"]


def test_a_span_tells_of_an_exception(worker: Any) -> None:
    lane = worker(SOURCE)
    assert lane.fail("fail")["message"] == "no"
    _, stop = lane.told(2)
    assert stop["metadata"] == {"error": True, "error_type": "ValueError"}


def test_decorated_generators_and_coroutines_are_spans_until_their_end(worker: Any) -> None:
    lane = worker(SOURCE)
    assert lane.call("count", 2) == [0, 1]
    names = [event["name"] for event in lane.told(6)]
    assert names == ["stream.start", "step.start", "step.stop", "step.start", "step.stop", "stream.stop"]
    found = spans([event for event in lane.told(6) if event["name"] in ("stream.start", "step.start")])
    assert found["step.start"]["parent"] == found["stream.start"]["id"]
    lane.events.clear()
    lane.call("wait")
    assert [event["name"] for event in lane.told(4)] == ["waiting.start", "within.start", "within.stop", "waiting.stop"]
    lane.events.clear()
    assert lane.call("acount", 2) == [0, 1]
    ident = lane.start("acount", 2, stream=True)
    for kind in (wire.CHUNK, wire.CHUNK, wire.END):
        lane.lanes[0].expect(kind, ident)
    names = [event["name"] for event in lane.told(4)]
    assert names == ["astream.start", "astream.stop"] * 2
    assert lane.events[3].json["metadata"] == {"error": False}


def test_a_span_left_open_is_no_parent_to_later_calls(worker: Any) -> None:
    lane = worker(SOURCE)
    lane.call("leave_open")
    lane.call("nested")
    assert "parent" not in lane.told(6)[1]["span"]


@pytest.mark.parametrize("place", PLACES)
def test_a_thread_can_speak_for_a_call(worker: Any, place: Any) -> None:
    lane = worker(SOURCE, **place)
    ident = lane.start("from_thread")
    assert lane.finish(ident).json == ident
    lane.told(3)
    lane.until(lambda: "threaded" in lane.texts("log"))
    assert {frame.ident for frame in (*lane.events, *lane.logs)} == {ident}


def test_a_record_belongs_to_its_call_and_keeps_what_it_has(worker: Any) -> None:
    lane = worker(SOURCE)
    ident = lane.start("log", "careful")
    lane.finish(ident)
    lane.sync()
    (frame,) = lane.logs
    assert frame.ident == ident
    assert frame.json == {"stream": "log", "text": "careful", "level": "WARNING", "logger": "adapter.log"}


def test_a_host_that_does_not_read_keeps_no_lane_waiting(worker: Any) -> None:
    lane = worker(SOURCE)
    many = 20 * MAX_WAITING
    ident = lane.start("flood", many)
    # Only the lane is read: control fills up.
    frame = lane.lanes[0].expect(wire.RESULT, ident)
    sent = frame.json
    assert MAX_WAITING <= sent < many
    lane.told(sent)
    assert lane.call("emit", "after") is True
    assert sum(event.get("dropped", 0) for event in lane.told(sent + 1)) == many - sent


def test_an_event_that_is_too_large_is_dropped_and_counted_and_said_once(worker: Any) -> None:
    lane = worker(SOURCE)
    assert [lane.call("large", 16 * 1024) for _ in range(3)] == [False] * 3
    assert lane.call("large", 15 * 1024) is True
    (event,) = lane.told(1)
    assert event["dropped"] == 3
    assert lane.call("emit", "after") is True
    assert "dropped" not in lane.told(2)[1]
    (text,) = lane.texts("log")
    assert "an event was dropped" in text
    assert "told once" in text


def test_metadata_is_looked_at_within_bounds() -> None:
    class Counted(list):  # type: ignore[type-arg]
        looked = 0

        def __iter__(self) -> Any:
            for item in super().__iter__():
                self.looked += 1
                yield item

    rows = Counted([0] * 100_000)
    made = _telemetry._Plain().entries({"rows": rows, "more": rows, "last": 1})
    assert made == {"rows": [0] * 2047 + ["..."]}
    assert rows.looked == 2048
    many = _telemetry._Plain().entries({str(number): None for number in range(100_000)})
    assert (len(many), many["2048"]) == (2049, "...")


@pytest.mark.parametrize("place", PLACES)
def test_what_cleaning_up_tells_gets_through(worker: Any, place: Any) -> None:
    lane = worker(SOURCE, **place)
    lane.stop()
    while True:
        frame = lane.control.read()
        if frame is None:
            break
        lane._kept(frame)
    assert {event.json["name"] for event in lane.events} == {"cleaned.up"}


def test_importing_may_emit_into_the_void(worker: Any) -> None:
    lane = worker("from snakepit_bridge import telemetry\ntelemetry.emit('imported')\ndef ping(): return 'pong'\n")
    assert lane.call("ping") == "pong"
    assert lane.events == []
