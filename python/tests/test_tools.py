"""Tools of the host, as Python asks for them: answers, errors, other threads, cancellation, what comes too late."""

from __future__ import annotations

import sys
from typing import Any, Callable

import pytest

from conftest import PLACES
from snakepit_bridge import _wire as wire

Start = Callable[..., Any]

ADAPTER = """
    import asyncio
    import threading
    from snakepit_bridge import Cancelled, ToolError, context, current_call

    log = []

    def ask(tool, *args, **kwargs):
        return context.call(tool, *args, **kwargs)

    def proxy(value):
        return context.host.look_up(value, key=value)

    def patient(seconds):
        return context.host(timeout=seconds).look_up()

    def twice():
        return [context.call("one"), context.call("two")]

    def listed():
        return context.tools()

    def depth():
        return context.depth

    def error():
        try:
            context.call("fails")
        except ToolError as error:
            return [str(error), error.code, error.tool, error.retry, error.hint]

    def unsendable():
        try:
            context.call("look_up", object())
        except ToolError as error:
            return [str(error), error.code]

    async def coroutine():
        return await asyncio.gather(context.call_async("one"), context.call_async("two"))

    async def ticking():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticker = asyncio.ensure_future(tick())
        answer = await context.call_async("slow")
        ticker.cancel()
        return [answer, ticks > 1]

    def elsewhere():
        call, answers = current_call(), []
        threads = [threading.Thread(target=lambda: answers.append(call.call("any"))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def left_behind():
        call = current_call()

        def body():
            try:
                call.call("never")
            except BaseException as error:
                log.append(type(error).__name__)

        thread = threading.Thread(target=body)
        thread.start()
        return "done"

    def too_late(kept=[]):
        call = kept[0] if kept else current_call()
        kept.append(call)
        return repr(call) if len(kept) == 1 else call.call("one")

    def stubborn():
        try:
            context.call("never")
        except Cancelled:
            log.append("told")
            try:
                context.call("again")
            except Cancelled:
                log.append("twice")
                raise

    def numbers(n):
        for number in range(n):
            yield context.call("double", number)

    def plain(value):
        return value

    def logged():
        return list(log)
"""


@pytest.fixture(params=PLACES)
def it(worker: Start, request: Any) -> Any:
    return worker(ADAPTER, **request.param)


def asked(it: Any, ident: int) -> Any:
    return it.lanes[0].expect(wire.ASK, ident).json


def reply(it: Any, ident: int, number: int, value: Any) -> None:
    it.lanes[0].send(wire.REPLY, [number, value], ident)


def result(it: Any, ident: int) -> Any:
    return it.lanes[0].expect(wire.RESULT, ident).json


def test_a_tool_is_asked_with_its_arguments_and_answers(it: Any) -> None:
    ident = it.start("ask", "look_up", 1, kwargs={"key": "k"})
    number, *question = asked(it, ident)
    assert question == ["look_up", [1], {"key": "k"}, None]
    reply(it, ident, number, {"found": [1, 2]})
    assert result(it, ident) == {"found": [1, 2]}


def test_tools_are_attributes_of_the_host(it: Any) -> None:
    ident = it.start("proxy", 7)
    number, *question = asked(it, ident)
    assert question == ["look_up", [7], {"key": 7}, None]
    reply(it, ident, number, None)
    assert result(it, ident) is None
    ident = it.start("patient", 0.5)
    number, *question = asked(it, ident)
    assert question == ["look_up", [], {}, 500_000_000]
    reply(it, ident, number, 1)
    assert result(it, ident) == 1


def test_a_host_is_not_told_of_a_patience_beyond_its_clock(it: Any) -> None:
    for seconds in (sys.maxsize, 1e300, 10**400):
        ident = it.start("patient", seconds)
        number, *_, patience = asked(it, ident)
        assert 0 < patience < 2**63
        reply(it, ident, number, None)
        assert result(it, ident) is None


def test_questions_come_one_after_the_other(it: Any) -> None:
    ident = it.start("twice")
    first, tool, *_ = asked(it, ident)
    assert tool == "one"
    reply(it, ident, first, 1)
    second, tool, *_ = asked(it, ident)
    assert (tool, second != first) == ("two", True)
    reply(it, ident, first, "late")  # to a question that is answered
    reply(it, ident, second, 2)
    assert result(it, ident) == [1, 2]


def test_tools_can_be_listed(it: Any) -> None:
    ident = it.start("listed")
    number, *question = asked(it, ident)
    assert question == [None, [], {}, None]
    tools = [{"name": "look_up", "doc": "", "schema": None}]
    reply(it, ident, number, tools)
    assert result(it, ident) == tools


def test_a_refusal_is_a_tool_error(it: Any) -> None:
    ident = it.start("error")
    number, *_ = asked(it, ident)
    refusal = {"kind": "tool", "message": "no such", "code": "acme.none", "retry": "later", "hint": "wait"}
    it.lanes[0].send(wire.REFUSAL, [number, refusal], ident)
    assert result(it, ident) == ["no such", "acme.none", "fails", "later", "wait"]
    ident = it.start("ask", "fails")
    number, *_ = asked(it, ident)
    it.lanes[0].send(wire.REFUSAL, [number, {"message": "no"}], ident)
    error = it.lanes[0].expect(wire.ERROR, ident).json
    assert error["type"].endswith("ToolError")
    assert error["message"] == "no"


def test_arguments_that_cannot_be_sent_are_refused_at_once(it: Any) -> None:
    message, code = it.call("unsendable")
    assert code == "tool.unserialisable"
    assert "look_up" in message


def test_an_answer_python_has_no_object_for_is_an_error(it: Any) -> None:
    ident = it.start("error")
    number, *_ = asked(it, ident)
    reply(it, ident, number, {"$": ["map", [[[1], 2]]]})
    _, code, *_ = result(it, ident)
    assert code == "tool.unusable"


def test_coroutines_ask_without_keeping_the_loop(it: Any) -> None:
    ident = it.start("coroutine")
    answers = {}
    for _ in range(2):
        number, tool, *_ = asked(it, ident)
        answers[tool] = tool.upper()
        reply(it, ident, number, answers[tool])
    assert result(it, ident) == ["ONE", "TWO"]
    ident = it.start("ticking")
    number, *_ = asked(it, ident)
    it.sync()
    reply(it, ident, number, "slow")
    assert result(it, ident)[0] == "slow"


def test_threads_of_a_call_ask_one_at_a_time(it: Any) -> None:
    ident = it.start("elsewhere")
    for answer in range(3):
        number, *_ = asked(it, ident)
        reply(it, ident, number, answer)
    assert sorted(result(it, ident)) == [0, 1, 2]


def test_a_question_outlived_by_its_call_ends_with_it(it: Any) -> None:
    ident = it.start("left_behind")
    frame = it.lanes[0].read()
    if frame.kind == wire.ASK:
        number = frame.json[0]
        assert result(it, ident) == "done"
        reply(it, ident, number, "too late, and harmless")
    else:
        assert frame.json == "done"
    while True:
        logged = it.call("logged")
        if logged:
            assert logged == ["RuntimeError"]
            return


def test_a_call_that_ended_asks_nothing(it: Any) -> None:
    it.call("too_late")
    assert "has ended" in it.fail("too_late")["message"]


@pytest.mark.parametrize("how", ["tell", "cancel"])
def test_a_cancelled_call_waits_for_no_tool(it: Any, how: str) -> None:
    ident = it.start("stubborn")
    number, *_ = asked(it, ident)
    getattr(it, how)(ident)
    error = it.lanes[0].expect(wire.ERROR, ident).json
    assert error["kind"] == "cancelled"
    reply(it, ident, number, "too late, and harmless")
    assert it.call("logged") == ["told", "twice"]


def test_streams_ask_between_their_chunks(it: Any) -> None:
    ident = it.start("numbers", 40, stream=True)
    values = []
    while True:
        frame = it.lanes[0].read()
        if frame.kind == wire.ASK:
            number, _, (value,), *_ = frame.json
            # Leave for chunks that comes while a tool is waited for is not lost.
            it.lanes[0].send(wire.CREDIT, (1).to_bytes(4, "little"), ident)
            reply(it, ident, number, 2 * value)
        elif frame.kind == wire.CHUNK:
            values.append(frame.json)
        else:
            assert frame.kind == wire.END, frame
            break
    assert values == [2 * number for number in range(40)]


def test_the_depth_of_a_call_is_known(it: Any) -> None:
    assert it.call("depth") == 0
    assert it.call("depth", depth=3) == 3


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (wire.REPLY, b"[1"),
        (wire.REPLY, b"{}"),
        (wire.REFUSAL, b"[1,{}]"),
        (wire.RESULT, b"1"),
        (wire.CALL, b'["plain"]'),
    ],
)
def test_a_malformed_answer_ends_the_worker(worker: Start, kind: int, body: bytes) -> None:
    it = worker(ADAPTER)
    ident = it.start("error")
    asked(it, ident)
    it.lanes[0].send(kind, body, ident)
    assert it.host.exited() == {"pid": it.pid, "code": 70}
    assert b"protocol error" in it.read_output()
