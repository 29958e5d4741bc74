"""What HELLO and READY tell about this worker and its interpreter; must not know connections or calls."""

from __future__ import annotations

import os
import sys
from typing import Any, Mapping, Sequence

from . import _gil
from ._adapter import declared_thread_safe
from ._wire import FEATURES, PROTOCOL, dump_object

_STAGES = {"alpha": "a", "beta": "b", "candidate": "rc"}


def version_of(info: Any) -> str:
    """`sys.version_info` as packaging writes versions (PEP 440), which `sys.version` of a build from git is not."""
    number = "%d.%d.%d" % tuple(info[:3])
    stage = _STAGES.get(info[3])
    return number if stage is None else "%s%s%d" % (number, stage, info[4])


def python(elsewhere: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The `python` object of HELLO and READY. Interpreters `elsewhere` in this process told about their own GIL."""
    enabled_by = [*_gil.culprits(), *(name for each in elsewhere for name in each["gil_enabled_by"])]
    return {
        "version": version_of(sys.version_info),
        "implementation": sys.implementation.name,
        "free_threaded_build": _gil.FREE_THREADED_BUILD,
        "gil_enabled": _gil.enabled() or any(each["gil_enabled"] for each in elsewhere),
        "gil_enabled_by": list(dict.fromkeys(enabled_by)),
        "executable": sys.executable or "",
    }


def hello(settings: Any, threads: Sequence[int], lane_kind: str, elsewhere: Sequence[Mapping[str, Any]] = ()) -> bytes:
    """The body of a worker's HELLO. Its commands were encoded once, in the boot process.

    `threads` are those of the lanes; `elsewhere` is what other interpreters of this process told: `imports`,
    `gil_enabled`, `gil_enabled_by`.
    """
    # Interpreters share nothing: with several in a worker a session would be in several places, and is kept in none.
    keeps_sessions = lane_kind != "interpreter" or len(threads) == 1
    adapter = settings.order.adapter
    facts = {
        "features": [*FEATURES, "sessions"] if keeps_sessions else list(FEATURES),
        "pid": os.getpid(),
        "lanes": len(threads),
        "lane_kind": lane_kind,
        "lane_threads": list(threads),
        "adapter": adapter if isinstance(adapter, str) else ", ".join(adapter),
        "death_signal": settings.death_signal,
    }
    return _body(settings, facts, elsewhere)


def ready(settings: Any, threads: list[str]) -> bytes:
    """The body of READY."""
    return _body(settings, {"threads": threads}, ())


def _body(settings: Any, facts: dict[str, Any], elsewhere: Sequence[Mapping[str, Any]]) -> bytes:
    adapter = settings.adapter
    packages = {name: version for each in elsewhere for name, version in each["imports"]}
    packages.update(settings.imports.packages(adapter.module.__name__))
    head = dump_object(
        {
            "protocol": PROTOCOL,
            "python": python(elsewhere),
            "thread_safe": declared_thread_safe(adapter),
            "imports": sorted(packages.items()),
            **facts,
        }
    )
    commands: bytes = settings.commands
    return head[:-1] + b',"commands":' + commands + b"}"
