"""Lanes in interpreters of their own, as the main interpreter makes and ends them; must not know calls.

Each lane's thread creates an isolated interpreter (own GIL, own modules) and lets it serve the lane's connection. As
nothing is shared, one takes 0.1 to 0.2 s and 10 MB (free-threaded: 14 MB) before the adapter imports anything.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from importlib import import_module
from typing import Any, Sequence

from . import _isolated, _placeholders
from ._adapter import resolved
from ._errors import error_of
from ._frames import Connection
from ._instance import setup_failure
from ._order import AdapterError
from ._refusing import refusing_modules
from ._relay import RemoteLane, make_board
from ._sender import PipeLock
from ._sessions import HOOKS, REMEDY
from ._shortage import are_few_left, is_shortage, shortage

_OLDEST = (3, 14)
_HINT = "use the profile `process` or `thread`"

# With this bridge, whatever else of that name there may be; the paths as the main interpreter has them only afterwards.
_PREPARE = """
import json, sys
paths = json.loads(paths)
sys.path.insert(0, paths.pop())
import snakepit_bridge._isolated
sys.path[:] = paths
"""


class InterpreterLane:
    """A lane in an interpreter of its own, from its beginning to its end, all on one thread."""

    def __init__(self, interpreters: Any, order_body: bytes, place: dict[str, Any], lane: RemoteLane) -> None:
        self._interpreters = interpreters
        self._order_body = order_body
        self.lane = lane
        self._outcome, self._report = os.pipe()
        self._place = json.dumps({**place, "report": self._report})
        self._interpreter: Any = None
        self._reporting = threading.Lock()
        self._is_set_up = False

    def live(self) -> None:
        """Create the interpreter, and let it set up, serve until told to stop, and clean up."""
        self.lane.thread = threading.get_ident()
        try:
            self._interpreter = self._interpreters.create()
            self._interpreter.prepare_main(paths=json.dumps([*sys.path, _own_path()]))
            self._interpreter.exec(_PREPARE)
            # All in one call: another would be another thread to `threading.local`.
            self._interpreter.call(_isolated.live, self._order_body, self._place)
        except Exception as error:
            is_short = is_shortage(error) or are_few_left()
            with self._reporting:
                if self._is_set_up:
                    raise
                _isolated.report(self._report, _isolated.failed(setup_failure(error), is_short))

    def wait(self, lanes: int) -> dict[str, Any]:
        """Wait until it, one of `lanes`, is set up. What it tells then. Raises `AdapterError`."""
        with open(self._outcome, "rb") as pipe:
            outcome: dict[str, Any] = json.loads(pipe.readline())
        if "failed" in outcome:
            raise AdapterError(shortage(outcome["failed"], lanes) if outcome["is_short"] else outcome["failed"])
        with self._reporting:
            self._is_set_up = True
            os.close(self._report)
        return outcome

    def close(self) -> None:
        """End the interpreter. Blocks for as long as threads of user code run in it."""
        if self._interpreter is not None:
            self._interpreter.close()


def lives(settings: Any, control: int, lock: PipeLock, links: Sequence[Connection]) -> list[InterpreterLane]:
    """One for each of `links`; `control` is a descriptor, and `lock` guards it. Raises `AdapterError`."""
    if sys.version_info < _OLDEST:
        message = "lanes in interpreters of their own need CPython 3.14 or newer; this is %d.%d.%d"
        raise AdapterError(error_of("interpreter", message % tuple(sys.version_info[:3]), _HINT))
    try:
        interpreters = import_module("concurrent.interpreters")
    except ImportError as error:
        message = "lanes in interpreters of their own need the module concurrent.interpreters: %s"
        raise AdapterError(error_of("interpreter", message % error, _HINT)) from None
    hooks = [name for name in HOOKS if hasattr(settings.adapter.owner or settings.adapter.module, name)]
    if hooks and len(links) > 1:
        message = "the adapter defines %s, and lanes in interpreters of their own share no session"
        raise AdapterError(error_of("adapter_invalid", message % ", ".join(hooks), REMEDY))
    board = make_board(len(links))
    made = []
    for number, link in enumerate(links):
        remote = RemoteLane(board, number)
        place = {
            "adapter": resolved(settings.order.adapter, settings.adapter),
            "argv": sys.argv,
            "control": control,
            "lock": lock.descriptors,
            "lane": link.sock.fileno(),
            "lanes": len(links),
            "relay": remote.address,
            "unserialisable": _placeholders.chosen(),
        }
        made.append(InterpreterLane(interpreters, settings.order_body, place, remote))
    return made


def explained(error: dict[str, Any]) -> dict[str, Any]:
    """The error, with the modules to blame if an import failed there that worked in the main interpreter."""
    if error["kind"] != "adapter_import":
        return error
    try:
        refusing = refusing_modules() if "Import" in error.get("type", "") else {}
    except Exception:
        refusing = {}  # what there is to tell is the failure, not that it cannot be explained
    if not refusing:
        return {"hint": _HINT, **error}
    packages = ", ".join(refusing)
    modules = "; ".join("%s: %s" % (package, ", ".join(names)) for package, names in refusing.items())
    verb = "does" if len(refusing) == 1 else "do"
    message = "%s %s not load in a sub-interpreter (modules that refuse: %s)" % (packages, verb, modules)
    return {**error, "message": error_of("", message)["message"], "hint": _HINT}


def _own_path() -> str:
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
