"""Exceptions as they are told: classes, notes, causes, groups, syntax, and those that do not want to be."""

from __future__ import annotations

import sys
from typing import Any, Callable

import pytest

from snakepit_bridge import Cancelled, _traces
from snakepit_bridge._answers import is_cancellation
from snakepit_bridge._errors import describe, smaller

ADAPTER = """
class Broken(ValueError):
    pass

class Rude(Exception):
    def __str__(self):
        raise RuntimeError("no text")
    __repr__ = __str__

class Group(Exception):  # as the backports look
    def __init__(self, message, exceptions):
        super().__init__(message)
        self.exceptions = tuple(exceptions)

def broken():
    raise Broken("it is")

def rude():
    raise Rude()

def hidden():
    try:
        {}["a"]
    except KeyError:
        raise ValueError("b") from None

def context():
    try:
        {}["a"]
    except KeyError:
        raise ValueError("b")

def group():
    raise Group("several", [ValueError("a"), Group("inner", [KeyError("b")])])

def exits():
    raise SystemExit(3)

def generator_exits():
    raise GeneratorExit()

def bad_syntax():
    compile("if 1:\\n  y = = 2", "made.py", "exec")

def deep(n=3000):
    return deep(n + 1)

def long_message():
    raise ValueError("x" * 10_000_000)
"""


def described(error: BaseException) -> dict[str, Any]:
    try:
        raise error
    except BaseException as caught:
        return describe(caught, "exception")


def test_classes_are_qualified_and_nearest_first(worker: Callable[..., Any]) -> None:
    it = worker(ADAPTER)
    error = it.fail("broken")
    assert error["type"] == "adapter_under_test.Broken"
    assert error["classes"] == [
        "adapter_under_test.Broken", "builtins.ValueError", "builtins.Exception", "builtins.BaseException",
    ]  # fmt: skip
    assert it.fail("rude")["message"] == "<exception str() failed>"
    assert it.fail("exits")["classes"][0] == "builtins.SystemExit"
    assert it.fail("generator_exits")["type"] == "GeneratorExit"
    error = it.fail("long_message")
    assert len(error["message"]) <= 16 * 1024
    assert error["message"].endswith(" bytes cut]")
    assert "cause" in it.fail("broken")


def test_a_cause_and_a_context_are_told_apart(worker: Callable[..., Any]) -> None:
    it = worker(ADAPTER)
    error = it.fail("context")
    assert error["cause"] is None
    assert error["context"]["type"] == "KeyError"
    assert error["context"]["frames"][0]["text"] == '{}["a"]'
    error = it.fail("hidden")
    assert error["cause"] is None
    assert "context" not in error


def test_groups_hold_their_exceptions(worker: Callable[..., Any]) -> None:
    it = worker(ADAPTER)
    error = it.fail("group")
    first, second = error["exceptions"]
    assert (first["type"], first["message"], first["frames"]) == ("ValueError", "a", [])
    assert second["exceptions"][0]["message"] == "'b'"
    assert error["exceptions_omitted"] == 0


@pytest.mark.skipif(sys.version_info < (3, 11), reason="groups and notes came with 3.11")
def test_groups_and_notes_of_python_itself() -> None:
    group = eval("ExceptionGroup('g', [ValueError(n) for n in range(40)])")
    group.add_note("one")
    group.exceptions[3].add_note("inner")
    error = described(group)
    assert error["message"] == "g (40 sub-exceptions)"
    assert (len(error["exceptions"]), error["exceptions_omitted"]) == (15, 25)
    assert error["notes"] == ["one"]
    assert error["exceptions"][3]["notes"] == ["inner"]
    nested: Any = ValueError("x")
    for _ in range(100):
        nested = eval("ExceptionGroup")("g", [nested, nested])
    assert len(str(described(nested))) < 100_000
    odd = ValueError("x")
    vars(odd)["__notes__"] = "text"
    assert described(odd)["notes"] == ["'text'"]


def test_a_syntax_error_names_its_place(worker: Callable[..., Any]) -> None:
    it = worker(ADAPTER)
    error = it.fail("bad_syntax")
    assert error["frames"][-1]["function"] == "bad_syntax"
    syntax = error["syntax"]
    assert (syntax["file"], syntax["line"], syntax["text"]) == ("made.py", 2, "y = = 2")
    assert (syntax["column"], syntax["length"]) == (5, 1)
    assert error["message"] == "%s (made.py, line 2)" % syntax["message"]
    assert "syntax" not in described(SyntaxError("said by hand"))
    described(SyntaxError("x", ("f", "1", None, object())))  # type: ignore[arg-type]


def test_frames_left_out_are_counted(worker: Callable[..., Any]) -> None:
    error = worker(ADAPTER).fail("deep")
    assert len(error["frames"]) == 50
    limit = sys.getrecursionlimit()
    assert limit // 2 < error["frames"][10]["omitted"] <= limit
    assert "omitted" not in error["frames"][11]


def test_nothing_an_exception_does_can_hide_it() -> None:
    class Mean(Exception):
        @property
        def __cause__(self) -> Any:  # type: ignore[override]
            raise RuntimeError("cause")

        @property
        def exceptions(self) -> Any:
            raise SystemExit

        @property
        def __notes__(self) -> Any:
            raise KeyboardInterrupt

    error = described(Mean("m"))
    assert error["message"] == "m"
    assert error["cause"] is None

    class Bad(SyntaxError):
        @property
        def lineno(self) -> Any:  # type: ignore[override]
            raise SystemExit

    assert "syntax" not in described(Bad("m"))
    far = SyntaxError("m")
    far.lineno = 1 << 40
    assert described(far)["syntax"]["line"] == (1 << 32) - 1
    circle = ValueError("a")
    circle.__cause__ = KeyError("b")
    circle.__cause__.__context__ = circle
    assert described(circle)["cause"]["context"] is None
    chain: BaseException = ValueError(0)
    for number in range(100):
        chain.__context__, chain = None, chain
        outer = ValueError(number)
        outer.__cause__ = chain
        chain = outer
    assert str(described(chain)).count("'type'") == 9


def test_a_circle_of_exceptions_is_no_cancellation() -> None:
    first, second = ValueError("a"), KeyError("b")
    first.__context__, second.__context__ = second, first
    assert not is_cancellation(first)
    second.__context__ = Cancelled()
    assert is_cancellation(first)


def test_a_small_frame_keeps_the_class() -> None:
    error = smaller(described(ValueError("x" * 1000)), 4096)
    assert error["type"] == "ValueError"
    assert error["message"].endswith("bytes cut]")


MARKED = """
import traceback

def divides(a=1, b=0):
    return a + a / b

def looks_up():
    return {"\u5bbd": [1]}["\u5bbd"][3] + 1

def calls_over_lines():
    return sorted(
        [1, None],
        key=lambda number:
            -number,
    )

def raises():
    raise ValueError

def as_python_prints(command):
    try:
        globals()[command]()
    except Exception as error:
        told = traceback.extract_tb(error.__traceback__.tb_next)
        return ["".join(traceback.StackSummary.from_list([frame]).format()) for frame in told]
"""


@pytest.mark.parametrize("command", ["divides", "looks_up", "calls_over_lines", "raises"])
def test_frames_have_the_marks_that_python_draws(worker: Callable[..., Any], command: str) -> None:
    it = worker(MARKED)
    expected = it.call("as_python_prints", command)
    for _ in range(2):
        frames = it.fail(command)["frames"]
        shown = [frame.get("marked", frame["text"]).split("\n") for frame in frames]
        assert [["    " + line for line in lines] for lines in shown] == [each.splitlines()[1:] for each in expected]
    has_marks = [("^" in frame.get("marked", "")) for frame in frames]
    assert any(has_marks) == (sys.version_info >= (3, 11) and command != "raises")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there are no marks before 3.11")
def test_marks_are_bounded_and_may_be_missing(worker: Callable[..., Any]) -> None:
    long = "1 + " * 2000
    tall = "+ 1\n        " * 200
    source = "def long():\n    return %s None\n\ndef tall():\n    return (\n        1 %s+ None\n    )\n"
    it = worker(source % (long, tall))
    for command in ("long", "tall"):
        (frame,) = it.fail(command)["frames"]
        assert "marked" not in frame
        assert frame["text"]


def test_a_place_that_fails_often_is_described_once_and_places_are_not_kept_for_ever() -> None:
    source = "def fail():\n    1 / 0\n"
    for number in range(2 * _traces._MAX_PLACES):
        scope: dict[str, Any] = {}
        exec(compile(source, "made-%d.py" % number, "exec"), scope)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError) as raised:
                scope["fail"]()
            assert _traces.frames_of(raised.value)[-1]["file"] == "made-%d.py" % number
    assert len(_traces._places) <= _traces._MAX_PLACES
