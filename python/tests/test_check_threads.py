"""Workers whose host asks them to check threads: what is told, what fails, and what is left alone."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from snakepit_bridge import _wire as wire

Start = Callable[..., Any]

ADAPTER = """
    import os, sqlite3, sys, threading
    from snakepit_bridge import BaseAdapter, check_cancelled, shared, tool

    together = threading.Barrier(2)
    inside, leave = threading.Event(), threading.Event()

    class Model:
        def predict(self):
            together.wait(30)

        def hold(self):
            inside.set()
            while not leave.wait(0.01):
                pass

        def look(self):
            pass

    model = shared(Model)
    database = shared(lambda: sqlite3.connect(":memory:", check_same_thread=False))

    class Adapter(BaseAdapter):
        def initialize(self):
            self.total = 0
            if os.environ.get("MEET"):
                model.predict()

        def add(self):
            together.wait(30)
            self.total += 1

        @tool
        def predict(self):
            model.predict()

        @tool
        def own_threads(self):
            threads = [threading.Thread(target=self.add) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        @tool
        def own(self):
            together.wait(30)
            self.total += 1
            together.wait(30)
            return self.total

        @tool
        def hold(self):
            model.hold()

        @tool
        def look(self):
            inside.wait(30)
            inside.clear()
            model.look()

        @tool
        def query(self):
            return type(database()).__mro__[1].__name__, database().execute("select 1").fetchall()[0][0]

        @tool
        def is_watched(self):
            return [
                "snakepit_bridge.thread_safety_checker" in sys.modules,
                hasattr(Model.predict, "__wrapped__"),
                hasattr(type(self).add, "__wrapped__"),
            ]
"""


@pytest.fixture
def checked(boot: Callable[..., Any]) -> Start:
    def start(check: str | None, **env: str) -> Any:
        host = boot(ADAPTER, env=env)
        host.ready()
        return host.fork(2, lane_kind="thread", **({} if check is None else {"check_threads": check}))

    return start


def both(it: Any, command: str) -> list[Any]:
    calls = [it.start(command, lane=lane) for lane in (0, 1)]
    return [it.finish(ident, lane).json for lane, ident in enumerate(calls)]


@pytest.mark.parametrize("check", [None, "off"])
def test_unless_asked_for_nothing_is_loaded_nor_wrapped(checked: Start, check: str | None) -> None:
    it = checked(check)
    both(it, "predict")
    assert it.call("is_watched") == [False, False, False]
    it.sync()
    assert it.notices == []


def test_lanes_that_use_a_shared_object_at_once_are_told_once(checked: Start) -> None:
    it = checked("warn")
    for _ in range(3):
        both(it, "predict")
    assert it.call("is_watched") == [True, True, True]
    it.sync()
    (notice,) = it.notices
    assert notice.json["kind"] == "thread_overlap"
    assert notice.json["subject"] == "one Model"
    first, second = notice.json["uses"]
    assert first == second
    assert first.startswith("Model.predict at ")
    assert first.endswith("adapter_under_test.py:%d in predict" % (1 + line_of("model.predict()")))
    assert notice.ident in (1, 2)


def test_threads_of_a_call_that_use_its_adapter_at_once_are_told(checked: Start) -> None:
    it = checked("warn")
    it.call("own_threads")
    it.sync()
    assert [notice.json["subject"] for notice in it.notices] == ["one Adapter"]


def test_lanes_that_meet_while_they_are_set_up_are_told(checked: Start) -> None:
    it = checked("warn", MEET="yes")
    it.sync()
    assert [notice.ident for notice in it.notices] == [0]


def test_lanes_have_adapters_of_their_own(checked: Start) -> None:
    it = checked("strict")
    for step in (1, 2):
        assert both(it, "own") == [step, step]
    it.sync()
    assert it.notices == []


def test_a_strict_worker_fails_the_later_call_and_serves_on(checked: Start) -> None:
    it = checked("strict")
    holding = it.start("hold", lane=0)
    error = it.finish(it.start("look", lane=1), 1).json
    assert error["kind"] == "exception"
    assert error["type"] == "snakepit_bridge.ThreadSafetyError"
    assert "Model.hold at " in error["message"]
    assert "Model.look at " in error["message"]
    assert error["frames"][-1]["function"] == "look"
    it.cancel(holding)
    assert it.finish(holding, 0).json["kind"] == "cancelled"
    # The one that was interrupted has left.
    holding = it.start("hold", lane=1)
    it.cancel(holding)
    assert it.finish(holding, 1).json["kind"] == "cancelled"


def test_connections_are_watched_from_the_start(checked: Start) -> None:
    it = checked("warn")
    assert it.call("query") == {"$": ["tuple", ["Connection", 1]]}


def test_an_unknown_way_of_checking_is_a_protocol_error(boot: Callable[..., Any]) -> None:
    host = boot(ADAPTER)
    host.ready()
    it = host.launch(2, check_threads="sometimes")
    host.forked(it)
    assert it.control.read() is None
    assert host.exited()["code"] == wire.EXIT_PROTOCOL
    assert b"check_threads" in it.read_output()


def line_of(text: str) -> int:
    lines = ADAPTER.splitlines()
    return max(number for number, line in enumerate(lines) if text in line)
