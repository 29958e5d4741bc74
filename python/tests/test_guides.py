"""The Python in the guides: each block that begins with the name of its file is that file, and what it tests holds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from host import SOURCE
from snakepit_bridge.testing import Refused, load

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
BLOCK = re.compile(r"^```python\n# (\S+\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def write_files(guide: str, folder: Path) -> list[str]:
    blocks = BLOCK.findall((GUIDES / guide).read_text())
    for name, text in blocks:
        (folder / name).write_text(text)
    return [name for name, _ in blocks]


def test_what_the_guide_to_testing_tests_holds(tmp_path: Path) -> None:
    assert write_files("testing-adapters.md", tmp_path) == ["shop.py", "test_shop.py"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    tests = subprocess.run(command, cwd=str(tmp_path), env=environment, stdout=subprocess.PIPE, text=True)
    assert tests.returncode == 0, tests.stdout
    assert "6 passed" in tests.stdout


def test_what_the_guide_to_telemetry_says_is_told(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    assert write_files("telemetry.md", tmp_path) == ["prices.py"]
    request.addfinalizer(lambda: sys.modules.pop("prices", None))
    with load(tmp_path / "prices.py") as prices:
        assert prices.call("total", ["tea", "milk"]) == 3.5
        told: list[Any] = prices.events
        assert [event.name for event in told] == [
            "prices.total.start",
            "prices.look_up.start",
            "prices.look_up.stop",
            "prices.look_up.start",
            "prices.missed",
            "prices.look_up.stop",
            "prices.total.stop",
        ]
        assert told[-1].measurements["total"] == 3.5
        assert told[1].span["parent"] == told[0].span["id"]
        assert [record.getMessage() for record in prices.logs] == ["no price for milk"]


def test_what_the_guide_to_writing_adapters_says_holds(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    assert write_files("writing-adapters.md", tmp_path) == ["greeter.py", "notes.py", "test_notes.py"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    tests = subprocess.run(command, cwd=str(tmp_path), env=environment, stdout=subprocess.PIPE, text=True)
    assert tests.returncode == 0, tests.stdout
    request.addfinalizer(lambda: sys.modules.pop("greeter", None))
    with load(tmp_path / "greeter.py") as greeter:
        assert greeter.call("greet", name="Ada", times=2) == "Hello, Ada! Hello, Ada!"
        assert list(greeter.stream("count", to=3)) == [1, 2, 3]
        with pytest.raises(Refused, match=r"`name` has to be a str, not an int \(5\)"):
            greeter.call("greet", name=5)
