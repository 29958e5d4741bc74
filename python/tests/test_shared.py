"""`shared`: one object, built once, whoever asks and however that goes wrong."""

from __future__ import annotations

import os
import threading
from typing import Any, Callable

import pytest

from snakepit_bridge import Shared, shared

PATIENCE = 30


def in_threads(count: int, function: Callable[[], Any]) -> list[Any]:
    """What each of `count` threads got, or the exception it got instead."""
    outcomes: list[Any] = []

    def run() -> None:
        try:
            outcomes.append(function())
        except BaseException as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(outcomes) == count
    return outcomes


def waiting_for(attempt_of: Shared[Any], count: int) -> None:
    """Until that many threads wait for the object."""
    from snakepit_bridge._shared import _waiting

    while sum(attempt in attempt_of._attempts.values() for attempt in list(_waiting.values())) < count:
        threading.Event().wait(0)


def test_it_is_built_once_while_all_others_wait() -> None:
    built: list[int] = []

    def build() -> list[int]:
        waiting_for(model, 7)
        built.append(1)
        return built

    model = shared(build)
    found = in_threads(8, model)
    assert all(each is built for each in found)
    assert built == [1]
    assert model() is built


def test_nothing_is_built_before_somebody_asks() -> None:
    model = shared(lambda: pytest.fail("nobody asked"))
    assert "not built yet" in repr(model)
    assert not hasattr(model, "__wrapped__")
    assert not hasattr(model, "_private")


def test_it_is_a_decorator_and_lends_its_attributes() -> None:
    @shared
    def names() -> list[str]:
        """The names."""
        return ["a"]

    @shared(read_only=True)
    def numbers() -> dict[str, int]:
        return {}

    names.append("b")
    assert names() == ["a", "b"]
    assert numbers().get("a") is None
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        _ = names.absent


def test_who_waited_gets_what_the_factory_raised_and_the_next_one_asks_again() -> None:
    attempts = []

    def build() -> str:
        attempts.append(1)
        if len(attempts) == 1:
            waiting_for(model, 3)
            raise ValueError("no model here")
        return "a model"

    model = shared(build)
    errors = in_threads(4, model)
    assert [str(error) for error in errors] == ["no model here"] * 4
    assert model() == "a model"
    assert len(attempts) == 2


def test_who_waits_for_one_that_was_interrupted_tries_again() -> None:
    attempts = []

    def build() -> str:
        attempts.append(1)
        if len(attempts) == 1:
            waiting_for(model, 3)
            raise KeyboardInterrupt
        return "a model"

    model = shared(build)
    found = in_threads(4, model)
    assert sorted(map(type, found), key=str) == [KeyboardInterrupt, str, str, str]
    assert len(attempts) == 2


def test_an_attempt_that_nobody_is_at_any_more_is_replaced() -> None:
    from snakepit_bridge._shared import _Attempt

    model = shared(lambda: "a model")
    model._attempts[os.getpid()] = _Attempt()
    waiter = threading.Thread(target=model)
    waiter.start()
    waiting_for(model, 1)
    assert model() == "a model"
    waiter.join(PATIENCE)
    assert not waiter.is_alive()


def test_a_factory_that_needs_its_own_object_is_refused() -> None:
    model: Shared[Any] = shared(lambda: model())
    with pytest.raises(RuntimeError, match="waits for the object it is to make"):
        model()


def test_factories_that_need_each_others_objects_are_refused() -> None:
    both = threading.Barrier(2)

    def build(other: Callable[[], Any]) -> Any:
        if not both.broken:
            both.wait(PATIENCE)
            both.abort()
        return other()

    left: Shared[Any] = shared(lambda: build(lambda: right()))
    right: Shared[Any] = shared(lambda: build(lambda: left()))
    sides = [left, right]
    outcomes = in_threads(2, lambda: sides.pop()())
    assert any(isinstance(outcome, RuntimeError) for outcome in outcomes)
    assert all(isinstance(outcome, (RuntimeError, threading.BrokenBarrierError)) for outcome in outcomes), outcomes


def test_what_is_no_factory_is_refused() -> None:
    with pytest.raises(TypeError, match="a function that makes the object, not a list"):
        shared([])  # type: ignore[call-overload]

    async def build() -> str:
        return "never"

    with pytest.raises(TypeError, match="async"):
        shared(build)()  # type: ignore[unused-coroutine]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_copy_builds_what_another_thread_was_building_here() -> None:
    here, forked = os.getpid(), threading.Event()

    def build() -> int:
        if os.getpid() == here:
            building.set()
            forked.wait(PATIENCE)
        return os.getpid()

    building = threading.Event()
    model = shared(build)
    thread = threading.Thread(target=model)
    thread.start()
    building.wait(PATIENCE)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, b"%d" % model())
        os._exit(0)
    os.close(writer)
    assert os.waitpid(pid, 0)[1] == 0
    assert int(os.read(reader, 100)) == pid
    os.close(reader)
    forked.set()
    thread.join()
    assert model() == here


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_copy_has_what_was_built_before() -> None:
    model = shared(lambda: [os.getpid()])
    assert model() == [os.getpid()]
    pid = os.fork()
    if pid == 0:
        os._exit(0 if model() == [os.getppid()] else 1)
    assert os.waitpid(pid, 0)[1] == 0


SHARING = """
    import os
    from snakepit_bridge import BaseAdapter, shared, tool

    built = []

    @shared
    def model():
        built.append(os.getpid())
        return object()

    class Adapter(BaseAdapter):
        @tool
        def which(self):
            return [id(model()), len(built)]
"""


def test_lanes_of_a_process_share_and_processes_do_not(worker: Callable[..., Any]) -> None:
    it = worker(SHARING, lanes=2, kind="thread")
    calls = [it.start("which", lane=lane) for lane in (0, 1)]
    first, second = (it.finish(ident, lane).json for lane, ident in enumerate(calls))
    assert first[0] == second[0]
    assert it.call("which") == [first[0], 1]
    other = it.host.fork(2, lane_kind="thread")
    assert other.call("which")[1] == 1


INTERRUPTED = """
    import socket
    from snakepit_bridge import BaseAdapter, shared, tool

    attempts = []

    @shared
    def model():
        attempts.append(1)
        if len(attempts) == 1:
            ours.recv(1)  # raises while the interruption is on its way
        return "a model"

    class Adapter(BaseAdapter):
        __thread_safe__ = True

        @tool
        def prepare(self):
            global ours, theirs
            ours, theirs = socket.socketpair()
            ours.send(b"unread, so that closing is a reset")

        @tool
        def ask(self):
            return model()

        @tool
        def asked(self):
            return len(attempts)

        @tool
        def reset(self):
            theirs.close()
"""


def test_an_interruption_that_arrives_during_a_failure_leaves_nobody_waiting(worker: Callable[..., Any]) -> None:
    it = worker(INTERRUPTED, lanes=2, kind="thread")
    it.call("prepare")
    call = it.start("ask", lane=0)
    while not it.call("asked", lane=1):
        pass
    it.cancel(call)
    it.sync()
    it.call("reset", lane=1)
    error = it.finish(call, lane=0).json
    assert error["kind"] == "cancelled"
    calls = [it.start("ask", lane=lane) for lane in (0, 1)]
    assert [it.finish(ident, lane).json for lane, ident in enumerate(calls)] == ["a model"] * 2
    assert it.call("asked") == 2
