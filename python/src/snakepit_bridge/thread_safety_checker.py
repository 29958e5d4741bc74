"""Finds objects that two threads use at once, while a program runs; must not know lanes' loops, frames or hosts.

The module keeps the name it had in the original Snakepit. An overlap is two threads **at the same time** inside of
methods of one object, or of a listed library's, at least one of which is not known to only read. Locks need no telling:
uses under one lock do not overlap. What it sees and what it cannot is in docs/guides/thread-safe-adapters.md.
"""

from __future__ import annotations

import sys
import warnings
import weakref
from typing import Any, Callable, Collection, ContextManager, TypeVar

from . import _shared
from ._api import LANES, BaseAdapter
from ._around import NOTHING
from ._libraries import LIBRARIES, Libraries
from ._overlap import ADVICE, Access, Board, Overlap, ThreadSafetyError
from ._watch import Patches, Watcher, watched
from .base_adapter_threaded import require_thread_safe, validate_thread_safety

__all__ = [
    "Overlap",
    "ThreadSafetyChecker",
    "ThreadSafetyError",
    "ThreadSafetyWarning",
    "check_common_pitfalls",
    "check_thread_safe",
    "disable_checking",
    "enable_checking",
    "get_global_checker",
    "print_thread_safety_report",
    "require_thread_safe_adapter",
    "validate_adapter_thread_safety",
]

_F = TypeVar("_F", bound=Any)

MAX_OVERLAPS = 100

require_thread_safe_adapter = require_thread_safe


class ThreadSafetyWarning(RuntimeWarning):
    """Two threads use an object at once."""


def _warn(overlap: Overlap) -> None:
    warnings.warn("%s; %s" % (overlap, ADVICE), ThreadSafetyWarning, stacklevel=6)


def _call_of(thread: int) -> int:
    lane = LANES.sole or LANES.by_thread.get(thread)
    return 0 if lane is None else int(lane.gate.running)


class ThreadSafetyChecker:
    """Watches objects and listed libraries from `start()` to `stop()`, or for as long as a `with` lasts.

    It tells of each pair of places once, by a `ThreadSafetyWarning` or whatever `on_overlap` does, on the thread that
    came later. In strict mode that thread's use does not happen: it raises `ThreadSafetyError`, each time. At most
    `limit` pairs are kept and told; further ones are counted. One that is not started, or not `enabled`, changes
    nothing and costs nothing.
    """

    def __init__(
        self,
        enabled: bool = True,
        strict_mode: bool = False,
        *,
        limit: int = MAX_OVERLAPS,
        on_overlap: Callable[[Overlap], None] = _warn,
    ) -> None:
        self.enabled = enabled
        self.strict_mode = strict_mode
        self.is_running = False
        self._on_overlap = on_overlap
        self._board = Board(limit, self._overlapping, _call_of)
        self._watcher = Watcher(self._manage)
        self._libraries = Libraries(self._manage)
        self._functions = Patches()

    # Beginning and end.

    def start(self) -> None:
        """Watch what is `shared`, what `@check_thread_safe` marks, and the listed libraries."""
        if not self.enabled or self.is_running:
            return
        self.is_running = True
        self._libraries.start()
        for marked in list(_MARKED):
            self._watch_marked(marked)
        _shared.ON_BUILT.append(self._watch_shared)
        for each in list(_shared.ALL):
            if each._is_built:
                self._watch_shared(each._value, each.read_only)

    def stop(self) -> None:
        """Have everything as it was. What was found stays in the report."""
        if self.is_running:
            self.is_running = False
            _shared.ON_BUILT.remove(self._watch_shared)
            self._functions.undo()
            self._watcher.stop()
            self._libraries.stop()

    def __enter__(self) -> ThreadSafetyChecker:  # noqa: PYI034 - Self is of Python 3.11
        self.reset()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def reset(self) -> None:
        """Forget what was found."""
        self._board.forget()

    # What is watched.

    def watch(self, subject: Any, read_only: bool | Collection[str] = False) -> None:
        """Watch all objects of a class, or one object, from now until `stop`: the public methods it has in Python.

        `read_only` says which methods of the object only read: all, or those named.
        """
        if not self.is_running:
            return
        if isinstance(subject, type):
            self._watcher.watch_class(subject)
        else:
            self._watcher.watch_object(subject, read_only)

    def track_execution(self, method_name: str) -> ContextManager[Any]:
        """Count a `with` as a use of whatever is called `method_name`."""
        if not self.is_running:
            return NOTHING
        return Access(self._board, method_name, "its use", False, None, depth=1)

    def check_method_access(self, method_name: str, caller_frame: Any = None) -> None:
        """Count this moment as a use of whatever is called `method_name`: is another thread in `track_execution` of it?

        `caller_frame` is taken for adapters of the original, and not needed.
        """
        if self.is_running:
            with Access(self._board, method_name, "its use", False, None):
                pass

    def check_library_safety(self, imported_modules: Collection[str] | None = None) -> list[str]:
        """What to know of the listed libraries that are imported, or named. None of it is an overlap yet."""
        known = set(sys.modules if imported_modules is None else imported_modules)
        return [
            "%s: %s: %s" % (name, library.reason, library.advice)
            for name, library in LIBRARIES.items()
            if name in known or (imported_modules is not None and name.partition(".")[0] in known)
        ]

    # What was found.

    @property
    def overlaps(self) -> list[Overlap]:
        """What was found, each pair of places once, oldest first."""
        return list(self._board.found.values())

    def get_report(self) -> dict[str, Any]:
        """What was found and what is watched.

        `warnings` and their number `warnings_issued`, `overlaps_seen` with those at places that were told before,
        `is_full` if no further pair of places is kept, `concurrent_accesses` by method, `watched` classes and
        libraries, `recommendations`.
        """
        found = self.overlaps
        methods: dict[str, int] = {}
        for overlap in found:
            for what in {overlap.first.what, overlap.second.what}:
                methods[what] = methods.get(what, 0) + 1
        return {
            "enabled": self.enabled,
            "strict_mode": self.strict_mode,
            "warnings_issued": len(found),
            "warnings": [str(overlap) for overlap in found],
            "overlaps_seen": self._board.seen,
            "is_full": self._board.is_full,
            "concurrent_accesses": methods,
            "watched": [*self._watcher.names, *self._libraries.watched],
            "recommendations": [ADVICE] if found else [],
        }

    def _manage(self, subject: Any, what: str, reads: bool, function: Any, home: str) -> ContextManager[Any]:
        return Access(self._board, subject, what, reads, function, home)

    def _overlapping(self, overlap: Overlap, is_new: bool) -> None:
        if self.strict_mode:
            raise ThreadSafetyError(overlap)
        if is_new:
            self._on_overlap(overlap)

    def _watch_shared(self, value: Any, read_only: bool | Collection[str]) -> None:
        if not validate_thread_safety(value):
            self._watcher.watch_object(value, read_only)

    def _watch_marked(self, marked: Any) -> None:
        if isinstance(marked, type):
            self._watcher.watch_class(marked)
        else:
            self._watch_function(marked)

    def _watch_function(self, marked: Any) -> None:
        owner: Any = sys.modules.get(marked.__module__)
        what = marked.__qualname__
        *path, name = what.split(".")
        for part in path:
            owner = getattr(owner, part, None)
        if getattr(owner, name, None) is marked:
            self._functions.put(owner, name, watched(marked, self._manage, what, lambda _: marked))


_GLOBAL = ThreadSafetyChecker(enabled=False)
_MARKED: weakref.WeakSet[Any] = weakref.WeakSet()


def enable_checking(strict_mode: bool = False, on_overlap: Callable[[Overlap], None] = _warn) -> ThreadSafetyChecker:
    """Start a checker for this process, in the place of the one before."""
    global _GLOBAL
    _GLOBAL.stop()
    _GLOBAL = ThreadSafetyChecker(strict_mode=strict_mode, on_overlap=on_overlap)
    _GLOBAL.start()
    return _GLOBAL


def disable_checking() -> None:
    """Stop the checker of this process, and have everything as it was."""
    _GLOBAL.stop()
    _GLOBAL.enabled = False


def get_global_checker() -> ThreadSafetyChecker:
    """The checker of this process, which is stopped unless `enable_checking` or its pool started it."""
    return _GLOBAL


def check_thread_safe(subject: _F) -> _F:
    """Mark a class whose objects are to be watched, or a function that no two threads are to run at once.

    Nothing is changed before a checker starts. A function defined in another function cannot be watched.
    """
    _MARKED.add(subject)
    if _GLOBAL.is_running and isinstance(subject, type):
        _GLOBAL.watch(subject)
    return subject


def validate_adapter_thread_safety(adapter_class: Any) -> bool:
    """Whether it declares `__thread_safe__ = True`. Raises ValueError instead of False while checking is strict."""
    is_safe = validate_thread_safety(adapter_class)
    if not is_safe and _GLOBAL.is_running and _GLOBAL.strict_mode:
        name = getattr(adapter_class, "__name__", type(adapter_class).__name__)
        raise ValueError("%s does not declare `__thread_safe__ = True`" % name)
    return is_safe


def check_common_pitfalls(adapter_instance: Any) -> list[str]:
    """What lanes share behind an adapter's back, as far as it can be seen without running it; empty if nothing."""
    owner = adapter_instance if isinstance(adapter_instance, type) else type(adapter_instance)
    found = []
    for base in owner.__mro__[:-1]:
        if base is not BaseAdapter:
            mutable = sorted(
                name
                for name, value in vars(base).items()
                if isinstance(value, (list, dict, set, bytearray)) and not name.startswith("__")
            )
            if mutable:
                found.append(
                    "%s keeps %s in the class, which all lanes share: set it in `initialize`, or make it shared() and "
                    "change it under acquire_lock()" % (base.__name__, ", ".join(mutable))
                )
    if getattr(owner, "__thread_safe__", None) not in (True, False):
        found.append("%s does not declare `__thread_safe__`: say True or False" % owner.__name__)
    return found + _GLOBAL.check_library_safety()


def print_thread_safety_report() -> None:
    """Print what the checker of this process found."""
    report = _GLOBAL.get_report()
    print("thread safety: %d overlaps at %d pairs of places" % (report["overlaps_seen"], report["warnings_issued"]))
    for line in (*report["warnings"], *report["recommendations"]):
        print("  " + line)
