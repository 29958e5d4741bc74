"""Shared fixtures: adapters written to a temporary directory, hosts that end with their test."""

from __future__ import annotations

import sys
import textwrap
from typing import Any, Callable, Iterator

import pytest

from host import Host

PLACES = [
    pytest.param({"lanes": 1}, id="main"),
    pytest.param({"lanes": 2}, id="thread"),
    pytest.param(
        {"lanes": 2, "kind": "interpreter"},
        id="interpreter",
        marks=pytest.mark.skipif(sys.version_info < (3, 14), reason="lanes in interpreters of their own need 3.14"),
    ),
]
"""Where lanes can be."""


@pytest.fixture
def adapter(tmp_path: Any) -> Callable[..., str]:
    """Write an adapter file and return its path."""

    def write(source: str, name: str = "adapter_under_test.py") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
        return str(path)

    return write


@pytest.fixture
def boot(adapter: Callable[..., str]) -> Iterator[Callable[..., Host]]:
    """Start a boot process for adapter source text."""
    hosts = []

    def start(source: str, suffix: str = "", **order: Any) -> Host:
        host = Host(adapter(source) + suffix, **order)
        hosts.append(host)
        return host

    yield start
    for host in hosts:
        host.__exit__()


@pytest.fixture
def worker(boot: Callable[..., Host]) -> Callable[..., Any]:
    """A forked worker for adapter source text; its `host` is the attribute of that name."""

    def start(source: str, suffix: str = "", lanes: int = 1, kind: str | None = None, **order: Any) -> Any:
        host = boot(source, suffix, **order)
        host.ready()
        started = host.fork(lanes, **({} if kind is None else {"lane_kind": kind}))
        started.host = host  # type: ignore[attr-defined]
        return started

    return start
