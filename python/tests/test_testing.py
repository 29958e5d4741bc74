"""`snakepit_bridge.testing`: an adapter in a unit test behaves as it does in a worker, and leaves nothing behind."""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from snakepit_bridge import BaseAdapter, RawArray, ToolError, context, current_call, telemetry, tool
from snakepit_bridge._api import LANES
from snakepit_bridge.testing import LoadedAdapter, LoadError, Refused, fixture, load

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Greeter(BaseAdapter):
    """What most tests load."""

    greeting = ""

    def initialize(self) -> None:
        self.greeting = self.arguments.get("greeting", "hello")
        self.thread = threading.get_ident()

    def cleanup(self) -> None:
        self.arguments.get("ended", []).append(threading.get_ident())

    @tool
    def greet(self, name: str, mark: str = "!") -> str:
        assert threading.get_ident() == self.thread
        return "%s %s%s" % (self.greeting, name, mark)

    @tool
    def echo(self, value: Any) -> Any:
        return value

    @tool
    def count(self, to: int) -> Iterator[int]:
        try:
            for number in range(to):
                yield number
        finally:
            telemetry.emit("count.ended", {"at": number})

    @tool
    async def wait(self, seconds: float) -> str:
        import asyncio

        await asyncio.sleep(seconds)
        return "waited"

    @tool
    def fail(self, error: str) -> None:
        raise {"value": ValueError, "exit": SystemExit, "type": TypeError}[error]("failed")

    @tool
    def opaque(self, depth: int) -> Any:
        return {"a": [threading.Lock()]} if depth else threading.Lock()

    @tool
    def spin(self) -> None:
        while True:
            time.sleep(0.001)

    @tool
    def describe(self) -> Any:
        call = current_call()
        assert call is not None
        with telemetry.span("describe"):
            context.log.info("describing")
        return call.session, call.remaining(), call.call_id == call.id

    @tool
    def ask(self, name: str, *args: Any) -> Any:
        return context.call(name, *args)

    @tool
    def tools(self) -> Any:
        return [known["name"] for known in context.tools()]

    @tool
    def total(self, values: Any) -> int:
        return sum(values)

    @tool
    def double(self, values: Any) -> Iterator[str]:
        for value in values:
            yield value + value

    @tool
    def take_one(self, values: Any) -> None:
        next(iter(values))
        while True:
            time.sleep(0.001)

    @tool
    def tell(self, name: str) -> None:
        call = current_call()
        assert call is not None
        thread = threading.Thread(target=call.telemetry.emit, args=(name + ".thread",))
        thread.start()
        thread.join()
        telemetry.emit(name)

    @tool
    def visit(self) -> int:
        context.state["visits"] = context.state.get("visits", 0) + 1
        return int(context.state["visits"])

    def save_session(self, session: str, state: Any) -> bytes:
        return b"%d" % state["visits"] if state else b""

    def load_session(self, session: str, left: bytes) -> Any:
        return {"visits": int(left)}

    def session_closed(self, session: str, state: Any) -> None:
        self.arguments.get("ended", []).append((session, state.get("visits")))


@pytest.fixture
def greeter() -> Iterator[LoadedAdapter]:
    before = descriptors()
    with load(Greeter) as adapter:
        yield adapter
    del adapter
    gc.collect()
    assert descriptors() == before
    assert not LANES.by_thread


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_commands_are_called_as_a_worker_calls_them(greeter: LoadedAdapter) -> None:
    assert greeter.commands[:2] == ["greet", "echo"]
    assert greeter.call("greet", "Ada") == "hello Ada!"
    assert greeter.call("greet", name="Ada", mark="?") == "hello Ada?"
    assert greeter.call("wait", 0) == "waited"
    assert greeter.call("count", 3) == [0, 1, 2]
    assert list(greeter.stream("count", 40)) == list(range(40))
    assert list(greeter.stream("greet", "Ada")) == ["hello Ada!"]


def test_values_are_converted_both_ways(greeter: LoadedAdapter) -> None:
    for value in (None, 2**80, b"\0" * 300_000, {1: (2, {3})}, float("inf"), [1, [2.5]], "x" * 100_000):
        assert greeter.call("echo", value) == value
        assert type(greeter.call("echo", value)) is type(value)
    array = greeter.call("echo", RawArray("<i4", (2,), b"\1\0\0\0\2\0\0\0"))
    assert bytes(array.data if isinstance(array, RawArray) else array.tobytes()) == b"\1\0\0\0\2\0\0\0"
    with pytest.raises(Refused, match="unserialisable") as refused:
        greeter.call("opaque", 1)
    assert refused.value.kind == "unserialisable"
    with pytest.raises(Refused, match="unserialisable"):
        list(greeter.stream("opaque", 0))
    with pytest.raises(Exception, match="lock"):
        greeter.call("echo", threading.Lock())
    assert greeter.call("greet", "Ada") == "hello Ada!"


def test_what_a_host_would_be_refused_is_refused(greeter: LoadedAdapter) -> None:
    with pytest.raises(Refused, match=r"bad_arguments: greet\(\).*name") as refused:
        greeter.call("greet")
    assert refused.value.kind == "bad_arguments"
    with pytest.raises(Refused, match="did you mean 'greet'"):
        greeter.call("great", "Ada")
    with load(Greeter, max_payload=1000) as small, pytest.raises(Refused, match="too_large"):
        small.call("greet", "Ada" * 400)


@pytest.mark.parametrize("error", [ValueError, SystemExit, TypeError])
def test_the_exception_itself_is_raised_with_its_traceback(greeter: LoadedAdapter, error: type[BaseException]) -> None:
    name = {ValueError: "value", SystemExit: "exit", TypeError: "type"}[error]
    for call in (greeter.call, lambda *args: list(greeter.stream(*args))):
        with pytest.raises(error, match="failed") as raised:
            call("fail", name)
        assert raised.traceback[-1].name == "fail"


def test_a_stream_is_read_lazily_and_closing_it_ends_the_generator(greeter: LoadedAdapter) -> None:
    stream = greeter.stream("count", 10**9)
    assert [next(stream), next(stream)] == [0, 1]
    with pytest.raises(RuntimeError, match="one at a time"):
        greeter.call("greet", "Ada")
    stream.close()  # type: ignore[attr-defined]
    (event,) = greeter.events
    assert event.name == "count.ended"
    assert event.measurements["at"] < 100
    assert greeter.call("greet", "Ada") == "hello Ada!"


@pytest.mark.parametrize(("command", "args"), [("spin", ()), ("wait", (600,))])
def test_a_deadline_interrupts(greeter: LoadedAdapter, command: str, args: Any) -> None:
    with pytest.raises(TimeoutError, match=command):
        greeter.given(timeout=0.05).call(command, *args)
    with pytest.raises(TimeoutError, match="spin"):
        greeter.given(timeout=-1).call("spin")
    assert greeter.call("greet", "Ada") == "hello Ada!"


def test_a_command_sees_its_caller(greeter: LoadedAdapter) -> None:
    caller = greeter.given(session="s-1", timeout=600, traceparent="00-%s-00f067aa0ba902b7-01" % TRACE)
    session, remaining, same = caller.call("describe")
    assert (session, same) == ("s-1", True)
    assert 0 < remaining < 600
    start, stop = greeter.events
    assert (start.name, stop.name) == ("describe.start", "describe.stop")
    assert start.span is not None
    assert start.span["trace"] == TRACE
    assert start.call == stop.call > 0
    assert stop.metadata == {"error": False}
    (record,) = greeter.logs
    assert (record.getMessage(), record.levelname) == ("describing", "INFO")
    assert greeter.call("describe")[:2] == (None, None)


def test_arguments_reach_the_constructor_and_cleanup_runs_on_the_lanes_thread() -> None:
    ended: list[int] = []
    with load(Greeter, {"greeting": "hi", "ended": ended}) as adapter:
        assert adapter.call("greet", "Ada") == "hi Ada!"
        assert ended == []
    assert len(ended) == 1
    assert ended[0] != threading.get_ident()


def test_a_tool_of_the_host_is_a_function_of_the_test() -> None:
    async def later(number: int) -> int:
        return number + 1

    def broken() -> None:
        raise KeyError("no")

    with load(Greeter, tools={"add": lambda a, b: a + b, "later": later, "broken": broken}) as adapter:
        assert adapter.call("ask", "add", 1, 2) == 3
        assert adapter.call("ask", "later", 1) == 2
        with pytest.raises(ToolError, match="KeyError: 'no'"):
            adapter.call("ask", "broken")
        with pytest.raises(ToolError, match="'add', 'later', 'broken'"):
            adapter.call("ask", "missing")
        assert adapter.call("tools") == ["add", "later", "broken"]


def test_an_input_is_read_as_it_comes(greeter: LoadedAdapter) -> None:
    taken = []

    def items(many: int) -> Iterator[int]:
        for number in range(many):
            taken.append(number)
            yield number

    assert greeter.call("total", values=items(100)) == sum(range(100))
    assert len(taken) == 100
    with pytest.raises(ToolError, match="ZeroDivisionError"):
        greeter.call("total", values=(1 // number for number in (1, 0)))
    assert greeter.call("total", values=iter([])) == 0


def test_items_and_chunks_may_be_larger_than_the_kernel_holds(greeter: LoadedAdapter) -> None:
    items = ["x" * 200_000] * 20
    assert list(greeter.stream("double", values=iter(items))) == ["x" * 400_000] * 20
    with pytest.raises(TimeoutError, match="take_one"):
        greeter.given(timeout=0.1).call("take_one", values=iter(items))
    assert greeter.call("greet", "Ada") == "hello Ada!"


def test_a_second_input_is_refused(greeter: LoadedAdapter) -> None:
    with pytest.raises(TypeError, match="one input, not values, others"):
        greeter.call("total", values=iter([1]), others=iter([2]))
    assert greeter.call("greet", "Ada") == "hello Ada!"


def test_events_reach_the_adapter_that_tells_them() -> None:
    one, two = load(Greeter), load(Greeter)
    for each, name in ((one, "one"), (two, "two"), (one, "again")):
        each.call("tell", name)
    one.close()  # not in the order that would be convenient
    two.call("tell", "after")
    two.close()
    assert [event.name for event in one.events] == ["one.thread", "one", "again.thread", "again"]
    assert [event.name for event in two.events] == ["two.thread", "two", "after.thread", "after"]
    assert telemetry.emit("nobody") is False


def test_a_class_within_another_is_an_adapter() -> None:
    class Inner(Greeter):
        @tool
        def inner(self) -> str:
            return "inner"

    with load(Inner) as adapter:
        assert adapter.call("inner") == "inner"


def test_a_session_keeps_its_state_and_can_move() -> None:
    ended: list[Any] = []
    with load(Greeter, {"ended": ended}) as one, load(Greeter) as two:
        assert [one.given(session="ada").call("visit") for _ in range(2)] == [1, 2]
        assert one.given(session="bob").call("visit") == 1
        assert two.given(session="ada").call("visit") == 1, "another adapter's session of that name"
        left = one.left("ada")
        assert left == b"2"
        assert two.given(session="eve", left=left).call("visit") == 3
        one.end_session("bob")
        assert ended == [("bob", 1)]
        with pytest.raises(RuntimeError, match="no session"):
            one.call("visit")
    assert ended[1] == ("ada", 2)


def test_files_and_modules_with_their_hooks(adapter: Callable[..., str], tmp_path: Path) -> None:
    source = """
        import beside
        STATE = []
        def setup(size=1): STATE.append(size)
        def cleanup(): STATE.append("cleaned")
        def state(): return list(STATE)
        def help(): return beside.HELP
    """
    path = adapter(source, "hooked_adapter.py")
    (tmp_path / "beside.py").write_text("HELP = 'here'\n")
    before = list(sys.path)
    with load(Path(path), {"size": 3}) as loaded:
        assert loaded.call("state") == [3]
        assert loaded.call("help") == "here"
    assert sys.path == before
    module = sys.modules.pop("hooked_adapter")
    assert module.STATE == [3, "cleaned"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import not_there", "ModuleNotFoundError"),
        ("def f(:\n", "SyntaxError"),
        ("X = 1", "offers no command"),
        ("class A:\n    pass\n", "offers no command"),
        ("1 / 0", "ZeroDivisionError.*\n.*broken_adapter.py:1"),
    ],
)
def test_an_adapter_that_cannot_be_used_says_why(adapter: Callable[..., str], source: str, message: str) -> None:
    path = adapter(source, "broken_adapter.py")
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    with pytest.raises(LoadError, match=message):
        load(path)
    assert (logging.getLogger().handlers, logging.getLogger().level) == (handlers, level)
    sys.modules.pop("broken_adapter", None)


def test_what_setting_up_raises_is_raised_and_no_thread_is_left() -> None:
    threads = threading.active_count()
    for hook in ("__init__", "initialize"):
        Failing = type("Failing", (BaseAdapter,), {"ping": tool(lambda self: 1), hook: lambda self: 1 / 0})  # noqa: N806
        Failing.__module__ = __name__
        globals()["Failing"] = Failing
        with pytest.raises(ZeroDivisionError):
            load(Failing)
    assert threading.active_count() == threads


loaded = fixture(Greeter, {"greeting": "hey"}, scope="module")


def test_a_fixture_is_the_adapter(loaded: LoadedAdapter) -> None:
    assert loaded.call("greet", "Ada") == "hey Ada!"


def test_no_test_framework_is_imported_by_importing(tmp_path: Path) -> None:
    import subprocess

    code = "import sys, snakepit_bridge.testing; sys.exit('pytest' in sys.modules)"
    source = str(Path(__file__).resolve().parents[1] / "src")
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": source})
