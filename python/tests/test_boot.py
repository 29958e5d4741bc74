"""The boot link: READY or FAILED, forks, exits, and no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import pytest

from host import SOURCE, Host, kill, wait_gone
from snakepit_bridge import _wire as wire

HELLO = """
    import os

    def ping():
        return "pong"

    def greet(name: str, *, loud: bool = False) -> "str":
        '''Say hello.

        More text.
        '''
        return "hello " + (name.upper() if loud else name)

    def count(n):
        yield from range(n)

    def pid():
        return os.getpid()

    def _hidden():
        pass
"""

COMMANDS = [
    {"name": "ping", "signature": "()", "doc": "", "stream": False},
    {"name": "greet", "signature": "(name: str, *, loud: bool = False) -> str", "doc": "Say hello.", "stream": False},
    {"name": "count", "signature": "(n)", "doc": "", "stream": True},
    {"name": "pid", "signature": "()", "doc": "", "stream": False},
]

Start = Callable[..., Any]


def in_short(commands: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: command[key] for key in COMMANDS[0]} for command in commands]


def test_ready_describes_the_interpreter_and_the_commands(boot: Start) -> None:
    ready = boot(HELLO).ready()
    assert ready["protocol"] == 1
    assert ready["threads"] == []
    assert in_short(ready["commands"]) == COMMANDS
    assert ready["python"]["version"].startswith("%d.%d." % sys.version_info[:2])
    assert ready["python"]["implementation"] == "cpython"
    assert ready["python"]["gil_enabled"] in (True, False)


def test_a_forked_worker_says_hello_works_and_stops(worker: Start) -> None:
    it = worker(HELLO)
    assert it.info["pid"] == it.pid == it.call("pid")
    assert it.info["lanes"] == 1
    assert in_short(it.info["commands"]) == COMMANDS
    assert it.info["features"] == [*wire.FEATURES, "sessions"]
    assert it.info["death_signal"] is True
    assert it.call("greet", "Ada", kwargs={"loud": True}) == "hello ADA"
    with open("/proc/%d/comm" % it.pid) as comm:
        assert comm.read() == "snakepit:test/1\n"
    assert os.getpgid(it.pid) == it.pid
    assert os.getsid(it.pid) == it.host.process.pid
    it.stop()
    assert it.host.exited() == {"pid": it.pid, "code": 0}


def test_many_forks_may_be_asked_for_at_once(boot: Start) -> None:
    host = boot(HELLO)
    host.ready()
    workers = [host.launch() for _ in range(10)]
    for number, it in enumerate(workers):
        frame = host.link.expect(wire.FORKED, number + 1)
        it.pid = frame.json["pid"]
        if frame.descriptors:
            (it.pidfd,) = frame.descriptors
    assert len({it.hello()["pid"] for it in workers}) == 10
    for it in workers:
        assert it.call("ping") == "pong"


def test_no_worker_holds_descriptors_of_another(boot: Start) -> None:
    host = boot(HELLO)
    host.ready()
    first, second = host.fork(), host.fork()
    kill(first.pid)
    assert first.lanes[0].read() is None
    assert first.control.read() is None
    assert first.read_output() == b""
    assert host.exited() == {"pid": first.pid, "signal": signal.SIGKILL}
    assert second.call("ping") == "pong"


def test_what_a_worker_started_dies_with_it(worker: Start) -> None:
    it = worker(
        """
        import subprocess

        def start():
            return subprocess.Popen(["sleep", "1000"]).pid
        """
    )
    child = it.call("start")
    kill(it.pid)
    it.host.exited()
    wait_gone(child)


def test_the_end_of_the_boot_link_ends_everything(boot: Start) -> None:
    host = boot(HELLO)
    host.ready()
    workers = [host.fork() for _ in range(3)]
    host.link.close()
    assert host.process.wait() == 0
    for it in workers:
        wait_gone(it.pid)


def test_sigterm_ends_the_boot_process_and_its_workers(boot: Start) -> None:
    host = boot(HELLO)
    host.ready()
    it = host.fork()
    host.process.terminate()
    assert host.process.wait() == 0
    wait_gone(it.pid)


def test_workers_follow_a_boot_process_that_was_killed(boot: Start) -> None:
    host = boot(HELLO)
    host.ready()
    it = host.fork()
    host.process.kill()
    wait_gone(it.pid)


def test_the_end_of_control_ends_a_worker(worker: Start) -> None:
    it = worker(HELLO)
    it.control.close()
    assert it.host.exited() == {"pid": it.pid, "signal": signal.SIGKILL}


def test_a_boot_process_can_become_the_worker(boot: Start) -> None:
    host = boot(HELLO)
    host.ready()
    it = host.launch(kind=wire.BECOME)
    info = it.hello()
    assert info["pid"] == host.process.pid == it.call("pid")
    assert host.link.read() is None
    it.stop()
    assert host.process.wait() == 0


def test_lanes_work_side_by_side(worker: Start) -> None:
    it = worker(
        """
        import threading
        from snakepit_bridge import BaseAdapter, tool

        meeting = threading.Barrier(3)

        class Adapter(BaseAdapter):
            def initialize(self):
                self.thread = threading.get_ident()

            @tool
            def meet(self):
                meeting.wait(30)
                return self.thread == threading.get_ident(), id(self)

            def cleanup(self):
                print("cleaned")
        """,
        lanes=3,
    )
    calls = [it.start("meet", lane=lane) for lane in range(3)]
    results = [it.finish(ident, lane).json for lane, ident in enumerate(calls)]
    assert all(own for own, _ in [result["$"][1] for result in results])
    assert len({identity for _, identity in [result["$"][1] for result in results]}) == 3
    it.until(lambda: it.sync()["busy"] == [0, 0, 0])
    it.stop()
    assert it.host.exited() == {"pid": it.pid, "code": 0}
    while it.control.read() is not None:
        pass


@pytest.mark.parametrize(
    ("source", "kind", "text"),
    [
        ("def f(:\n    pass\n", "adapter_import", "invalid syntax|bad syntax"),
        ("raise ValueError('no ' + 'luck')", "adapter_import", "no luck"),
        ("import sys; sys.exit(3)", "adapter_import", "3"),
        ("raise KeyboardInterrupt", "adapter_import", ""),
        ("import nothing_like_this", "adapter_import", "nothing_like_this"),
        ("x = 1", "adapter_invalid", "no command"),
        ("__all__ = ['missing']", "adapter_invalid", "missing"),
    ],
)
def test_an_adapter_that_cannot_be_used_is_explained(boot: Start, source: str, kind: str, text: str) -> None:
    host = boot(source)
    failed = host.failed()
    assert failed["kind"] == kind
    if text:
        assert any(part in failed["message"] for part in text.split("|")), failed
    if kind == "adapter_import":
        (frame,) = failed["frames"] or [failed["syntax"]]  # a line that is wrong never ran
        assert frame["file"].endswith("adapter_under_test.py")
        assert frame["line"] == 1
        assert frame["text"] == source.splitlines()[0]
    assert host.process.wait() == 0


@pytest.mark.parametrize(
    ("spec", "kind", "text"),
    [
        ("/nowhere/at_all.py", "adapter_not_found", "/nowhere/at_all.py"),
        ("no_such_package.module", "adapter_not_found", "no_such_package.module"),
        ("json.nothing", "adapter_not_found", "json.nothing"),
        ("json:Nothing", "adapter_not_found", "Nothing"),
        ("json:loads", "adapter_invalid", "not a class"),
        ("json:JSONDecoder", "adapter_invalid", "no command"),
    ],
)
def test_an_adapter_that_is_not_there_is_named(spec: str, kind: str, text: str) -> None:
    with Host(spec) as host:
        failed = host.failed()
    assert failed["kind"] == kind
    assert text in failed["message"]
    assert failed["hint"]


def test_a_near_file_and_a_near_class_are_suggested(boot: Start, tmp_path: Path) -> None:
    source = """
        from decimal import Decimal
        from snakepit_bridge import BaseAdapter, tool

        class Auction(BaseAdapter):
            @tool
            def bid(self): pass
    """
    failed = boot(source, ":Auctoin").failed()
    assert failed["message"].endswith("has no class Auctoin; did you mean Auction?")
    assert failed["hint"] == "its classes: Auction", "not those it imports"
    (tmp_path / "auction.py").touch()
    with Host(str(tmp_path / "auktion.py")) as host:
        assert host.failed()["hint"] == "did you mean %r?" % str(tmp_path / "auction.py")
    with Host(str(tmp_path / "gone" / "auction.py")) as host:
        assert "no folder" in host.failed()["hint"]


def test_of_several_adapters_in_a_file_one_has_to_be_named(boot: Start) -> None:
    source = """
        from snakepit_bridge import BaseAdapter, tool

        class A(BaseAdapter):
            @tool
            def a(self): pass

        class B(BaseAdapter):
            @tool
            def b(self): pass
    """
    failed = boot(source).failed()
    assert failed["kind"] == "adapter_invalid"
    assert failed["hint"].startswith("name one of its classes, as in `adapter_under_test.py:A` (it has A, B)")


def test_a_missing_preload_is_an_import_failure(boot: Start) -> None:
    failed = boot(HELLO, preload=["json", "not_installed_here"]).failed()
    assert failed["kind"] == "adapter_import"
    assert "not_installed_here" in failed["message"]


@pytest.mark.parametrize(
    ("source", "suffix", "arguments"),
    [
        ("def f(): pass", "", {"a": 1}),
        ("def f(): pass\ndef setup(): pass", "", {"a": 1}),
        ("from snakepit_bridge import tool\nclass A:\n    @tool\n    def f(self): pass", "", {"a": 1}),
        (
            "from snakepit_bridge import tool\nclass A:\n  def __init__(self, x): pass\n  @tool\n  def f(self): pass",
            ":A",
            {},
        ),
    ],
)
def test_arguments_that_do_not_fit_are_found_at_boot(
    boot: Start, source: str, suffix: str, arguments: dict[str, Any]
) -> None:
    assert boot(source, suffix, arguments=arguments).failed()["kind"] == "adapter_invalid"


def test_setup_that_raises_fails_the_launch_not_the_boot_process(boot: Start) -> None:
    host = boot(
        """
        import os
        print("imported")

        def setup():
            print("setting up")
            raise RuntimeError("no database")

        def f():
            pass
        """
    )
    host.ready()
    it = host.launch()
    host.forked(it)
    failed = it.answer(wire.FAILED).json
    assert failed["kind"] == "setup"
    assert failed["message"] == "no database"
    assert [frame["function"] for frame in failed["frames"]] == ["setup"]
    assert it.texts("stdout") == ["setting up"]
    assert host.exited() == {"pid": it.pid, "code": 0}
    host.link.close()
    assert host.output() == "imported\n"


def test_threads_that_a_fork_would_lose_refuse_it(boot: Start) -> None:
    host = boot(
        """
        import threading
        threading.Thread(target=threading.Event().wait, daemon=True).start()

        def f():
            return threading.active_count()
        """
    )
    assert len(host.ready()["threads"]) == 1
    it = host.launch()
    refused = host.link.expect(wire.REFUSED, 1).json
    assert len(refused["threads"]) == 1
    assert "thread" in refused["reason"]
    assert it.control.read() is None
    it = host.launch(kind=wire.BECOME)
    it.hello()
    assert it.call("f") == 2
    it.stop()


def test_another_protocol_version_is_refused_with_both_numbers(boot: Start) -> None:
    failed = boot(HELLO, protocol=99).failed()
    assert failed["kind"] == "interpreter"
    assert "99" in failed["message"]
    assert "1" in failed["message"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"adapter": 5}', b'{"protocol":1,"adapter":"x","parent":"y"}'])
def test_a_malformed_boot_frame_ends_the_boot_process(body: bytes) -> None:
    import socket

    from host import Wire

    ours, theirs = socket.socketpair()
    with ours, theirs:
        Wire(ours).send(wire.BOOT, body)
        command = [sys.executable, str(SOURCE / "snakepit_boot.py")]
        done = subprocess.run(
            command, stdin=theirs.fileno(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        assert done.returncode in (70, 0)
        assert done.returncode == 70 or b"interpreter" in ours.recv(1000)


def test_an_interpreter_that_is_too_old_says_so() -> None:
    import socket

    from host import Wire

    code = "import runpy, sys; sys.version_info = (3, 6, 1, 'final', 0); runpy.run_path(%r, run_name='__main__')" % str(
        SOURCE / "snakepit_boot.py"
    )
    ours, theirs = socket.socketpair()
    with ours, theirs:
        done = subprocess.run([sys.executable, "-S", "-c", code], stdin=theirs.fileno(), check=False)
        failed = Wire(ours).expect(wire.FAILED).json
    assert done.returncode == 0
    assert failed["kind"] == "interpreter"
    assert failed["message"] == "CPython 3.6.1 is too old: Snakepit needs 3.8 or newer"


def test_a_bridge_that_cannot_be_imported_says_so(tmp_path: Any) -> None:
    import shutil
    import socket

    from host import Wire

    boot = shutil.copy(str(SOURCE / "snakepit_boot.py"), str(tmp_path))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        subprocess.run([sys.executable, "-S", boot], stdin=theirs.fileno(), check=True)
        failed = Wire(ours).expect(wire.FAILED).json
    assert failed["kind"] == "interpreter"
    assert "snakepit_bridge" in failed["message"]


def test_a_fork_without_its_descriptors_is_a_protocol_error(boot: Start) -> None:
    host = boot(HELLO)
    host.ready()
    it = host.fork()
    host.link.send(wire.FORK, {"lanes": 1}, 9)
    assert host.process.wait() == 70
    wait_gone(it.pid)


def test_a_preload_is_imported_in_the_boot_process(boot: Start) -> None:
    host = boot("import sys\ndef f(): return 'colorsys' in sys.modules", preload=["colorsys"])
    host.ready()
    assert host.fork().call("f") is True


def test_few_pages_are_private_to_a_worker(worker: Start) -> None:
    it = worker(HELLO)
    it.call("ping")
    with open("/proc/%d/smaps_rollup" % it.pid) as rollup:
        private = next(int(line.split()[1]) for line in rollup if line.startswith("Private_Dirty"))
    assert private < 4096
