"""Calls: arguments, results, errors, adapters of every shape."""

from __future__ import annotations

import time
from typing import Any, Callable

import pytest

from snakepit_bridge import _wire as wire

Start = Callable[..., Any]

ADAPTER = """
    import asyncio, dataclasses, os, sys
    from snakepit_bridge import current_call, tool

    def setup():
        print("set up")

    def cleanup():
        print("clean" + "ed")

    def echo(value=None, *rest, **named):
        return [value, list(rest), named]

    def same(value):
        return value

    def needs(name, *, size=1):
        return name

    def fails(text):
        return helper(text)

    def helper(text):
        try:
            {}["missing"]
        except KeyError as error:
            raise ValueError(text) from error

    def fails_at_length(size):
        raise ValueError("\\0" * size)

    def leaves(code):
        sys.exit(code)

    def dies(code):
        os._exit(code)

    def endless():
        return endless()

    def bad_type():
        return len(5)

    def wrong_inner_call():
        return needs()

    class Rude(Exception):
        def __str__(self):
            raise RuntimeError("no text for you")

    def rude():
        raise Rude

    def interrupt():
        raise KeyboardInterrupt

    def opaque():
        return {"rows": [1, object()]}

    def large(size):
        return "x" * size

    def large_bytes(size):
        return bytes(size)

    def context():
        call = current_call()
        return [call.id, call.command, call.session, call.traceparent, call.deadline, call.remaining() is not None,
                call.cancelled, call is current_call()]

    async def wait_a_bit(value):
        await asyncio.sleep(0)
        return value, id(asyncio.get_running_loop())

    async def async_fails():
        raise LookupError("gone")

    def squares(n):
        for i in range(n):
            yield i * i

    async def async_squares(n):
        for i in range(n):
            await asyncio.sleep(0)
            yield i * i
"""


@pytest.fixture
def it(worker: Start) -> Any:
    return worker(ADAPTER)


def test_hooks_are_not_commands_and_run_once_each(it: Any) -> None:
    names = [command["name"] for command in it.info["commands"]]
    assert "setup" not in names
    assert "cleanup" not in names
    it.stop()
    assert it.host.exited()["code"] == 0
    while True:
        frame = it.control.read()
        if frame is None:
            break
        it.logs.append(frame)
    assert it.texts("stdout") == ["set up", "cleaned"]


def test_arguments_arrive_as_they_were_sent(it: Any) -> None:
    assert it.call("echo") == [None, [], {}]
    assert it.call("echo", 1, "b", kwargs={"c": [2.5], "d e": None}) == [1, ["b"], {"c": [2.5], "d e": None}]
    assert it.call("same", {"$": ["tuple", [1, {"$": ["int", "99999999999999999999"]}]]}) == {
        "$": ["tuple", [1, {"$": ["int", "99999999999999999999"]}]]
    }
    it.lanes[0].send(wire.CALL, b'["echo"]', 77)
    assert it.finish(77).json == [None, [], {}]


@pytest.mark.parametrize(
    "text",
    [
        b'["context"]{"session":"s-1","traceparent":"00-ab"}',
        b'["context",[],{},null,{"session":"s-1","traceparent":"00-ab"}]',
        b'["context",[],{},null] {"session":"s-1","traceparent":"00-ab","later":[1]} ',
    ],
)
def test_a_context_is_an_item_of_its_call_or_follows_it(it: Any, text: bytes) -> None:
    it.lanes[0].send(wire.CALL, text, 78)
    assert it.finish(78).json[:4] == [78, "context", "s-1", "00-ab"]


def test_space_after_a_call_is_no_context(it: Any) -> None:
    it.lanes[0].send(wire.CALL, b'["context"] \n', 78)
    assert it.finish(78).json[:4] == [78, "context", None, None]


@pytest.mark.parametrize("context", [b"{", b"[]", b"]"])
def test_a_context_that_is_none_is_noticed_by_those_who_ask(it: Any, context: bytes) -> None:
    it.lanes[0].send(wire.CALL, b'["echo"]' + context, 78)
    assert it.finish(78).json == [None, [], {}]
    it.lanes[0].send(wire.CALL, b'["context"]' + context, 79)
    assert it.finish(79).json["type"] == "snakepit_bridge._wire.ProtocolError"


def test_bytes_travel_outside_the_text(it: Any) -> None:
    data = bytes(range(256)) * 400
    text = b'["same",[{"$":["bytes",0]}]]'
    body = b"\x01\0\0\0" + len(data).to_bytes(8, "little") + text + data
    it.lanes[0].send(wire.CALL, body, 5, wire.FLAG_BUFFERS)
    frame = it.finish(5)
    assert frame.flags == wire.FLAG_BUFFERS
    assert frame.body == b"\x01\0\0\0" + len(data).to_bytes(8, "little") + b'{"$":["bytes",0]}' + data


def test_an_exception_is_told_with_its_frames_and_cause(it: Any) -> None:
    error = it.fail("fails", "bad input")
    assert (error["kind"], error["type"], error["message"]) == ("exception", "ValueError", "bad input")
    assert [frame["function"] for frame in error["frames"]] == ["fails", "helper"]
    assert error["frames"][1]["text"] == "raise ValueError(text) from error"
    assert error["frames"][0]["file"].endswith("adapter_under_test.py")
    assert error["cause"]["type"] == "KeyError"
    assert error["cause"]["cause"] is None


def test_the_lane_survives_every_exception(it: Any) -> None:
    error = it.fail("leaves", 3)
    assert (error["type"], error["message"]) == ("SystemExit", "3")
    assert "sys.exit" in error["hint"]
    error = it.fail("endless")
    assert error["type"] == "RecursionError"
    assert len(error["frames"]) == 50
    assert "no text" not in it.fail("rude")["message"]
    assert it.fail("interrupt")["type"] == "KeyboardInterrupt"
    assert it.fail("bad_type")["kind"] == "exception"
    assert it.fail("async_fails")["message"] == "gone"
    assert it.call("echo") == [None, [], {}]


def test_messages_are_bounded(it: Any) -> None:
    error = it.fail("fails", "\u00e4" * 20_000)
    assert len(error["message"].encode()) <= 16 * 1024
    assert "bytes cut" in error["message"]


def test_arguments_that_do_not_fit_run_nothing(it: Any) -> None:
    error = it.fail("needs")
    assert error["kind"] == "bad_arguments"
    assert error["message"] == "needs() missing a required argument: 'name'"
    assert error["hint"] == "its signature is needs(name, *, size=1)"
    assert it.fail("needs", 1, 2)["kind"] == "bad_arguments"
    assert it.fail("needs", "a", kwargs={"colour": 1})["kind"] == "bad_arguments"
    assert it.fail("wait_a_bit")["kind"] == "bad_arguments"
    assert it.fail("squares")["kind"] == "bad_arguments"
    assert it.fail("same", {"$": ["set", [[]]]})["kind"] == "bad_arguments"
    inner = it.fail("wrong_inner_call")
    assert inner["kind"] == "exception"
    assert [frame["function"] for frame in inner["frames"]] == ["wrong_inner_call"]


def test_an_unknown_command_names_its_neighbours(it: Any) -> None:
    error = it.fail("ehco")
    assert error["kind"] == "unknown_command"
    assert "'echo'" in error["message"]
    assert "squares" in error["hint"]
    assert it.fail("helper_that_is_not")["kind"] == "unknown_command"


def test_a_late_call_is_not_started(it: Any) -> None:
    assert it.fail("dies", 1, deadline=time.monotonic_ns())["kind"] == "expired"
    assert it.call("same", 1, deadline=time.monotonic_ns() + 10**12) == 1


def test_a_result_that_cannot_be_carried_names_the_place(it: Any) -> None:
    error = it.fail("opaque")
    assert error["kind"] == "unserialisable"
    assert error["message"].startswith("result['rows'][1]: object of type object cannot be carried")


@pytest.mark.parametrize("command", ["large", "large_bytes"])
def test_a_result_over_the_limit_is_refused_with_both_sizes(it: Any, command: str) -> None:
    assert len(it.finish(it.start(command, (1 << 20) - 100)).body) > (1 << 20) - 101
    error = it.fail(command, 1 << 20)
    assert error["kind"] == "too_large"
    assert str(1 << 20) in error["message"]
    assert "stream" in error["hint"]


def test_even_errors_fit_a_small_frame(worker: Start) -> None:
    it = worker(ADAPTER, max_frame=2048)
    error = it.fail("fails_at_length", 5000)
    assert error["kind"] == "exception"


def test_the_call_can_be_asked_about(it: Any) -> None:
    ident = it.start("context", session="s-1", traceparent="00-ab", deadline=10**18)
    assert it.finish(ident).json == [ident, "context", "s-1", "00-ab", 1e9, True, False, True]
    ident = it.start("context")
    assert it.finish(ident).json == [ident, "context", None, None, None, False, False, True]


def test_coroutines_share_one_loop_per_lane(it: Any) -> None:
    first, second = it.call("wait_a_bit", 1), it.call("wait_a_bit", 2)
    assert first["$"][1][0] == 1
    assert first["$"][1][1] == second["$"][1][1]


def test_a_generator_without_stream_answers_with_a_list(it: Any) -> None:
    assert it.call("squares", 4) == [0, 1, 4, 9]
    assert it.call("async_squares", 4) == [0, 1, 4, 9]


def test_os_exit_is_reported_by_the_boot_process(it: Any) -> None:
    it.start("dies", 7)
    assert it.lanes[0].read() is None
    assert it.host.exited() == {"pid": it.pid, "code": 7}


CLASS = """
    from snakepit_bridge import BaseAdapter, tool

    class Base:
        @tool
        def inherited(self): return "base"

        @tool
        def overridden(self): return "base"

    class Adapter(BaseAdapter, Base):
        def initialize(self):
            self.steps = ["initialize"]

        async def setup(self):
            self.steps.append("setup")

        @tool
        def steps_taken(self, extra: int = 0): return self.steps + [self.arguments]

        @tool(name="renamed", description="Does it.")
        def other(self): return 1

        @tool("the original's way")
        def positional(self): return 2

        @tool
        @staticmethod
        def static(x): return x

        @classmethod
        @tool
        def klass(cls): return cls.__name__

        def overridden(self): return "derived"

        def not_a_tool(self): return 3
"""


@pytest.mark.parametrize("suffix", ["", ":Adapter"])
def test_a_class_offers_its_tools(worker: Start, suffix: str) -> None:
    it = worker(CLASS, suffix, arguments={"a": {"$": ["tuple", [1]]}})
    commands = {command["name"]: command for command in it.info["commands"]}
    assert set(commands) == {
        "inherited", "overridden", "steps_taken", "renamed", "positional", "static", "klass",
    }  # fmt: skip
    assert commands["steps_taken"]["signature"] == "(extra: int = 0)"
    assert commands["static"]["signature"] == "(x)"
    assert commands["klass"]["signature"] == "()"
    assert commands["renamed"]["doc"] == "Does it."
    assert commands["positional"]["doc"] == "the original's way"
    assert it.call("steps_taken") == ["initialize", "setup", {"a": {"$": ["tuple", [1]]}}]
    assert [it.call("overridden"), it.call("inherited")] == ["derived", "base"]
    assert [it.call("static", 5), it.call("klass"), it.call("renamed")] == [5, "Adapter", 1]
    assert it.fail("static")["kind"] == "bad_arguments"


def test_an_allow_list_is_obeyed(worker: Start) -> None:
    it = worker(
        """
        import functools
        from math import sqrt
        from snakepit_bridge import tool
        __all__ = ["sqrt", "cached", "Kind"]

        class Kind: pass

        @functools.lru_cache()
        def cached(x): return x

        def unlisted(): pass

        @tool
        def _marked(): return "marked"
        """
    )
    assert {command["name"] for command in it.info["commands"]} == {"sqrt", "cached", "_marked"}
    assert it.call("sqrt", 16) == 4.0
    assert it.fail("sqrt", "x")["kind"] == "exception"


def test_a_dotted_module_is_found_on_the_paths(adapter: Start, tmp_path: Any) -> None:
    from host import Host

    adapter("", "somewhere/pkg/__init__.py")
    adapter("from . import helper\ndef f(): return helper.X", "somewhere/pkg/tools.py")
    adapter("X = 5", "somewhere/pkg/helper.py")
    with Host("pkg.tools", paths=[str(tmp_path / "somewhere")]) as host:
        host.ready()
        assert host.fork().call("f") == 5
    with Host("pkg.tools", cwd=str(tmp_path / "somewhere")) as host:
        host.ready()


def test_a_file_sees_its_own_directory_as_python_would_show_it(adapter: Start) -> None:
    from host import Host

    adapter("X = 6", "sub/neighbour_of_it.py")
    path = adapter(
        """
        import pickle, neighbour_of_it
        class C: pass
        def f(): return [neighbour_of_it.X, __name__, len(pickle.dumps(C())) > 0]
        """,
        "sub/it_self.py",
    )
    with Host(path) as host:
        host.ready()
        assert host.fork().call("f") == [6, "it_self", True]


def test_a_file_named_like_a_standard_module_replaces_nothing(adapter: Start) -> None:
    from host import Host

    with Host(adapter("import json as real\ndef f(): return real.dumps([1])", "json.py")) as host:
        host.ready()
        assert host.fork().call("f") == "[1]"


def test_pong_tells_what_is_going_on(it: Any) -> None:
    assert it.sync() == {"busy": [0], "served": 0}
    it.call("echo")
    it.until(lambda: it.sync() == {"busy": [0], "served": 1})


def test_stop_waits_for_the_call_in_progress(worker: Start) -> None:
    it = worker(
        """
        import os
        def wait(path):
            with open(path) as fifo:
                return fifo.read()
        def cleanup():
            print("done")
        """
    )
    import os
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "fifo")
        os.mkfifo(path)
        ident = it.start("wait", path)
        with open(path, "w") as fifo:
            it.stop()
            it.sync()
            fifo.write("finished")
        assert it.finish(ident).json == "finished"
    assert it.host.exited()["code"] == 0
