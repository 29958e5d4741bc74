"""Output of user code: lines with their call, raw writes in the pipe, nothing lost."""

from __future__ import annotations

import itertools
import socket
import threading
from types import SimpleNamespace
from typing import Any, Callable

import pytest

from host import PATIENCE
from snakepit_bridge import _sender

Start = Callable[..., Any]

ADAPTER = """
    import logging, os, subprocess, sys, threading
    print("at import", file=sys.stderr)
    logging.getLogger("imported").warning("while importing")
    at_import = sys.stdout

    def say(*words, **how):
        print(*words, **how)

    def old_stream():
        at_import.write("through the old stream\\n")

    def complain():
        print("problem", file=sys.stderr)
        logging.getLogger("app.db").warning("slow %s", "query")
        logging.debug("not shown")

    def raw():
        os.write(1, b"raw 1\\n")
        os.write(2, b"raw 2\\n")
        subprocess.check_call(["echo", "from a child"])
        subprocess.check_call(["echo", "to our stream"], stdout=sys.stdout)
        sys.stdout.buffer.write(b"bytes \\xc3")
        sys.stdout.buffer.write(b"\\xa4\\n")

    def close():
        sys.stdout.close()
        sys.stdout.flush()
        sys.stdout.reconfigure(encoding="utf-8")
        print("still here", sys.stdout.isatty(), sys.stdout.encoding, sys.stdout.fileno(), sys.stdout.writable())

    def in_thread():
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()

    def flood(size):
        print("x" * size)

    def odd():
        print("\\ud800 \\x00" * 3)
        sys.stdout.write(5)
"""


@pytest.fixture
def it(worker: Start) -> Any:
    return worker(ADAPTER)


def logs(it: Any) -> list[tuple[str, str, int]]:
    it.sync()
    found = [(frame.json["stream"], frame.json["text"], frame.ident) for frame in it.logs]
    it.logs.clear()
    return found


def test_lines_carry_their_call(it: Any) -> None:
    it.call("say", "one\ntwo", 3)
    it.call("say", "no newline", kwargs={"end": ""})
    it.call("say", "flushed", kwargs={"end": "", "flush": True})
    it.call("in_thread")
    it.call("old_stream")
    assert logs(it)[:4] == [
        ("stdout", "one", 1),
        ("stdout", "two 3", 1),
        ("stdout", "no newline", 2),
        ("stdout", "flushed", 3),
    ]


def test_threads_and_old_references_are_covered(it: Any) -> None:
    it.call("in_thread")
    it.call("old_stream")
    assert logs(it) == [("stdout", "from a thread", 1), ("stdout", "through the old stream", 2)]


def test_log_records_carry_level_and_logger(it: Any) -> None:
    it.call("complain")
    it.sync()
    assert it.logs[0].json == {"stream": "stderr", "text": "problem"}
    assert it.logs[1].json == {"stream": "log", "text": "slow query", "level": "WARNING", "logger": "app.db"}
    assert len(it.logs) == 2


def test_the_log_level_is_the_hosts(worker: Start) -> None:
    it = worker(ADAPTER, log_level="DEBUG")
    it.call("complain")
    assert logs(it)[-1] == ("log", "not shown", 1)


def test_raw_output_goes_to_the_pipe(it: Any) -> None:
    it.call("raw")
    assert logs(it) == [("stdout", "bytes \u00e4", 1)]
    it.stop()
    assert it.read_output() == b"raw 1\nraw 2\nfrom a child\nto our stream\n"


def test_standard_streams_cannot_be_closed(it: Any) -> None:
    it.call("close")
    assert logs(it) == [("stdout", "still here False utf-8 1 True", 1)]


def test_long_and_odd_text_is_bounded_and_valid(it: Any) -> None:
    it.call("flood", 100_000)
    ((_, text, _),) = logs(it)
    assert len(text) <= 16 * 1024
    assert "bytes cut" in text
    assert it.fail("odd")["type"] == "TypeError"
    ((_, text, _),) = logs(it)
    assert text == "? \x00" * 3


def test_output_at_import_is_plain_and_not_repeated(boot: Start) -> None:
    host = boot(ADAPTER)
    host.ready()
    for _ in range(2):
        host.fork().call("say", "x")
    host.link.close()
    assert host.output() == "at import\nWARNING imported: while importing\n"


@pytest.mark.parametrize("step", range(5))
def test_a_signal_handler_that_prints_does_not_wait_for_its_own_thread(
    step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = socket.socketpair()
    sender = _sender.Sender(ours)
    steps = itertools.count()

    def get_ident() -> int:
        # Handlers run between two steps of Python code; the end of a call is one of those places.
        if next(steps) == step:
            sender.log({"text": "from the handler"})
        return threading.get_ident()

    monkeypatch.setattr(_sender, "threading", SimpleNamespace(get_ident=get_ident))
    thread = threading.Thread(target=sender.log, args=({"text": "from the lane"},), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    ours.close()
    theirs.close()
