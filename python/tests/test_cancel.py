"""Cancelling: what can be interrupted is, once, and nothing else."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import threading
from typing import Any, Callable

import pytest

from conftest import PLACES
from host import PATIENCE
from snakepit_bridge import _wire as wire
from snakepit_bridge._cancel import ThreadGate
from snakepit_bridge._drive import Driver

Start = Callable[..., Any]

ADAPTER = """
    import asyncio, os, signal, sys, threading, time
    from snakepit_bridge import Cancelled, current_call

    def begin():
        print("begun")

    def sleep():
        begin()
        time.sleep(1000)

    def busy():
        begin()
        while True:
            pass

    def printing():
        begin()
        while True:
            print("x" * 50)

    async def async_sleep():
        begin()
        await asyncio.sleep(1000)

    def nested_loop():
        asyncio.run(async_sleep())

    def leaves_loop_running():
        asyncio._set_running_loop(object())
        busy()

    def swallows():
        try:
            busy()
        except BaseException as error:
            print("cleaning up")
            return type(error).__name__

    def translates():
        try:
            busy()
        except Cancelled:
            raise ValueError("translated") from None

    def stumbles():
        try:
            busy()
        finally:
            {}["missing"]

    def polls():
        begin()
        call = current_call()
        while not call.cancelled:
            pass
        while True:
            pass

    def never_lets_go():
        sys.setswitchinterval(3600)
        os.write(1, b"begun")
        while True:
            pass

    def signals_itself():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0)
        return "fine"

    def generates():
        begin()
        while True:
            yield 1

    def ping():
        return "pong"
"""


def begun(it: Any) -> None:
    it.until(lambda: "begun" in it.texts("stdout"))
    it.logs.clear()


def cancelled(it: Any, ident: int) -> Any:
    it.cancel(ident)
    frame = it.finish(ident)
    assert frame.kind == wire.ERROR, frame
    return frame.json


@pytest.mark.parametrize(
    "command",
    [
        "sleep",
        "busy",
        "printing",
        "async_sleep",
        "nested_loop",
        "leaves_loop_running",
        "stumbles",
        "polls",
        "generates",
    ],
)
def test_a_command_is_interrupted_on_the_main_thread(worker: Start, command: str) -> None:
    it = worker(ADAPTER)
    for _ in range(3):
        ident = it.start(command)
        begun(it)
        error = cancelled(it, ident)
        assert error["kind"] == "cancelled", error
        assert error["message"]
        assert it.call("ping") == "pong"
    it.sync()


def test_a_signal_of_the_host_has_a_busy_call_step_aside(worker: Start) -> None:
    it = worker(ADAPTER)
    ident = it.start("never_lets_go")
    assert os.read(it.output, 5) == b"begun"
    it.cancel(ident)
    answer = select.poll()
    answer.register(it.lanes[0].sock, select.POLLIN)
    for _ in range(500):  # the other thread may not have heard of it yet
        os.kill(it.pid, signal.SIGINT)
        if answer.poll(20):
            break
    frame = it.finish(ident)
    assert frame.kind == wire.ERROR, frame
    assert frame.json["kind"] == "cancelled"
    assert it.call("ping") == "pong"


@pytest.mark.parametrize("place", PLACES[1:])
@pytest.mark.parametrize("command", ["busy", "printing", "async_sleep", "polls", "generates"])
def test_a_command_is_interrupted_on_a_thread(worker: Start, command: str, place: Any) -> None:
    it = worker(ADAPTER, **place)
    for _ in range(3):
        ident = it.start(command)
        begun(it)
        assert it.call("ping", lane=1) == "pong"
        assert cancelled(it, ident)["kind"] == "cancelled"
        assert it.call("ping") == "pong"
    it.sync()


@pytest.mark.parametrize("place", PLACES)
def test_a_command_may_answer_nevertheless(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    ident = it.start("swallows")
    begun(it)
    it.cancel(ident)
    assert it.finish(ident).json == "Cancelled"
    it.sync()
    assert "cleaning up" in it.texts("stdout")
    ident = it.start("translates")
    begun(it)
    assert cancelled(it, ident)["message"] == "translated"
    assert it.call("ping") == "pong"


@pytest.mark.parametrize("place", PLACES)
def test_a_cancellation_may_overtake_its_call(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    it.cancel(1)
    it.sync()
    ident = it.start("busy")
    assert it.finish(ident).json["kind"] == "cancelled"
    assert it.call("ping") == "pong"


@pytest.mark.parametrize("place", PLACES)
def test_a_call_sent_ahead_is_cancelled_without_the_one_in_progress(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    first = it.start("busy")
    begun(it)
    ahead = it.start("busy")
    it.cancel(ahead)
    for other in range(1000, 1500):
        it.cancel(other)
    assert it.sync()["busy"][0] == first
    assert cancelled(it, first)["kind"] == "cancelled"
    assert it.finish(ahead).json["kind"] == "cancelled"
    it.sync()
    assert "begun" not in it.texts("stdout")


def test_a_call_sent_ahead_is_answered_before_stopping(worker: Start) -> None:
    it = worker(ADAPTER)
    first = it.start("busy")
    begun(it)
    ahead = it.start("ping")
    it.stop()
    assert cancelled(it, first)["kind"] == "cancelled"
    assert it.finish(ahead).json == "pong"
    assert it.host.exited()["code"] == 0


@pytest.mark.parametrize("place", PLACES)
def test_cancelling_what_is_over_changes_nothing(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    assert it.call("ping") == "pong"
    it.cancel(1)
    it.cancel(12345)
    assert it.call("ping") == "pong"


@pytest.mark.parametrize("place", PLACES)
def test_cancellations_that_race_with_answers_get_exactly_one_each(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    for _ in range(300):
        ident = it.start("ping")
        it.cancel(ident)
        frame = it.finish(ident)
        assert frame.json == "pong" or frame.json["kind"] == "cancelled"
    it.sync()
    assert it.call("ping") == "pong"


def test_an_interrupt_from_elsewhere_is_ignored(worker: Start) -> None:
    it = worker(ADAPTER)
    assert it.call("signals_itself") == "fine"


def test_a_late_interruption_leaves_the_coroutine_of_the_next_call_alone() -> None:
    waiting, next_call = threading.Event(), threading.Event()

    class Slow(ThreadGate):
        """The control thread loses the processor in the middle of a request."""

        def _interrupt(self, ident: int) -> None:
            super()._interrupt(ident)
            waiting.set()
            next_call.wait(PATIENCE)

    gate = Slow()
    driver = Driver(gate)
    gate.running = 1
    control = threading.Thread(target=gate.request, args=(1,))
    control.start()
    waiting.wait(PATIENCE)
    gate.settle()
    gate.running = 2

    async def innocent() -> str:
        next_call.set()
        while control.is_alive():
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        return "fine"

    try:
        assert gate.call(2, driver.complete, (innocent(),), {}) == "fine"
    finally:
        control.join(PATIENCE)
        driver._loop.close()
