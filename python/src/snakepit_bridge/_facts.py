"""What HELLO and READY tell about this interpreter; must not know connections or calls."""

from __future__ import annotations

import os
import re
import sys
import warnings
from typing import Any

from ._wire import FEATURES, PROTOCOL, dump_object

FREE_THREADED_BUILD = "t" in getattr(sys, "abiflags", "")

_GIL_WARNING = "The global interpreter lock"
_GIL_MODULE = re.compile(r"to load module '([^']+)'")

_gil_culprits: list[str] = []


def watch_gil() -> None:
    """Remember which extension modules turn the GIL back on: a warning is the only trace they leave."""
    if gil_enabled():
        return
    previous = warnings.showwarning

    def show(message: Any, *args: Any, **kwargs: Any) -> None:
        found = _GIL_MODULE.search(str(message))
        if found and found.group(1) not in _gil_culprits:
            _gil_culprits.append(found.group(1))
        previous(message, *args, **kwargs)

    warnings.showwarning = show
    warnings.filterwarnings("always", message=_GIL_WARNING, category=RuntimeWarning)


def gil_enabled() -> bool:
    """Whether threads of this process exclude each other right now."""
    check = getattr(sys, "_is_gil_enabled", None)
    return True if check is None else bool(check())


def python() -> dict[str, Any]:
    """The `python` object of HELLO and READY."""
    return {
        "version": sys.version.split()[0],
        "implementation": sys.implementation.name,
        "free_threaded_build": FREE_THREADED_BUILD,
        "gil_enabled": gil_enabled(),
        "gil_enabled_by": _gil_culprits,
        "executable": sys.executable or "",
    }


def hello(settings: Any, lanes: int) -> bytes:
    """The body of a worker's HELLO. Its commands were encoded once, in the boot process."""
    head = dump_object(
        {
            "protocol": PROTOCOL,
            "features": list(FEATURES),
            "pid": os.getpid(),
            "lanes": lanes,
            "python": python(),
            "adapter": settings.spec,
            "death_signal": settings.death_signal,
        }
    )
    commands: bytes = settings.commands
    return head[:-1] + b',"commands":' + commands + b"}"


def ready(commands: bytes, threads: list[str]) -> bytes:
    """The body of READY."""
    head = dump_object({"protocol": PROTOCOL, "python": python(), "threads": threads})
    return head[:-1] + b',"commands":' + commands + b"}"
