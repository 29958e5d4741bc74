"""Lanes in interpreters of their own: apart from each other, yet like any other lane."""

from __future__ import annotations

import importlib.util
import os
import resource
import shutil
import signal
import subprocess
import sys
import sysconfig
from typing import Any, Callable

import pytest

from host import kill
from snakepit_bridge import _wire as wire

Start = Callable[..., Any]

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 14), reason="lanes in interpreters of their own need CPython 3.14"
)

ADAPTER = """
    import logging, os, subprocess, sys, threading
    from snakepit_bridge import BaseAdapter, current_call, tool

    seen = []
    local = threading.local()

    class Adapter(BaseAdapter):
        def initialize(self):
            local.value = self.arguments.get("value")
            print("set up")

        @tool
        def note(self, value):
            seen.append(value)
            return seen

        @tool
        def value(self):
            return local.value

        @tool
        def meet(self, path, mode):
            with open(path, mode) as pipe:
                return pipe.read() if mode == "r" else pipe.write("met")

        @tool
        def busy(self):
            print("begun")
            while True:
                pass

        @tool
        def say(self, text):
            print(text)
            logging.getLogger("ours").warning("logged")
            os.write(1, b"raw")
            return current_call().id

        @tool
        def session(self):
            return current_call().session

        @tool
        async def soon(self):
            import asyncio
            await asyncio.sleep(0)
            return "soon"

        @tool
        def fails(self):
            return [1][1]

        @tool
        def fork(self):
            os.fork()

        @tool
        def run(self):
            return subprocess.check_output(["echo", "ran"], text=True)

        @tool
        def place(self):
            return [sys.path, sys.argv, os.getcwd(), threading.current_thread().name]

        @tool
        def stay(self):
            threading.Thread(target=threading.Event().wait).start()

        @tool
        def leave(self, status):
            os._exit(status)

        def cleanup(self):
            print("cleaned up")
"""

HINT = "use the profile `process` or `thread`"


@pytest.fixture
def it(worker: Start) -> Any:
    return worker(ADAPTER, lanes=2, kind="interpreter", arguments={"value": {"$": ["tuple", [1, "a"]]}})


def ended(it: Any) -> Any:
    """How it ended, once all it wrote to control was read."""
    while True:
        frame = it.control.read()
        if frame is None:
            return it.host.exited()
        assert it._kept(frame), frame


def test_hello_says_so(it: Any) -> None:
    assert it.info["lane_kind"] == "interpreter"
    assert it.info["lanes"] == 2
    assert [command["name"] for command in it.info["commands"]][:2] == ["note", "value"]
    assert it.texts("stdout") == ["set up", "set up"]


def test_lanes_share_no_module(it: Any) -> None:
    assert it.call("note", 1) == [1]
    assert it.call("note", 2, lane=1) == [2]
    assert it.call("note", 3) == [1, 3]


def test_set_up_and_calls_are_on_one_thread_with_the_adapters_arguments(it: Any) -> None:
    assert it.call("value") == {"$": ["tuple", [1, "a"]]}


def test_lanes_are_inside_calls_at_the_same_time(it: Any, tmp_path: Any) -> None:
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    # Opening either end waits for the other.
    reads, writes = it.start("meet", path, "r"), it.start("meet", path, "w", lane=1)
    assert it.finish(reads).json == "met"
    assert it.finish(writes, 1).json == 3


def test_a_loop_is_cancelled_while_the_other_lane_goes_on(it: Any) -> None:
    ident = it.start("busy")
    it.until(lambda: "begun" in it.texts("stdout"))
    assert it.call("soon", lane=1) == "soon"
    it.until(lambda: it.sync() == {"busy": [ident, 0], "served": 1})
    it.cancel(ident)
    frame = it.finish(ident)
    assert frame.json["kind"] == "cancelled"
    assert frame.json["frames"][-1]["function"] == "busy"
    assert it.call("soon") == "soon"
    it.until(lambda: it.sync() == {"busy": [0, 0], "served": 3})


def test_output_carries_the_call_and_comes_before_the_answer(it: Any) -> None:
    it.logs.clear()
    for lane in range(2):
        ident = it.call("say", "hello from %d" % lane, lane=lane)
        it.sync()
        assert [frame.ident for frame in it.logs] == [ident, ident]
        assert it.logs[0].json == {"stream": "stdout", "text": "hello from %d" % lane}
        assert it.logs[1].json["logger"] == "ours"
        it.logs.clear()
    it.stop()
    assert ended(it)["code"] == 0
    assert it.read_output() == b"rawraw"


def test_lanes_take_turns_on_control(it: Any) -> None:
    it.logs.clear()
    text = "x" * 1000
    # No more than a socket holds: both lanes may wait for control to be read, which happens only afterwards.
    calls = [[it.start("say", text, lane=lane) for _ in range(20)] for lane in range(2)]
    for lane in range(2):
        for ident in calls[lane]:
            assert it.finish(ident, lane).json == ident
    it.sync()
    assert it.texts("stdout") == [text] * 40


def test_calls_are_like_those_of_any_lane(it: Any) -> None:
    assert it.call("session", session="s1") == "s1"
    error = it.fail("fails")
    assert error["type"] == "IndexError"
    assert [frame["function"] for frame in error["frames"]] == ["fails"]
    assert it.fail("nots")["kind"] == "unknown_command"
    assert it.fail("note")["kind"] == "bad_arguments"
    assert it.fail("note", 1, deadline=1)["kind"] == "expired"


def test_what_the_interpreter_forbids_is_an_error_of_the_call(it: Any) -> None:
    error = it.fail("fork")
    assert error["type"] == "RuntimeError"
    assert "fork not supported" in error["message"]
    assert it.call("run") == "ran\n"


def test_paths_are_those_of_the_boot_process(it: Any, adapter: Start) -> None:
    it_main = it.host.fork()
    there, here = it.call("place", lane=1), it_main.call("place")
    assert there[:3] == here[:3]
    assert there[3] == "snakepit-lane-1"


def test_stopping_finishes_calls_cleans_up_and_leaves(it: Any, tmp_path: Any) -> None:
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    ident = it.start("meet", path, "r")
    it.until(lambda: it.sync()["busy"][0] == ident)
    it.stop()
    with open(path, "w") as pipe:
        pipe.write("late")
    assert it.lanes[0].expect(wire.RESULT, ident).json == "late"
    assert ended(it) == {"pid": it.pid, "code": 0}
    assert it.texts("stdout").count("cleaned up") == 2


def test_a_thread_that_never_ends_does_not_keep_the_worker(it: Any) -> None:
    it.call("stay")
    it.stop()
    assert ended(it)["code"] == 0


def test_the_end_of_control_kills(it: Any) -> None:
    it.start("busy")
    it.until(lambda: "begun" in it.texts("stdout"))
    it.control.close()
    assert it.host.exited()["signal"] == signal.SIGKILL


def test_death_is_death(it: Any) -> None:
    it.start("leave", 9)
    assert it.host.exited()["code"] == 9


def test_a_killed_worker_leaves_nothing(it: Any) -> None:
    it.start("busy", lane=1)
    kill(it.pid)
    assert it.lanes[0].read() is None
    assert it.host.exited()["signal"] == signal.SIGKILL


def test_a_broken_lane_ends_the_worker(worker: Start) -> None:
    it = worker(ADAPTER, lanes=2, kind="interpreter")
    it.lanes[1].send(wire.CALL, {"not": "a list"}, 1)
    assert ended(it)["code"] == wire.EXIT_PROTOCOL
    assert b"protocol error on a lane" in it.read_output()
    it = worker(ADAPTER, lanes=2, kind="interpreter")
    it.lanes[1].close()
    assert ended(it)["code"] == wire.EXIT_LINK


def test_one_interpreter_is_possible_and_many_are(boot: Start) -> None:
    host = boot(ADAPTER)
    host.ready()
    for lanes in (1, 8):
        it = host.fork(lanes, lane_kind="interpreter")
        for lane in range(lanes):
            assert it.call("note", lane, lane=lane) == [lane]


def test_a_boot_process_may_become_such_a_worker(boot: Start) -> None:
    host = boot(ADAPTER)
    host.ready()
    it = host.launch(2, wire.BECOME, lane_kind="interpreter")
    assert it.hello()["lane_kind"] == "interpreter"
    assert it.call("soon", lane=1) == "soon"
    it.stop()
    while it.control.read() is not None:
        pass
    assert host.process.wait() == 0


def failed(boot: Start, source: str, **order: Any) -> Any:
    host = boot(source, **order)
    host.ready()
    it = host.launch(2, lane_kind="interpreter")
    host.forked(it)
    error = it.answer(wire.FAILED).json
    assert host.exited()["code"] == 0
    return error


def test_a_failing_setup_is_reported(boot: Start) -> None:
    error = failed(boot, "def setup():\n    raise ValueError('no luck')\ndef ping():\n    pass")
    assert error["kind"] == "setup"
    assert error["message"] == "no luck"
    assert error["frames"][-1]["function"] == "setup"


def test_what_only_the_main_interpreter_may_do_is_reported(boot: Start) -> None:
    source = "import signal\nsignal.signal(signal.SIGUSR1, print)\ndef ping():\n    pass"
    error = failed(boot, source)
    assert error["kind"] == "adapter_import"
    assert "main interpreter" in error["message"]
    assert error["hint"] == HINT


@pytest.mark.skipif(importlib.util.find_spec("numpy") is None, reason="NOT TESTED: numpy is not installed")
def test_modules_that_refuse_are_named(boot: Start) -> None:
    # Without threads of BLAS, which would forbid to fork.
    one = {"OPENBLAS_NUM_THREADS": "1"}
    error = failed(boot, "import numpy.random\ndef ping():\n    pass", env=one)
    assert error["kind"] == "adapter_import"
    assert error["message"].startswith("numpy does not load in a sub-interpreter")
    assert "numpy._core._multiarray_umath" in error["message"]
    assert "numpy.random.mtrand" in error["message"]
    assert error["hint"] == HINT


def test_modules_that_fail_in_another_way_do_not_hide_the_failure(boot: Start) -> None:
    pytest.importorskip("_testmultiphase", reason="NOT TESTED: built without modules for tests")
    error = failed(
        boot,
        """
        import concurrent.interpreters as interpreters
        import importlib.util, sys, types, _testmultiphase

        # Loading it is neither a success nor an ImportError.
        strange = types.ModuleType("strange")
        strange.__spec__ = importlib.util.spec_from_file_location(
            "_testmultiphase_bad_slot_large", _testmultiphase.__file__
        )
        sys.modules["strange"] = strange
        if interpreters.get_current() != interpreters.get_main():
            raise ImportError("not here")

        def ping():
            pass
        """,
    )
    assert error["kind"] == "adapter_import"
    assert error["message"] == "not here"
    assert error["hint"] == HINT


def test_an_interpreter_without_the_means_is_a_permanent_failure(boot: Start) -> None:
    source = "import sys\nsys.modules['concurrent.interpreters'] = None\ndef ping():\n    pass"
    error = failed(boot, source)
    assert error["kind"] == "interpreter"
    assert "concurrent.interpreters" in error["message"]
    assert error["hint"] == HINT


def test_set_up_leaves_no_descriptor_behind(boot: Start) -> None:
    host = boot(ADAPTER)
    host.ready()

    def pipes(lanes: int) -> int:
        it = host.fork(lanes, lane_kind="interpreter")
        folder = "/proc/%d/fd" % it.pid
        return sum(os.readlink("%s/%s" % (folder, name)).startswith("pipe:") for name in os.listdir(folder))

    of_a_gate = 2
    assert pipes(3) - pipes(1) == 2 * of_a_gate


TURNS_GIL_ON = """
    #include <Python.h>
    static PyModuleDef_Slot slots[] = {
        {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
        {0, NULL},
    };
    static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "turns_gil_on", .m_slots = slots};
    PyMODINIT_FUNC PyInit_turns_gil_on(void) { return PyModuleDef_Init(&module); }
"""

GIL_ADAPTER = """
    from snakepit_bridge import BaseAdapter, tool

    class Adapter(BaseAdapter):
        def initialize(self):
            if self.arguments["early"]:
                import turns_gil_on

        @tool
        def late(self):
            import turns_gil_on
"""


@pytest.fixture
def turns_gil_on(tmp_path: Any) -> str:
    """A folder with an extension module that loads in every interpreter, and says nothing about the GIL."""
    compiler, headers = shutil.which("cc"), sysconfig.get_path("include")
    if compiler is None or not os.path.exists(os.path.join(headers, "Python.h")):
        pytest.skip("NOT TESTED: no C compiler, or no headers of Python")
    folder = tmp_path / "extension"
    folder.mkdir()
    source, built = folder / "turns_gil_on.c", folder / "turns_gil_on.so"
    source.write_text(TURNS_GIL_ON)
    subprocess.run([compiler, "-shared", "-fPIC", "-I", headers, "-o", str(built), str(source)], check=True)
    return str(folder)


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this interpreter always has its GIL")
@pytest.mark.parametrize("early", [True, False])
def test_a_gil_that_comes_on_is_told_by_hello_or_by_a_notice(boot: Start, turns_gil_on: str, early: bool) -> None:
    host = boot(GIL_ADAPTER, paths=[turns_gil_on], arguments={"early": early})
    assert host.ready()["python"]["gil_enabled"] is False
    it = host.fork(2, lane_kind="interpreter")
    python = it.info["python"]
    assert python["gil_enabled"] is early
    assert python["gil_enabled_by"] == (["turns_gil_on"] if early else [])
    assert (["turns_gil_on", None] in it.info["imports"]) is early
    ident = it.start("late", lane=1)
    it.finish(ident, 1)
    it.sync()
    assert [notice.ident for notice in it.notices] == ([] if early else [ident])


def test_running_out_of_descriptors_may_be_tried_again(boot: Start) -> None:
    host = boot(ADAPTER)
    host.ready()
    lanes = 4
    pid = host.process.pid
    used = len(os.listdir("/proc/%d/fd" % pid))
    outcomes = set()
    # From too few for the first of them to enough for all.
    for spare in range(6 + lanes, 10 + 14 * lanes, 7):
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + spare, hard))
        it = host.launch(lanes, lane_kind="interpreter")
        host.forked(it)
        frame = it.control.read()
        while frame is not None and it._kept(frame):
            frame = it.control.read()
        assert frame is not None, (spare, host.exited(), it.read_output())
        outcomes.add(frame.kind)
        if frame.kind == wire.HELLO:
            it.stop()
        else:
            error = frame.json
            assert error["kind"] == "setup", (spare, error)
            assert "4 lanes" in error["message"], (spare, error)
            assert "limit of %d" % (used + spare) in error["message"]
            assert "ulimit -n" in error["hint"]
            assert "threads_per_worker" in error["hint"]
        assert host.exited()["code"] == 0
    assert outcomes == {wire.FAILED, wire.HELLO}
