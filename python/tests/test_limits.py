"""Limits: in force before any code of the user runs, or the launch fails and says which."""

from __future__ import annotations

import os
import resource
from typing import Any, Callable

import pytest

from snakepit_bridge import _wire as wire
from snakepit_bridge._limits import lowered

Start = Callable[..., Any]

ADAPTER = """
    import resource

    seen = []

    def setup():
        for name in ("NOFILE", "CORE", "AS"):
            seen.append(resource.getrlimit(getattr(resource, "RLIMIT_" + name)))

    def limits():
        return seen
"""

PLENTY = 1 << 44


def pairs(found: Any) -> list[list[int]]:
    return [pair["$"][1] for pair in found]


@pytest.mark.parametrize("kind", [wire.FORK, wire.BECOME])
def test_limits_are_set_before_setup_runs(boot: Start, kind: int) -> None:
    host = boot(ADAPTER)
    host.ready()
    it = host.launch(kind=kind, limits={"nofile": 100, "core": 0, "as": PLENTY})
    if kind == wire.FORK:
        host.forked(it)
    it.hello()
    assert pairs(it.call("limits")) == [[100, 100], [0, 0], [PLENTY, PLENTY]]
    it.stop()


def test_what_is_not_limited_stays_as_it_is(boot: Start) -> None:
    host = boot(ADAPTER)
    host.ready()
    it = host.fork(limits={"core": 0})
    assert pairs(it.call("limits")) == [list(resource.getrlimit(resource.RLIMIT_NOFILE)), [0, 0], [-1, -1]]
    it = host.fork()
    assert pairs(it.call("limits"))[1] == list(resource.getrlimit(resource.RLIMIT_CORE))


def test_a_limit_is_never_raised() -> None:
    assert lowered(100, 50) == 50
    assert lowered(50, 100) == 50
    assert lowered(100, resource.RLIM_INFINITY) == 100


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        ({"as": 1 << 20}, "as=1048576"),
        ({"as": 1 << 70}, "as="),
        ({"cgroup": "/nowhere/at/all"}, "cgroup=/nowhere/at/all"),
        ({"cgroup": "nul\0byte"}, "cgroup="),
        ({"nofile": 6}, "the limit of 6"),
    ],
)
def test_a_limit_that_cannot_be_had_fails_the_launch_and_is_named(boot: Start, limits: Any, name: str) -> None:
    host = boot(ADAPTER)
    host.ready()
    it = host.launch(2, limits=limits, lane_kind="thread")
    host.forked(it)
    frame = it.control.read()
    assert frame is not None
    assert frame.kind == wire.FAILED, frame
    assert frame.json["kind"] == "setup"
    assert name in frame.json["message"], frame
    assert host.exited() == {"pid": it.pid, "code": 0}


@pytest.mark.parametrize("limits", [[], 5, {"nofile": "many"}, {"core": -1}, {"as": True}, {"cgroup": 7}])
def test_malformed_limits_are_a_protocol_error(boot: Start, limits: Any) -> None:
    host = boot(ADAPTER)
    host.ready()
    it = host.launch(limits=limits)
    host.forked(it)
    assert it.control.read() is None
    assert host.exited() == {"pid": it.pid, "code": 70}


def test_a_worker_joins_its_group(boot: Start, tmp_path: Any) -> None:
    (tmp_path / "cgroup.procs").write_text("")
    host = boot("import os\ndef setup():\n    print(open(%r).read())\ndef f(): pass" % str(tmp_path / "cgroup.procs"))
    host.ready()
    it = host.fork(limits={"cgroup": str(tmp_path)})
    assert it.texts("stdout") == ["0"]
    assert os.path.getsize(str(tmp_path / "cgroup.procs")) == 1
