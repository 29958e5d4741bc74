"""Modules that a pool lists, called without an adapter: what of them may be called, how it is told, how they load."""

from __future__ import annotations

import os
import textwrap
from types import ModuleType
from typing import Any, Callable, Iterator

import pytest

from conftest import PLACES
from host import Host
from snakepit_bridge import _wire as wire
from snakepit_bridge._api import ToolInfo
from snakepit_bridge._commands import Command, command_of, told

Boot = Callable[..., Host]
Start = Callable[..., Any]


@pytest.fixture
def boot(tmp_path: Any) -> Iterator[Boot]:
    """Start a boot process for modules, some of which may be given as text."""
    hosts = []

    def start(*modules: str, files: dict[str, str] | None = None, **order: Any) -> Host:
        for name, text in (files or {}).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        host = Host({"modules": list(modules)}, paths=[str(tmp_path)], **order)
        hosts.append(host)
        return host

    yield start
    for host in hosts:
        host.__exit__()


@pytest.fixture
def worker(boot: Boot) -> Start:
    """A forked worker for modules; its `host` is the attribute of that name."""

    def start(*modules: str, lanes: int = 1, kind: str = "main", **order: Any) -> Any:
        host = boot(*modules, **order)
        host.ready()
        started: Any = host.fork(lanes, lane_kind=kind)
        started.host = host
        return started

    return start


def names(it: Any) -> list[str]:
    return [command["name"] for command in it.info["commands"]]


@pytest.mark.parametrize("place", PLACES)
def test_functions_of_listed_modules_are_called_by_their_full_names(worker: Start, place: Any) -> None:
    it = worker("math", "statistics", "os.path", **place)
    assert it.call("statistics.mean", [1, 2, 3]) == 2
    assert it.call("math.sqrt", 16) == 4.0
    assert it.call("os.path.join", "a", "b") == "a/b"
    assert it.info["adapter"] == "math, statistics, os.path"


def test_they_are_told_with_signature_and_first_line(worker: Start) -> None:
    it = worker("statistics")
    mean = next(command for command in it.info["commands"] if command["name"] == "statistics.mean")
    assert mean["signature"] == "(data)"
    assert mean["doc"].startswith("Return the sample arithmetic mean")
    assert mean["params"] == [{"name": "data", "kind": "positional_or_keyword", "required": True}]
    assert mean["schema"]["required"] == ["data"]


LISTING = """
    import sys
    from os import getcwd, system
    from os.path import join

    __all__ = ["own", "getcwd", "Class", "_private", "missing", "own", "sys", "NUMBER"]
    __all__ += ["from_nowhere"]
    NUMBER = 5

    class Class: ...
    def own(): return 1
    def unlisted(): return 2
    def _private(): return 3

    def __getattr__(name):
        if name == "from_nowhere":
            raise RuntimeError("not today")
        raise AttributeError(name)
"""

PLAIN = """
    import functools, sys
    from os import getcwd, system
    from .inner import borrowed
    from snakepit_bridge import tool

    class Class: ...
    def own(): return "own"
    def _private(): return 3

    @functools.lru_cache()
    def cached(x): return x

    @tool(timeout=2.5, name="renamed")
    def marked(): return "marked"

    def setup(): return "not a hook"
    def cleanup(): raise RuntimeError("not a hook")
    def save_session(): return "nor this"

    shortcut = lambda: 4
    number = functools.partial(int, "5")
"""


def test_what_all_names_counts_where_there_is_one(worker: Start) -> None:
    it = worker("listing", files={"listing.py": LISTING})
    assert names(it) == ["listing.own", "listing.getcwd"]


def test_without_all_the_public_functions_of_the_module_or_its_package_count(worker: Start) -> None:
    files = {"plain/__init__.py": PLAIN, "plain/inner.py": "def borrowed(): return 'borrowed'"}
    it = worker("plain", "bisect", files=files)
    own = ["borrowed", "own", "cached", "marked", "setup", "cleanup", "save_session", "shortcut"]
    assert [name for name in names(it) if name.startswith("plain.")] == ["plain." + name for name in own]
    assert "bisect.insort" in names(it)  # written in C, in a private module
    assert it.call("plain.borrowed") == "borrowed"
    assert it.call("plain.setup") == "not a hook"
    assert it.info["commands"][own.index("marked")]["timeout"] == 2.5
    it.stop()
    assert "hook" not in "".join(it.texts("stderr"))


def test_submodules_are_not_imported_to_look_for_functions(worker: Start) -> None:
    package = """
        import importlib
        __all__ = ["inner", "lazy"]
        def __getattr__(name):
            if name == "lazy":
                return lambda: "made on demand"
            return importlib.import_module("package." + name)
    """
    it = worker("package", files={"package/__init__.py": package, "package/inner.py": "raise SystemExit"})
    assert names(it) == ["package.lazy"]
    assert it.call("package.lazy") == "made on demand"


@pytest.mark.parametrize(
    "name",
    [
        "statistics.sys.exit",
        "statistics.math.sqrt",
        "statistics.mean.__globals__",
        "statistics.__loader__",
        "statistics._sum",
        "statistics.NormalDist",
        "statistics",
        "__thread_safe__",
        "os.system",
        "",
    ],
)
def test_nothing_else_is_reached(worker: Start, name: str) -> None:
    error = worker("statistics").fail(name)
    assert error["kind"] == "unknown_command"
    assert "statistics.mean" in error["hint"]


def test_a_near_miss_is_told(worker: Start) -> None:
    it = worker("statistics")
    for wrong in ("statistics.maen", "mean"):
        assert it.fail(wrong, [1])["message"].endswith("did you mean 'statistics.mean'?")


def test_arguments_are_judged_as_those_of_adapters(worker: Start) -> None:
    typed = "def double(number: int): return 2 * number\n"
    files = {"typed.py": typed, "lax.py": "__snakepit_validate__ = False\n" + typed}
    it = worker("typed", "lax", "math", files=files)
    assert it.fail("typed.double", "a")["kind"] == "bad_arguments"
    assert it.call("lax.double", "a") == "aa"
    assert it.fail("math.sqrt", "a")["type"] == "TypeError"
    assert it.fail("math.sqrt")["kind"] in ("bad_arguments", "exception")


def test_modules_are_imported_once_for_all_workers(worker: Start) -> None:
    files = {"once.py": "import os\nIMPORTED_IN = os.getpid()\ndef where(): return [IMPORTED_IN, os.getpid()]\n"}
    first = worker("once", files=files)
    second = first.host.fork()
    zygote = first.host.process.pid
    assert first.call("once.where") == [zygote, first.pid]
    assert second.call("once.where") == [zygote, second.pid]


@pytest.mark.parametrize(
    ("modules", "expected"),
    [(["yes"], True), (["yes", "no", "silent"], False), (["yes", "silent"], None), (["math"], None)],
)
def test_a_list_is_as_thread_safe_as_all_its_modules_say(boot: Boot, modules: list[str], expected: Any) -> None:
    text = "def f(): ...\n"
    files = {"silent.py": text}
    files.update((name + ".py", "%s__thread_safe__ = %s\n" % (text, name == "yes")) for name in ("yes", "no"))
    assert boot(*modules, files=files).ready()["thread_safe"] is expected


@pytest.mark.parametrize(
    ("modules", "kind", "message"),
    [
        (["math", "nope"], "adapter_not_found", "there is no module 'nope'"),
        (["math.sqrt"], "adapter_not_found", "there is no module 'math.sqrt'"),
        (["math", "broken"], "adapter_import", "no luck"),
        (["leaving"], "adapter_import", ""),
        (["classes"], "adapter_invalid", "the module 'classes' offers no function"),
        (["_thread"], "adapter_invalid", "'_thread' is not the name of a public module"),
        (["os._exit"], "adapter_invalid", "'os._exit' is not the name of a public module"),
        (["..math"], "adapter_invalid", "'..math' is not the name of a public module"),
        ([], "adapter_invalid", "the list of modules is empty"),
    ],
)
def test_what_cannot_be_listed_fails_for_good(boot: Boot, modules: list[str], kind: str, message: str) -> None:
    files = {
        "broken.py": "raise ValueError('no luck')",
        "leaving.py": "raise SystemExit",
        "classes.py": "class OnlyThis: ...",
    }
    failure = boot(*modules, files=files).failed()
    assert (failure["kind"], failure["message"][: len(message)]) == (kind, message)
    assert failure["hint"]
    if modules[-1:] == ["broken"]:
        assert "'broken'" in failure["hint"]


def test_modules_take_no_arguments(boot: Boot) -> None:
    failure = boot("math", arguments={"precision": 3}).failed()
    assert (failure["kind"], failure["message"]) == ("adapter_invalid", "modules take no arguments (precision)")


@pytest.mark.parametrize("adapter", [None, 5, {}, {"modules": "math"}, {"modules": ["math", 5]}])
def test_an_adapter_that_is_neither_text_nor_list_is_a_protocol_error(adapter: Any) -> None:
    with Host(adapter) as host:
        assert host.process.wait(30) == 70


def test_arrays_cross_as_buffers(worker: Start) -> None:
    pytest.importorskip("numpy")
    # With more threads the boot process could not be forked.
    it = worker("numpy", "numpy.linalg", env={"OPENBLAS_NUM_THREADS": "1"})
    answer = it.finish(it.start("numpy.arange", 3))
    assert answer.flags == wire.FLAG_BUFFERS
    assert b'{"$":["array","<i8",[3],0]}' in bytes(answer.body)
    assert it.call("numpy.linalg.det", [[2, 0], [0, 3]]) == pytest.approx(6.0)
    assert "numpy.linalg.det" in names(it)
    assert "numpy.ndarray" not in names(it)


def described(count: int) -> list[Command]:
    module = ModuleType("many")
    for number in range(count):
        exec("def f%d(x='%s'): 'What it does.'" % (number, "x" * 100), vars(module))
    return [command_of("f%d" % number, ToolInfo(), module) for number in range(count)]


def test_so_many_commands_are_told_in_short() -> None:
    commands = described(20)
    whole = told(commands)
    short = told(commands, len(whole) - 1)
    assert b"What it does." in short
    assert len(short) < len(whole)
    with pytest.raises(LookupError, match="20 commands"):
        told(commands, len(short) - 1)


def test_a_working_folder_is_on_the_path_as_for_other_modules(boot: Boot, tmp_path: Any) -> None:
    (tmp_path / "beside.py").write_text("def f(): return 1\n")
    with Host({"modules": ["beside"]}, cwd=os.fspath(tmp_path)) as host:
        assert [command["name"] for command in host.ready()["commands"]] == ["beside.f"]
