"""Whether the GIL is on, and which modules turned it on; must not know connections or calls."""

from __future__ import annotations

import sys
import threading
from typing import Any, Callable

FREE_THREADED_BUILD = "t" in getattr(sys, "abiflags", "")

_check: Callable[[], bool] | None = getattr(sys, "_is_gil_enabled", None)

_culprits: list[str] = []
_loading: set[int] = set()
_begun: list[str] = []


def enabled() -> bool:
    """Whether threads of this process exclude each other right now."""
    return True if _check is None else bool(_check())


def culprits() -> list[str]:
    """The extension modules that turned the GIL on, in the order of their import; none while it is off."""
    if not enabled():
        _culprits.clear()
    return list(_culprits)


def watch() -> None:
    """Note from now on after which extension module the GIL is on.

    The interpreter announces it by a warning, which filters of user code may drop, or turn into an exception that
    leaves the GIL on and the module out. So the one step that can turn it on is observed instead.
    """
    if enabled():
        return
    from importlib.machinery import ExtensionFileLoader

    original = ExtensionFileLoader.create_module

    def create_module(loader: Any, spec: Any) -> Any:
        here = threading.get_ident()
        if here in _loading:  # imported by a module that is loading: counted with that one
            return original(loader, spec)
        # Every extension module turns it on while it loads, so that what one sees during other loads says nothing.
        before = enabled() and not _loading
        begin_load(here, spec.name)
        try:
            return original(loader, spec)
        finally:
            end_load(here)
            if not before and enabled():
                _culprits.append(spec.name)

    ExtensionFileLoader.create_module = create_module  # type: ignore[method-assign, assignment]


def begin_load(thread: int, name: str) -> None:
    """An extension module begins to load on a thread: the GIL is on for that long, whatever the module says."""
    _loading.add(thread)
    _begun.append(name)  # afterwards, so that whoever counts this one either sees it loading or after its end


def end_load(thread: int) -> None:
    """The load of this thread is over."""
    _loading.discard(thread)


class LateNotice:
    """Tells once that the GIL came on after it was off: a call imported something."""

    def __init__(self, is_on: Callable[[], bool], send: Callable[[list[str], str, int], None]) -> None:
        self.is_on = is_on
        """The cheapest question there is, for lanes to ask after each call."""
        self._send = send
        self._lock = threading.Lock()
        self._sent = False

    def tell(self, command: str, ident: int) -> bool:
        """Send the notice, if the GIL is on for good. Whether there is nothing to ask for any more."""
        begun = len(_begun)
        if _loading or not enabled() or len(_begun) != begun:
            return False  # on for as long as that import takes; whoever answers after it will see
        with self._lock:
            if not self._sent:
                self._sent = True
                self._send(culprits(), command, ident)
        return True


def late_notice(send: Callable[[list[str], str, int], None]) -> LateNotice | None:
    """The notice to give; None where the GIL is on already, or always."""
    return None if _check is None or _check() else LateNotice(_check, send)
