"""Nobody is left: whoever of host, boot process and worker is killed, whatever the worker does at that moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from host import SOURCE, kill, wait_gone
from snakepit_bridge import _wire as wire

Start = Callable[..., Any]

ADAPTER = """
    import ctypes, os, re, subprocess, sys, threading, time

    # The call itself, not its beginning: the C library's function waits with the GIL held.
    hold = ctypes.PyDLL(None).usleep

    def idle():
        return "pong"

    def busy():
        print("begun")
        while True:
            pass

    def sleeps():
        print("begun")
        time.sleep(1000)

    def swallows():
        print("begun")
        while True:
            try:
                time.sleep(1000)
            except BaseException:
                pass

    def holds_the_gil():
        print("begun")
        hold(900000000)

    def backtracks():
        print("begun")
        re.match("(a?){64}a{64}", "a" * 64)

    def starts_a_child():
        return subprocess.Popen(["sleep", "1000"]).pid

    def forks():
        pid = os.fork()
        if pid == 0:
            time.sleep(1000)
        return pid
"""

DOINGS = ["idle", "busy", "sleeps", "swallows", "holds_the_gil", "backtracks"]

HOST = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from host import Host
from snakepit_bridge import _wire as wire

kind, doing, adapter, lanes = int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5])
pids = []
hosts = []
for _ in range(1 if kind == wire.FORK else 2):
    host = Host(adapter)
    hosts.append(host)
    host.ready()
    pids.append(host.process.pid)
    for _ in range(3 if kind == wire.FORK else 1):
        it = host.launch(lanes, kind=kind)
        if kind == wire.FORK:
            host.forked(it)
        pids.append(it.hello()["pid"])
        if doing == "idle":
            it.call("idle")
        else:
            it.start(doing)
            assert it.answer(wire.LOG).json["text"] == "begun"
print(json.dumps(pids), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start_host(adapter: Start) -> Iterator[Start]:
    started = []

    def start(kind: int, doing: str, lanes: int = 1) -> tuple[Any, list[int]]:
        paths = json.dumps([str(Path(__file__).parent), str(SOURCE)])
        command = [sys.executable, "-c", HOST, paths, str(kind), doing, adapter(ADAPTER), str(lanes)]
        host = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(host)
        assert host.stdout is not None
        pids: list[int] = json.loads(host.stdout.readline())
        return host, pids

    yield start
    for host in started:
        host.kill()
        host.wait()
        for pipe in (host.stdin, host.stdout):
            assert pipe is not None
            pipe.close()


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("kind", [wire.FORK, wire.BECOME], ids=["forked", "execed"])
@pytest.mark.parametrize("doing", DOINGS)
def test_a_killed_host_leaves_nobody(start_host: Start, kind: int, doing: str, lanes: int) -> None:
    host, pids = start_host(kind, doing, lanes)
    host.kill()
    for pid in pids:
        wait_gone(pid)


@pytest.mark.parametrize("doing", DOINGS)
def test_a_killed_boot_process_leaves_nobody(start_host: Start, doing: str) -> None:
    _, pids = start_host(wire.FORK, doing)
    kill(pids[0])
    for pid in pids:
        wait_gone(pid)


@pytest.mark.parametrize("doing", ["busy", "holds_the_gil"])
def test_a_boot_process_that_ends_in_good_order_leaves_nobody(start_host: Start, doing: str) -> None:
    _, pids = start_host(wire.FORK, doing)
    os.kill(pids[0], signal.SIGTERM)
    for pid in pids:
        wait_gone(pid)


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("command", ["starts_a_child", "forks"])
def test_what_a_worker_started_dies_when_its_host_is_gone(boot: Start, command: str, sign: int) -> None:
    host = boot(ADAPTER)
    host.ready()
    it = host.fork()
    child = it.call(command)
    if sign == signal.SIGTERM:
        host.process.terminate()
    else:
        host.link.close()
    wait_gone(it.pid)
    wait_gone(child)


def test_a_forked_copy_dies_with_a_worker_whose_boot_process_was_killed(boot: Start) -> None:
    host = boot(ADAPTER)
    host.ready()
    it = host.fork()
    child = it.call("forks")
    host.process.kill()
    wait_gone(it.pid)
    wait_gone(child)


def test_workers_that_die_while_many_are_forked_are_all_buried(boot: Start) -> None:
    host = boot(ADAPTER)
    host.ready()
    victims = [host.fork() for _ in range(5)]
    launched = [host.launch() for _ in range(20)]
    for victim in victims:
        kill(victim.pid)
    forked: list[int] = []
    exited: list[int] = []
    while len(forked) < len(launched) or len(exited) < len(victims):
        frame = host.link.read()
        assert frame is not None
        if frame.kind == wire.FORKED:
            forked.append(frame.json["pid"])
            for descriptor in frame.descriptors:
                os.close(descriptor)
        else:
            assert frame.kind == wire.EXITED
            exited.append(frame.json["pid"])
    assert sorted(exited) == sorted(victim.pid for victim in victims)
    for it, pid in zip(launched, forked):
        it.pid = pid
        it.hello()
        assert it.call("idle") == "pong"


def test_a_fork_that_fails_is_refused_and_the_next_one_works(boot: Start) -> None:
    host = boot(
        """
        import errno, os

        fork = os.fork
        failures = [errno.EAGAIN, errno.ENOMEM]

        def failing():
            if failures:
                code = failures.pop(0)
                raise OSError(code, os.strerror(code))
            return fork()

        os.fork = failing

        def f():
            return "fine"
        """
    )
    host.ready()
    for text in ("temporarily unavailable", "memory"):
        it = host.launch()
        refused = host.link.expect(wire.REFUSED).json
        assert refused["reason"].startswith("fork failed:")
        assert text in refused["reason"]
        assert it.control.read() is None
    assert host.fork().call("f") == "fine"


def test_a_boot_process_is_ended_while_it_imports_whatever_the_import_does(adapter: Start) -> None:
    path = adapter(
        """
        import ctypes, os, signal
        signal.signal(signal.SIGTERM, lambda *_: None)
        os.write(1, b"importing\\n")
        ctypes.PyDLL(None).usleep(900000000)
        """
    )
    paths = json.dumps([str(Path(__file__).parent), str(SOURCE)])
    source = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from host import Host
host = Host(sys.argv[2])
host.process.stdout.readline()
print(host.process.pid, flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", source, paths, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        pid = int(host.stdout.readline())
        host.kill()
        wait_gone(pid)


CLEANUPS = """
    import time

    def f():
        pass

    def cleanup():
        print("cleaning up")
        %s
"""


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("what", ["raise ValueError('no')", "raise SystemExit(3)", "raise KeyboardInterrupt"])
def test_a_cleanup_that_raises_does_not_keep_the_worker(worker: Start, what: str, lanes: int) -> None:
    it = worker(CLEANUPS % what, lanes=lanes)
    it.stop()
    assert it.host.exited() == {"pid": it.pid, "code": 0}


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_cleanup_that_hangs_leaves_the_worker_to_be_killed(worker: Start, lanes: int) -> None:
    it = worker(CLEANUPS % "while True: time.sleep(0.001)", lanes=lanes)
    it.stop()
    it.until(lambda: "cleaning up" in it.texts("stdout"))
    it.cancel(1)
    it.stop()
    assert it.sync()["busy"] == [0] * lanes
    kill(it.pid)
    assert it.host.exited() == {"pid": it.pid, "signal": signal.SIGKILL}


def test_a_cleanup_that_hangs_ends_with_its_host(worker: Start) -> None:
    it = worker(CLEANUPS % "while True: time.sleep(0.001)")
    it.stop()
    it.until(lambda: "cleaning up" in it.texts("stdout"))
    it.control.close()
    assert it.host.exited() == {"pid": it.pid, "signal": signal.SIGKILL}
