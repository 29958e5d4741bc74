"""Where calls are: seen from outside, exactly, without disturbing them."""

from __future__ import annotations

import os
import select
import signal
import threading
from typing import Any, Callable

import pytest

from conftest import PLACES
from snakepit_bridge import _wire as wire
from snakepit_bridge._where import Step, _Bell, chosen, parsed
from test_cancel import begun

Start = Callable[..., Any]

ADAPTER = """
    import ctypes, os, sys, time
    from snakepit_bridge import cancelled

    def inner(depth):
        if depth:
            return inner(depth - 1)
        print("begun")
        while not cancelled():
            pass
        return "done"

    def busy(depth=1):
        return inner(depth)

    def sleeps():
        print("begun")
        time.sleep(1000)

    def holds_the_gil():
        print("begun")
        while True:  # a signal ends it
            ctypes.PyDLL(None).usleep(900000000)

    def closes_output():
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(null, 2)
        holds_the_gil()

    def exec_code():
        exec(compile("print('begun')\\nwhile not cancelled(): pass", "<made up>", "exec"))

    def breaks_the_runtime():
        import gc, signal
        sys._current_frames = signal.pthread_kill = gc.collect = None
        busy()

    def ping():
        return "pong"
"""


def frames_of_loop(it: Any, ident: int) -> list[dict[str, Any]]:
    """The frames of a call of `busy` that has come to its loop: what it prints is seen before `print` returns."""
    begun(it)
    while True:
        frames: list[dict[str, Any]] = it.where(ident)
        if frames[-1]["text"] != 'print("begun")':
            return frames


@pytest.mark.parametrize("place", PLACES)
def test_the_frames_of_a_busy_call_are_seen(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    for _ in range(3):
        ident = it.start("busy")
        frames = frames_of_loop(it, ident)
        assert [frame["function"] for frame in frames] == ["busy", "inner", "inner"]
        assert all(frame["file"].endswith("adapter_under_test.py") for frame in frames)
        assert [frame["text"] for frame in frames[:2]] == ["return inner(depth)", "return inner(depth - 1)"]
        assert frames[2]["text"] in ("while not cancelled():", "pass")
        it.tell(ident)
        assert it.finish(ident).json == "done"
        assert it.call("ping") == "pong"


@pytest.mark.parametrize("place", PLACES)
def test_a_blocked_call_is_seen_and_goes_on(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    ident = it.start("sleeps")
    begun(it)
    for _ in range(10):
        (frame,) = it.where(ident)
        assert frame["text"] == "time.sleep(1000)"
    assert it.sync()["busy"][0] == ident


@pytest.mark.parametrize("place", PLACES)
def test_of_deep_recursion_both_ends_are_seen(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    ident = it.start("busy", 300)
    frames = frames_of_loop(it, ident)
    assert len(frames) == 50
    assert frames[49]["text"] in ("while not cancelled():", "pass")
    it.tell(ident)
    assert it.finish(ident).json == "done"


@pytest.mark.parametrize("place", PLACES)
def test_what_does_not_run_has_no_frames(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    assert it.where(0) == it.where(1) == it.where(99) == []
    ident = it.start("busy")
    begun(it)
    assert it.where(ident + 1) == []
    it.tell(ident)
    it.finish(ident)
    assert it.where(ident) == []


def test_every_question_is_answered_even_if_looking_fails(worker: Start) -> None:
    it = worker(ADAPTER)
    ident = it.start("breaks_the_runtime")
    begun(it)
    assert it.where(ident) == it.where(ident) == []
    assert it.trim() == 0
    it.tell(ident)
    it.finish(ident)
    assert it.call("ping") == "pong"


class Asleep:
    """A thread in a function of a name of its own, which may block the signals by which a bell asks."""

    def __init__(self, name: str, blocks: bool = False) -> None:
        self._blocks = blocks
        self._begun, self._unblock, self._unblocked, self._end = (threading.Event() for _ in range(4))
        scope: dict[str, Any] = {"wait": self._wait}
        exec("def %s():\n    wait()" % name, scope)
        self._thread = threading.Thread(target=scope[name])

    def __enter__(self) -> Asleep:
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._unblock.set()
        self._end.set()
        self._thread.join()

    @property
    def ident(self) -> int:
        assert self._thread.ident
        return self._thread.ident

    def unblock(self) -> None:
        self._unblock.set()
        self._unblocked.wait()

    def _wait(self) -> None:
        if self._blocks:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMAX])
        self._begun.set()
        if self._blocks:
            self._unblock.wait()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGRTMAX])
            self._unblocked.set()
        self._end.wait()


def test_an_answer_that_comes_late_is_not_taken_for_another_threads() -> None:
    def functions(thread: Asleep) -> list[str]:
        return [step.function for step in bell.ask(thread.ident)]

    bell = _Bell()
    with Asleep("first", blocks=True) as first, Asleep("second") as second:
        assert functions(first) == []
        assert functions(second) == []  # the answers of the first may come at any moment
        first.unblock()
        seen = functions(second)
        assert "second" in seen
        assert "first" not in seen


def test_code_without_a_file_has_no_text(worker: Start) -> None:
    it = worker(ADAPTER)
    ident = it.start("exec_code")
    begun(it)
    frame = it.where(ident)[-1]
    assert (frame["file"], frame["line"], frame["text"]) == ("<made up>", 2, "")
    it.tell(ident)
    it.finish(ident)


@pytest.mark.parametrize("place", PLACES)
def test_where_races_with_answers_harmlessly(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    for _ in range(200):
        ident = it.start("ping")
        frames = it.where(ident)
        assert len(frames) <= 1
        assert it.finish(ident).json == "pong"


@pytest.mark.parametrize("command", ["holds_the_gil", "closes_output"])
def test_sigquit_shows_the_stack_while_the_gil_is_held(worker: Start, command: str) -> None:
    it = worker(ADAPTER)
    it.start(command)
    assert it.answer(wire.LOG).json["text"] == "begun"  # no PONG will come
    output = b""
    while not (b"in " + command.encode() in output and b"in holds_the_gil" in output):
        # Again and again: one that comes between two frames may show neither.
        os.kill(it.pid, signal.SIGQUIT)
        if select.select([it.output], [], [], 0.1)[0]:
            output += os.read(it.output, 65536)
    os.kill(it.pid, signal.SIGKILL)
    assert it.host.exited()["signal"] == signal.SIGKILL


def test_a_forked_copy_does_not_keep_the_output_open(worker: Start) -> None:
    it = worker(
        """
        import os, time

        def leaves_a_daemon():
            reader, writer = os.pipe()
            if os.fork() == 0:
                os.setsid()
                os.closerange(0, 3)
                daemon = os.fork()
                if daemon:
                    os.write(writer, str(daemon).encode())
                    os._exit(0)
                time.sleep(1000)
            os.wait()
            return int(os.read(reader, 100))
        """
    )
    daemon = it.call("leaves_a_daemon")
    try:
        os.kill(it.pid, signal.SIGKILL)
        assert it.host.exited()["signal"] == signal.SIGKILL
        assert it.read_output() == b""
    finally:
        os.kill(daemon, signal.SIGKILL)


@pytest.mark.parametrize("place", PLACES)
def test_trimming_collects_garbage_in_the_interpreter_of_the_calls(worker: Start, place: Any) -> None:
    it = worker(
        """
        import gc
        gc.disable()

        def litters():
            gc.disable()
            for _ in range(1000):
                cycle = []
                cycle.append(cycle)
        """,
        **place,
    )
    it.trim()
    it.call("litters")
    assert it.trim() >= 1000
    assert it.trim(8) < 1000


@pytest.mark.parametrize("place", PLACES)
def test_a_finaliser_that_hangs_delays_neither_ping_nor_cancel(worker: Start, place: Any) -> None:
    it = worker(
        """
        import gc, time

        class Hangs:
            def __init__(self):
                self.me = self

            def __del__(self):
                print("finalising")
                while True:
                    time.sleep(0.001)

        def litters():
            gc.disable()
            Hangs()

        def busy():
            print("begun")
            while True:
                pass
        """,
        **place,
    )
    it.call("litters")
    ident = it.start("busy")
    begun(it)
    it.control.send(wire.TRIM, ident=3)
    it.until(lambda: "finalising" in it.texts("stdout"))
    assert it.sync()["busy"][0] == ident
    assert it.where(ident)[-1]["function"] == "busy"
    it.cancel(ident)
    assert it.finish(ident).json["kind"] == "cancelled"


def test_dumps_of_the_fault_handler_are_understood() -> None:
    dump = (
        'File "no"\n  File "/a \\xe9\\u20ac\\U0001f40d.py", line 3 in f\n  File "b".py", line 12 in <lambda>\n  ...\n'
    )
    assert parsed(dump) == [Step("/a \xe9\u20ac\U0001f40d.py", 3, "f"), Step('b".py', 12, "<lambda>")]
    assert parsed("  <no Python frame>\n") == []


def test_of_many_steps_the_outermost_and_the_innermost_are_chosen() -> None:
    import threading

    import snakepit_bridge._lane as own

    steps = [Step("user.py", line, "f") for line in range(100)]
    around = [Step(own.__file__, 1, "serve"), Step(threading.__file__, 1, "run")]
    shown = chosen([Step(own.__file__, 5, "write"), *steps, *around])
    assert [step.line for step in shown] == [*range(99, 89, -1), *range(39, -1, -1)]
    assert chosen(around) == []
