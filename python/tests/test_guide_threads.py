"""The guide to thread-safe adapters: what it shows runs, and does what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Callable

import pytest

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "thread-safe-adapters.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
ADAPTERS = {block[2:].split("\n")[0]: block for block in BLOCKS if re.match(r"# \w+\.py\n", block)}
SCRIPTS = [block for block in BLOCKS if block not in ADAPTERS.values()]


@pytest.fixture
def lanes(boot: Callable[..., Any]) -> Callable[..., Any]:
    def start(name: str, check: str = "strict") -> Any:
        # In the place of the line with the name: what lets 3.8 read newer annotations.
        host = boot(ADAPTERS[name].replace("# %s\n" % name, "from __future__ import annotations\n"))
        host.ready()
        it = host.fork(2, lane_kind="thread", check_threads=check)
        assert it.info["thread_safe"] is True
        return it

    return start


def each_lane(it: Any, command: str, *args: Any) -> list[Any]:
    calls = [it.start(command, *args, lane=lane) for lane in (0, 1)]
    return [it.finish(ident, lane).json for lane, ident in enumerate(calls)]


def test_a_shared_model(lanes: Callable[..., Any]) -> None:
    assert each_lane(lanes("shared_model.py"), "legs", "cat") == [4, 4]


def test_a_cache_of_each_lane(lanes: Callable[..., Any]) -> None:
    it = lanes("own_cache.py")
    assert it.call("square", 7) == it.call("square", 7) == 49
    assert each_lane(it, "cached") == [1, 0]


def test_locked_writes(lanes: Callable[..., Any]) -> None:
    it = lanes("history.py")
    assert sorted(each_lane(it, "note", "here") + each_lane(it, "note", "there")) == [1, 2, 3, 4]
    assert each_lane(it, "notes") == [["here", "here", "there", "there"]] * 2
    assert it.call("requests") == 2


def test_a_budget_that_is_overdrawn(lanes: Callable[..., Any]) -> None:
    it = lanes("budget.py", check="warn")
    while not it.notices:
        each_lane(it, "buy", 1)
        it.sync()
    text = "%s is used by two threads at once: %s" % (
        it.notices[0].json["subject"],
        " and ".join(it.notices[0].json["uses"]),
    )
    (shown,) = re.findall(r"^```text\n(.*)\n```", GUIDE.read_text(), re.MULTILINE)
    assert re.sub(r"/\S+/adapter_under_test\.py", "/srv/budget.py", text) == shown


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_a_script(number: int) -> None:
    exec(compile(SCRIPTS[number], str(GUIDE), "exec", dont_inherit=True), {"__name__": "guide"})


def test_every_adapter_is_tried() -> None:
    source = Path(__file__).read_text()
    shown = re.findall(r"^# (\w+\.py)$", GUIDE.read_text(), re.MULTILINE)
    assert shown
    assert [name for name in shown if 'lanes("%s"' % name not in source] == []
    assert len(SCRIPTS) == 2
