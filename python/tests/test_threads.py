"""Lanes on threads: in calls at the same time, each with an instance of its own, for as long as the worker lives."""

from __future__ import annotations

import os
import sys
from typing import Any, Callable

import pytest

from snakepit_bridge import _wire as wire

Start = Callable[..., Any]

ADAPTER = """
    import contextvars, threading, time
    from snakepit_bridge import BaseAdapter, current_call, tool

    LEFT_BEHIND = contextvars.ContextVar("LEFT_BEHIND", default="nothing")
    LEFT_BEHIND.set("by the import")
    barrier = threading.Barrier(4)

    class Adapter(BaseAdapter):
        def initialize(self):
            self.count = 0

        @tool
        def meet(self):
            barrier.wait(30)
            return current_call().id

        @tool
        def who(self):
            self.count += 1
            thread = threading.current_thread()
            return [id(self), thread.name, thread.ident, self.count]

        @tool
        def context(self, value):
            found = LEFT_BEHIND.get()
            LEFT_BEHIND.set(value)
            return found
"""


def test_all_lanes_are_inside_a_call_at_the_same_time(worker: Start) -> None:
    it = worker(ADAPTER, lanes=4, kind="thread")
    # Nobody leaves the barrier before all four are there.
    calls = [it.start("meet", lane=lane) for lane in range(4)]
    assert [it.finish(ident, lane).json for lane, ident in enumerate(calls)] == calls
    it.until(lambda: it.sync() == {"busy": [0] * 4, "served": 4})


def test_a_worker_of_several_lanes_leads_a_session(worker: Start) -> None:
    it = worker(ADAPTER, lanes=2, kind="thread")
    assert os.getsid(it.pid) == os.getpgid(it.pid) == it.pid


def test_each_lane_is_one_thread_with_one_instance_for_life(worker: Start) -> None:
    it = worker(ADAPTER, lanes=3, kind="thread")
    assert it.info["lane_kind"] == "thread"
    first = [it.call("who", lane=lane) for lane in range(3)]
    second = [it.call("who", lane=lane) for lane in range(3)]
    assert len({instance for instance, *_ in first}) == 3
    assert [name for _, name, _, _ in first] == ["snakepit-lane-%d" % lane for lane in range(3)]
    assert len({thread for _, _, thread, _ in first}) == 3
    assert [[*rest, count + 1] for *rest, count in first] == second


def test_a_thread_lane_starts_from_a_clean_context(worker: Start) -> None:
    it = worker(ADAPTER, lanes=2, kind="thread")
    assert it.call("context", "mine") == "nothing"
    assert it.call("context", "theirs", lane=1) == "nothing"


def test_a_single_lane_may_be_a_thread(worker: Start) -> None:
    it = worker(ADAPTER, kind="thread")
    assert it.info["lane_kind"] == "thread"
    assert it.call("who")[1] == "snakepit-lane-0"
    it.stop()
    assert it.host.exited()["code"] == 0


def test_a_single_lane_is_the_main_thread_unless_asked_otherwise(worker: Start) -> None:
    for kind in (None, "main"):
        it = worker(ADAPTER, kind=kind)
        assert it.info["lane_kind"] == "main"
        assert it.call("who")[1] == "MainThread"


def test_several_lanes_are_threads(worker: Start) -> None:
    assert worker(ADAPTER, lanes=2).info["lane_kind"] == "thread"


@pytest.mark.parametrize("kind", ["fibre", 3, ["thread"]])
def test_an_unknown_kind_of_lane_is_a_protocol_error(boot: Start, kind: Any) -> None:
    host = boot(ADAPTER)
    host.ready()
    it = host.launch(lane_kind=kind)
    host.forked(it)
    assert it.control.read() is None
    assert host.exited()["code"] == wire.EXIT_PROTOCOL
    assert b"lane_kind" in it.read_output()


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this interpreter has them")
def test_older_interpreters_say_that_they_have_no_isolated_lanes(boot: Start) -> None:
    host = boot(ADAPTER)
    host.ready()
    it = host.launch(2, lane_kind="interpreter")
    host.forked(it)
    error = it.answer(wire.FAILED).json
    assert error["kind"] == "interpreter"
    assert "3.14" in error["message"]
    assert "%d.%d.%d" % sys.version_info[:3] in error["message"]
    assert error["hint"] == "use the profile `process` or `thread`"
    assert host.exited()["code"] == 0


SHORT = """
    import os, resource

    def setup():
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        %s

    def ping():
        return "pong"
"""


@pytest.mark.parametrize(
    ("lanes", "more", "message"),
    [(1, "open(os.devnull)", "setting up 1 lane needs"), (4, "", "setting up 4 lanes needs")],
)
def test_running_out_of_descriptors_may_be_tried_again(boot: Start, lanes: int, more: str, message: str) -> None:
    host = boot(SHORT % more)
    host.ready()
    it = host.launch(lanes)
    host.forked(it)
    error = it.answer(wire.FAILED).json
    assert error["kind"] == "setup"
    assert error["message"].startswith(message)
    assert "ulimit -n" in error["hint"]
    assert host.exited()["code"] == 0
