"""Who turned the GIL on, and when that is noticed. With a real culprit, on a real free-threaded build."""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from typing import Any, Callable

import pytest

from host import Host
from snakepit_bridge import _gil
from snakepit_bridge import _wire as wire

Start = Callable[..., Any]

CULPRIT = ["lxml.etree"]

free_threaded = pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this interpreter always has its GIL"
)
with_culprit = pytest.mark.skipif(
    importlib.util.find_spec("lxml") is None, reason="NOT TESTED: lxml 6, which turns the GIL on, is not installed"
)

LAZY = """
    import contextlib, warnings

    def parse():
        import lxml.etree
        print("parsed")
        return lxml.etree.fromstring("<a/>").tag

    def fails():
        import lxml.etree
        raise ValueError("after all")

    def parts():
        yield 1
        import lxml.etree
        yield 2

    def harmless():
        with contextlib.suppress(ImportError):
            import numpy.random
        import decimal, sqlite3, xml.etree.ElementTree
        return "fine"

    def ping():
        return "pong"
"""


@free_threaded
def test_the_gil_is_off(worker: Start) -> None:
    it = worker(LAZY)
    assert it.info["python"]["free_threaded_build"] is True
    assert it.info["python"]["gil_enabled"] is False
    assert it.info["python"]["gil_enabled_by"] == []


def test_nothing_is_noticed_where_nothing_changes(worker: Start) -> None:
    it = worker(LAZY, lanes=2)
    # Each extension module turns the GIL on while it loads.
    ident = it.start("harmless")
    it.until(lambda: it.call("ping", lane=1) == "pong" and it.sync()["served"] > 100)
    assert it.finish(ident).json == "fine"
    it.sync()
    assert it.notices == []


@free_threaded
@with_culprit
@pytest.mark.parametrize(
    "import_it",
    [
        "import lxml.etree",
        "warnings.simplefilter('ignore'); import lxml.etree",
        "warnings.catch_warnings(record=True).__enter__(); import lxml.etree",
        "warnings.showwarning = lambda *_, **__: None; import lxml.etree",
        # The interpreter leaves the GIL on and the module out.
        "warnings.simplefilter('error')\ntry: import lxml.etree\nexcept RuntimeWarning: pass",
    ],
)
def test_the_culprit_is_named_whatever_becomes_of_the_warning(adapter: Start, import_it: str) -> None:
    with Host(adapter("import warnings\n%s\ndef ping():\n    return 'pong'\n" % import_it)) as host:
        python = host.ready()["python"]
        assert python["gil_enabled"] is True
        assert python["gil_enabled_by"] == CULPRIT
        it = host.launch()
        host.forked(it)
        assert it.hello()["python"] == python


@free_threaded
@with_culprit
def test_the_culprit_is_named_when_warnings_are_errors(boot: Start) -> None:
    host = boot(
        """
        try:
            import lxml.etree
        except RuntimeWarning:
            pass

        def ping():
            return "pong"
        """,
        flags=["-W", "error"],
    )
    assert host.ready()["python"]["gil_enabled_by"] == CULPRIT


@free_threaded
@with_culprit
@pytest.mark.parametrize("kind", ["main", "thread"])
@pytest.mark.parametrize("command", ["parse", "fails", "parts"])
def test_a_call_that_turns_the_gil_on_is_noticed_before_its_answer(worker: Start, kind: str, command: str) -> None:
    it = worker(LAZY, kind=kind)
    assert it.info["python"]["gil_enabled"] is False
    assert it.call("ping") == "pong"
    ident = it.start(command)
    it.finish(ident)
    it.sync()
    assert it.call("parse") == "a"
    assert it.call("ping") == "pong"
    it.sync()
    (notice,) = it.notices
    assert notice.ident == ident
    assert notice.json == {"kind": "gil_enabled", "modules": CULPRIT, "command": command}


@pytest.mark.parametrize("ends", [False, True])
def test_a_load_that_begins_while_it_is_asked_is_no_reason_for_a_notice(monkeypatch: Any, ends: bool) -> None:
    def enabled_by_a_load() -> bool:
        _gil.begin_load(7, "harmless")
        if ends:
            _gil.end_load(7)
        return True

    sent: list[Any] = []
    notice = _gil.LateNotice(lambda: True, lambda *args: sent.append(args))
    monkeypatch.setattr(_gil, "enabled", enabled_by_a_load)
    try:
        assert not notice.tell("ping", 1)
    finally:
        _gil.end_load(7)
    assert not sent
    monkeypatch.setattr(_gil, "enabled", lambda: True)
    assert notice.tell("ping", 2)
    assert [ident for _, _, ident in sent] == [2]


@free_threaded
@with_culprit
def test_a_stream_that_turns_the_gil_on_is_noticed(worker: Start) -> None:
    it = worker(LAZY)
    ident = it.start("parts", stream=True)
    kinds = [it.lanes[0].read().kind for _ in range(3)]
    assert kinds == [wire.CHUNK, wire.CHUNK, wire.END]
    it.sync()
    assert [notice.ident for notice in it.notices] == [ident]


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="newer interpreters can tell")
def test_old_interpreters_have_their_gil(worker: Start) -> None:
    python = worker(LAZY).info["python"]
    assert python["free_threaded_build"] is False
    assert python["gil_enabled"] is True
    assert python["gil_enabled_by"] == []
