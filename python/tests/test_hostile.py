"""Adapters that misbehave: whatever they do, the worker answers or ends, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
from typing import Any, Callable

import pytest

from conftest import PLACES
from host import wait_gone
from snakepit_bridge import _wire as wire

Start = Callable[..., Any]

ADAPTER = """
    import ctypes, multiprocessing, os, signal, socket, sys, threading, time

    def ping():
        return "pong"

    def fork_and_return():
        return os.fork()

    def fork_and_raise():
        if os.fork() == 0:
            raise ValueError("in the copy")
        return "parent"

    def fork_status(code):
        pid = os.fork()
        if pid == 0:
            print("in the copy")
            sys.exit(code)
        return os.waitpid(pid, 0)[1] >> 8

    def pool():
        with multiprocessing.get_context("fork").Pool(2) as workers:
            return workers.map(abs, [-1, -2])

    def fork_stays():
        pid = os.fork()
        if pid == 0:
            time.sleep(1000)
        return pid

    def close_all():
        os.closerange(3, 100)
        return "closed"

    def scribble(data):
        for fd in range(3, 30):
            try:
                os.write(fd, data)
            except OSError:
                pass

    class Noisy:
        def __init__(self):
            self.me = self

        def __del__(self):
            print("destroyed " * 10)

    def litter():
        for _ in range(20000):
            Noisy()

    def segfault():
        ctypes.string_at(0)

    def ignore_int():
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def break_streams():
        sys.stdout = None
        sys.stderr = 5

    def break_runtime():
        from snakepit_bridge import _control
        def no_memory(_):
            raise MemoryError
        _control.dump_object = no_memory

    def kill_parent():
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(1000)
"""


@pytest.fixture
def it(worker: Start) -> Any:
    return worker(ADAPTER)


@pytest.mark.parametrize("place", PLACES[:2])
def test_a_forked_copy_never_answers(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    child = it.call("fork_and_return")
    assert child > 0
    wait_gone(child)
    assert it.call("fork_and_raise") == "parent"
    for _ in range(3):
        assert it.call("ping") == "pong"


def test_a_forked_copy_exits_as_it_wants(it: Any) -> None:
    assert it.call("fork_status", 5) == 5
    assert it.call("fork_status", 0) == 0


def test_process_pools_work_inside(it: Any) -> None:
    assert it.call("pool") == [1, 2]


def test_a_forked_copy_holds_no_connection_and_dies_with_the_worker(it: Any) -> None:
    child = it.call("fork_stays")
    os.kill(it.pid, signal.SIGKILL)
    assert it.lanes[0].read() is None
    assert it.control.read() is None
    it.host.exited()
    wait_gone(child)


def test_a_forked_copy_dies_with_a_worker_that_nobody_buries(boot: Start) -> None:
    host = boot(ADAPTER)
    host.ready()
    it = host.launch(kind=wire.BECOME)
    it.hello()
    child = it.call("fork_stays")
    os.kill(host.process.pid, signal.SIGKILL)
    wait_gone(child)


def test_closing_every_descriptor_ends_the_worker(it: Any) -> None:
    it.start("close_all")
    ended = it.host.exited()
    assert ended.get("code") == 71 or ended.get("signal") == signal.SIGKILL


@pytest.mark.parametrize("place", PLACES[1:])
def test_a_worker_on_threads_may_close_everything_too(worker: Start, place: Any) -> None:
    it = worker(ADAPTER, **place)
    it.start("close_all")
    ended = it.host.exited()
    assert ended.get("code") == 71 or ended.get("signal") == signal.SIGKILL


def test_a_crash_leaves_a_stack_in_the_output(it: Any) -> None:
    it.start("segfault")
    assert it.host.exited() == {"pid": it.pid, "signal": signal.SIGSEGV}
    output = it.read_output().decode()
    assert "Segmentation fault" in output
    assert "in segfault" in output


def test_the_host_may_close_the_lane(it: Any) -> None:
    it.lanes[0].close()
    assert it.host.exited() == {"pid": it.pid, "code": 71}


def test_ignoring_the_interrupt_is_the_adapters_right(it: Any) -> None:
    it.call("ignore_int")
    assert it.call("ping") == "pong"


def test_replaced_streams_do_not_matter(it: Any) -> None:
    it.call("break_streams")
    assert it.call("ping") == "pong"
    it.stop()
    assert it.host.exited()["code"] == 0


def test_killing_the_boot_process_ends_the_worker(it: Any) -> None:
    it.start("kill_parent")
    assert it.lanes[0].read() is None


def test_malformed_control_frames_end_the_worker(it: Any) -> None:
    it.control.send(99)
    assert it.host.exited() == {"pid": it.pid, "code": 70}


def test_a_runtime_that_fails_says_so(it: Any) -> None:
    it.call("break_runtime")
    it.control.send(wire.PING)
    assert it.host.exited() == {"pid": it.pid, "signal": signal.SIGKILL}
    assert "the runtime failed: MemoryError" in it.read_output().decode()


def test_destructors_that_print_do_not_block_the_runtime(it: Any) -> None:
    ident = it.start("litter")
    for _ in range(50):
        it.sync()
    assert it.finish(ident).json is None
    assert it.call("ping") == "pong"
