"""`shared(factory)`: one object per process, built once, by whoever asks first; must not know lanes or calls."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from typing import Any, Callable, Collection, Generic, TypeVar, overload

from ._api import Cancelled
from ._sender import shielded

_T = TypeVar("_T")

_SLICE = 0.05
"""Seconds that who waits is deaf to being cancelled: exceptions arrive between two steps of Python only."""


class _Attempt:
    """One thread calls the factory, others wait for what comes of it."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.done = threading.Event()
        self.error: BaseException | None = None


_waiting: dict[int, _Attempt] = {}
"""What each thread that waits waits for."""

ALL: weakref.WeakSet[Shared[Any]] = weakref.WeakSet()
"""Every one there is, for who wants to look at what they hold."""

ON_BUILT: list[Callable[[Any, bool | Collection[str]], None]] = []
"""Told of each object, and of what only reads it, when it is built and before anybody has it."""


class Shared(Generic[_T]):
    """Stands for one object of this process: call it to get the object, or use the object's public attributes here.

    The object is built by the first who asks, on that thread; who asks meanwhile waits. If the factory raises, all who
    waited get that exception, and the next one who asks calls the factory again. A process forked later has a copy of
    what was built before; in sub-interpreters there is one object in each. Asking afterwards is one comparison.
    """

    __slots__ = ("__weakref__", "_attempts", "_factory", "_is_built", "_value", "read_only")

    def __init__(self, factory: Callable[[], _T], read_only: bool | Collection[str]) -> None:
        self._factory = factory
        self._is_built = False
        self._value: _T
        # By process: an attempt whose thread was left behind by a fork is nobody's any more. `setdefault` is atomic.
        self._attempts: dict[int, _Attempt] = {}
        self.read_only = read_only
        """Which of the object's methods only read, for the thread safety checker: all, none, or those named."""
        ALL.add(self)

    def __call__(self) -> _T:
        """The object. Blocks while it is being built.

        Raises what the factory raises, and `RuntimeError` if waiting would never end: the factory asks for its own
        object, or two factories for each other's.
        """
        if self._is_built:
            return self._value
        return self._build()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # whoever looks whether this is a coroutine, or a mock, must not build it
            raise AttributeError("%r: private attributes are those of the object itself, `%s()`" % (name, self._name()))
        return getattr(self(), name)

    def __repr__(self) -> str:
        return "shared(%s)%s" % (self._name(), "" if self._is_built else ", not built yet")

    def _name(self) -> str:
        return str(getattr(self._factory, "__name__", self._factory))

    def _build(self) -> _T:
        process, here = os.getpid(), threading.get_ident()
        # Who was interrupted while it waited may have left this behind.
        _waiting.pop(here, None)
        while not self._is_built:
            mine = _Attempt()
            try:
                try:
                    attempt = self._attempts.setdefault(process, mine)
                    if attempt is mine:
                        self._value = value = _made(self._factory)
                        for tell in ON_BUILT:
                            tell(value, self.read_only)
                        self._is_built = True
                        shielded(self._end, process, mine, None)
                        break
                except BaseException as error:
                    shielded(self._end, process, mine, error)
                    raise
            except Cancelled as error:
                # It may have come in the way of the above, and comes once to a call.
                shielded(self._end, process, mine, error)
                raise
            if attempt.thread == here and not _is_here(attempt):
                self._attempts.pop(process, None)  # whatever ended it, nobody is at it
                continue
            self._await(process, attempt)
        return self._value

    def _end(self, process: int, mine: _Attempt, error: BaseException | None) -> None:
        """Have those who wait for an attempt go on. Doing it twice does no harm; interrupted halfway it would."""
        if not self._is_built and self._attempts.get(process) is mine:
            mine.error = error
            del self._attempts[process]
        mine.done.set()

    def _await(self, process: int, attempt: _Attempt) -> None:
        here = threading.get_ident()
        # Written before others' are read: of two that begin to wait for each other at least one sees it.
        _waiting[here] = attempt
        try:
            if _waits_for(attempt, here):
                raise RuntimeError("the factory of %r waits for the object it is to make" % self)
            while not self._is_built and self._attempts.get(process) is attempt:
                # Shielded: the lock inside must not stay taken, for who ends the attempt needs it.
                if shielded(attempt.done.wait, _SLICE):
                    break
        finally:
            _waiting.pop(here, None)
        error = attempt.error
        # Who was interrupted was somebody else: try again.
        if isinstance(error, Exception):
            raise error


def _is_here(attempt: _Attempt) -> bool:
    """Whether this very thread is inside that attempt."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code is Shared._build.__code__ and frame.f_locals.get("mine") is attempt:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _waits_for(attempt: _Attempt | None, thread: int) -> bool:
    """Whether the attempt needs, possibly by way of others, this thread to go on."""
    for _ in range(len(_waiting) + 1):
        if attempt is None or attempt.thread == thread:
            return attempt is not None
        attempt = _waiting.get(attempt.thread)
    return False


def _made(factory: Callable[[], Any]) -> Any:
    value = factory()
    close = getattr(value, "close", None) if hasattr(type(value), "__await__") else None
    if close is not None:
        close()
        raise TypeError("the factory of shared() is async: build the object in a plain function")
    return value


@overload
def shared(factory: Callable[[], _T], *, read_only: bool | Collection[str] = ...) -> Shared[_T]: ...


@overload
def shared(*, read_only: bool | Collection[str] = ...) -> Callable[[Callable[[], _T]], Shared[_T]]: ...


def shared(factory: Any = None, *, read_only: bool | Collection[str] = False) -> Any:
    """One object for all lanes of this process, built by `factory` when it is first asked for.

        model = shared(lambda: load("model.bin"), read_only=True)

        @shared
        def history():
            return []

    Then `model()` is the object, and `model.predict` its attribute. Sharing makes nothing safe: change what is shared
    under a lock. `read_only=True`, or the names of methods, tells the thread safety checker what only reads.
    """
    if factory is None:
        return lambda function: shared(function, read_only=read_only)
    if not callable(factory):
        raise TypeError("shared() takes a function that makes the object, not a %s" % type(factory).__name__)
    return Shared(factory, read_only)
