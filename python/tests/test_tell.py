"""Calls that are told of their cancellation: they see it, and nothing interrupts them before `CANCEL` does."""

from __future__ import annotations

import time
from typing import Any, Callable

import pytest

from conftest import PLACES
from snakepit_bridge import _wire as wire
from test_cancel import begun, cancelled

Start = Callable[..., Any]

ADAPTER = """
    import asyncio, threading, time
    from snakepit_bridge import Cancelled, cancelled, check_cancelled, current_call, deadline

    def begin():
        print("begun")

    def ends_by_itself():
        begin()
        while not cancelled():
            pass
        return "partial", current_call().cancelled

    def checks():
        begin()
        while True:
            check_cancelled()

    def checks_in_a_helper():
        begin()
        seen = []
        def look():
            while not cancelled():
                pass
            try:
                check_cancelled()
            except Cancelled:
                seen.append("helper")
        helper = threading.Thread(target=look)
        helper.start()
        helper.join()
        return seen

    async def checks_in_a_coroutine():
        begin()
        while True:
            check_cancelled()
            await asyncio.sleep(0)

    async def sees_it_in_a_coroutine():
        begin()
        while not cancelled():
            await asyncio.sleep(0)
        return "partial"

    async def cleans_up_in_a_coroutine():
        begin()
        try:
            await asyncio.sleep(1000)
        finally:
            for _ in range(300):
                await asyncio.sleep(0.001)
            print("cleaned up")

    def cleans_up():
        begin()
        try:
            while True:
                check_cancelled()
        finally:
            print("cleaning up")
            until = time.monotonic() + 0.3
            while time.monotonic() < until:
                pass
            print("cleaned up")

    def swallows_all():
        begin()
        raised = 0
        while raised < 100000:
            try:
                check_cancelled()
            except BaseException:
                raised += 1
                if raised == 1:
                    print("swallowed")
        return raised

    def generates():
        begin()
        while True:
            yield 1

    async def generates_in_a_coroutine():
        begin()
        try:
            while True:
                yield 1
        finally:
            await asyncio.sleep(0.01)
            print("cleaned up")

    def limit():
        return deadline(), current_call().deadline

    def ping():
        return "pong", cancelled(), check_cancelled()
"""

PONG = {"$": ["tuple", ["pong", False, None]]}


@pytest.mark.parametrize("place", PLACES)
def test_a_call_that_was_told_may_end_by_itself(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    for _ in range(3):
        ident = it.start("ends_by_itself")
        begun(it)
        it.tell(ident)
        frame = it.finish(ident)
        assert frame.kind == wire.RESULT, frame
        assert frame.json == {"$": ["tuple", ["partial", True]]}
        assert it.call("ping") == PONG


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", ["checks", "checks_in_a_coroutine"])
def test_a_call_that_asks_ends_as_cancelled(worker: Start, place: Any, command: str) -> None:
    it = worker(ADAPTER, **place)
    for _ in range(3):
        ident = it.start(command)
        begun(it)
        it.tell(ident)
        frame = it.finish(ident)
        assert frame.kind == wire.ERROR, frame
        assert frame.json["kind"] == "cancelled"
        assert it.call("ping") == PONG
    it.sync()
    assert it.texts("log") == []


@pytest.mark.parametrize("place", PLACES)
def test_a_coroutine_sees_that_it_was_told(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    ident = it.start("sees_it_in_a_coroutine")
    begun(it)
    it.tell(ident)
    assert it.finish(ident).json == "partial"


@pytest.mark.parametrize("place", [PLACES[0], PLACES[2]])
def test_threads_of_a_sole_lane_see_it_too(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    ident = it.start("checks_in_a_helper")
    begun(it)
    it.tell(ident)
    assert it.finish(ident).json == ["helper"]


@pytest.mark.parametrize("place", PLACES)
def test_telling_interrupts_nothing_and_cancelling_still_does(worker: Start, place: Any) -> None:
    it = worker(ADAPTER + "\n    def busy():\n        begin()\n        while True: pass\n", **place)
    ident = it.start("busy")
    begun(it)
    for _ in range(5):
        it.tell(ident)
        assert it.sync()["busy"][0] == ident
    assert cancelled(it, ident)["kind"] == "cancelled"
    assert it.call("ping") == PONG


@pytest.mark.parametrize("place", PLACES)
def test_a_call_told_before_it_starts_does_not_start(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    first = it.start("ends_by_itself")
    begun(it)
    ahead = it.start("checks")
    it.tell(ahead)
    for other in range(1000, 1200):
        it.tell(other)
    assert it.sync()["busy"][0] == first
    it.tell(first)
    assert it.finish(first).kind == wire.RESULT
    error = it.finish(ahead).json
    assert error["kind"] == "cancelled"
    assert error["message"] == "cancelled before it started"
    it.sync()
    assert "begun" not in it.texts("stdout")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", ["cleans_up", "cleans_up_in_a_coroutine"])
def test_what_cleans_up_is_not_interrupted_again(worker: Start, place: Any, command: str) -> None:
    it = worker(ADAPTER, **place)
    ident = it.start(command)
    begun(it)
    it.tell(ident)
    if command == "cleans_up":
        it.until(lambda: "cleaning up" in it.texts("stdout"))
    for _ in range(20):
        it.cancel(ident)
        it.sync()
    frame = it.finish(ident)
    assert frame.json["kind"] == "cancelled"
    it.sync()
    assert "cleaned up" in it.texts("stdout")
    assert it.call("ping") == PONG


@pytest.mark.parametrize("place", PLACES)
def test_a_call_that_swallows_it_is_asked_again_and_again(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    ident = it.start("swallows_all")
    begun(it)
    it.tell(ident)
    it.until(lambda: "swallowed" in it.texts("stdout"))
    it.cancel(ident)
    frame = it.finish(ident)
    assert frame.json == 100000, frame


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", ["generates", "generates_in_a_coroutine"])
@pytest.mark.parametrize("how", ["tell", "cancel"])
def test_a_stream_that_nobody_reads_ends(worker: Start, place: Any, command: str, how: str) -> None:
    it = worker(ADAPTER, **place)
    ident = it.start(command, stream=True)
    for _ in range(wire.FREE_CHUNKS):
        it.lanes[0].expect(wire.CHUNK, ident)
    getattr(it, how)(ident)
    assert it.finish(ident).json["kind"] == "cancelled"
    assert it.call("ping") == PONG
    if command == "generates_in_a_coroutine":
        it.sync()
        assert "cleaned up" in it.texts("stdout")


@pytest.mark.parametrize("place", PLACES)
def test_telling_that_races_with_answers_gets_exactly_one_each(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    for _ in range(300):
        ident = it.start("ping")
        it.tell(ident)
        frame = it.finish(ident)
        body = frame.json
        assert frame.kind == wire.RESULT or body["kind"] == "cancelled"
    it.sync()
    assert it.call("ping") == PONG


@pytest.mark.parametrize("place", PLACES)
def test_the_deadline_is_in_seconds_of_the_monotonic_clock(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    until = time.monotonic_ns() + 10**12
    assert it.call("limit", deadline=until) == {"$": ["tuple", [until / 1e9, until / 1e9]]}
    assert it.call("limit") == {"$": ["tuple", [None, None]]}


def test_outside_of_a_call_there_is_nothing_to_cancel() -> None:
    import snakepit_bridge

    assert snakepit_bridge.cancelled() is False
    assert snakepit_bridge.deadline() is None
    snakepit_bridge.check_cancelled()
