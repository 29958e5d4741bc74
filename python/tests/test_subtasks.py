"""Coroutines whose subtasks end the call: that call is answered, its clean-up runs, and the next one is left alone."""

from __future__ import annotations

import sys
from typing import Any, Callable

import pytest

from conftest import PLACES
from snakepit_bridge import _wire as wire
from test_cancel import begun

Start = Callable[..., Any]

ADAPTER = """
    import asyncio, sys
    from snakepit_bridge import check_cancelled

    async def asks():
        print("begun")
        while True:
            check_cancelled()
            await asyncio.sleep(0)

    async def leaves():
        await asyncio.sleep(0)
        sys.exit("enough")

    async def cleans_up(coroutine):
        try:
            return await coroutine
        finally:
            await asyncio.sleep(0.01)
            print("cleaned up")

    async def gathers():
        await cleans_up(asyncio.gather(asks(), asks(), asyncio.sleep(1000)))

    async def groups():
        async def group():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(asks())
                await asyncio.sleep(1000)
        await cleans_up(group())

    async def waits_for_something_else():
        task = asyncio.ensure_future(asks())
        await cleans_up(asyncio.sleep(1000))

    async def leaves_a_task_behind():
        task = asyncio.ensure_future(asyncio.gather(asks()))
        tasks = [asyncio.ensure_future(cleans_up(task)), asyncio.ensure_future(asyncio.sleep(1000))]
        await cleans_up(asyncio.wait(tasks))

    async def generates():
        yield await cleans_up(asyncio.gather(asks()))

    async def answers_nevertheless():
        try:
            await asyncio.gather(asks())
        except BaseException:
            await asyncio.sleep(0.01)
            return "partial"

    async def gathers_one_that_leaves():
        await cleans_up(asyncio.gather(leaves(), asyncio.sleep(1000)))

    async def ignores_one_that_leaves():
        task = asyncio.ensure_future(leaves())
        await cleans_up(asyncio.sleep(1000))

    async def stops_the_loop():
        asyncio.get_running_loop().stop()
        await asyncio.sleep(1000)

    async def closes_the_loop():
        loop = asyncio.get_running_loop()
        loop.stop()
        loop.call_soon(loop.close)
        await asyncio.sleep(1000)

    background = None

    async def remembers():
        global background
        if background is None:
            background = asyncio.ensure_future(asyncio.sleep(1000))
        return background.done()

    async def pings():
        await asyncio.sleep(0.02)
        return "pong"
"""

COMMANDS = [
    "gathers",
    pytest.param("groups", marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="task groups are new in 3.11")),
    "waits_for_something_else",
    "leaves_a_task_behind",
    "generates",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_subtask_that_asks_ends_its_own_call_only(worker: Start, place: Any, command: str) -> None:
    it = worker(ADAPTER, **place)
    assert it.call("remembers") is False
    for _ in range(3):
        ident = it.start(command)
        begun(it)
        it.tell(ident)
        frame = it.finish(ident)
        assert frame.kind == wire.ERROR, frame
        assert frame.json["kind"] == "cancelled"
        for _ in range(2):
            assert it.call("pings") == "pong"
        it.until(lambda: "cleaned up" in it.texts("stdout"))
        it.logs.clear()
    assert it.call("remembers") is False


@pytest.mark.parametrize("place", PLACES)
def test_a_coroutine_may_answer_though_its_subtask_asked(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    ident = it.start("answers_nevertheless")
    begun(it)
    it.tell(ident)
    assert it.finish(ident).json == "partial"
    assert it.call("pings") == "pong"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", ["gathers_one_that_leaves", "ignores_one_that_leaves"])
def test_a_subtask_that_exits_ends_its_own_call_only(worker: Start, place: Any, command: str) -> None:
    it = worker(ADAPTER, **place)
    for _ in range(3):
        error = it.fail(command)
        assert (error["type"], error["message"]) == ("SystemExit", "enough")
        assert it.call("pings") == "pong"
    it.until(lambda: it.texts("stdout") == ["cleaned up"] * 3)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", ["stops_the_loop", "closes_the_loop"])
def test_a_loop_that_user_code_breaks_fails_one_call(worker: Start, place: Any, command: str) -> None:
    it = worker(ADAPTER, **place)
    for _ in range(3):
        assert it.fail(command)["type"] == "RuntimeError"
        assert it.call("pings") == "pong"
