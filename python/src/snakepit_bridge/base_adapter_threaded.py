"""Adapters for lanes on threads: a lock, storage of each thread, counts of requests; must not know lanes or checking.

The module keeps the name it had in the original Snakepit. There every request had an adapter of its own, so that
nothing here could work; here every lane has one, what lanes share is named (`shared`), and they share one lock.
"""

from __future__ import annotations

import functools
import inspect
import os
import threading
from contextlib import contextmanager
from typing import Any, Callable, ContextManager, Iterator, TypeVar, overload

from ._api import BaseAdapter, tool
from ._around import NOTHING, around

__all__ = [
    "RequestTracker",
    "ThreadLocalStorage",
    "ThreadSafeAdapter",
    "read_only",
    "require_thread_safe",
    "thread_safe_method",
    "tool",
    "validate_thread_safety",
]

_F = TypeVar("_F", bound=Callable[..., Any])

READ_ONLY_MARK = "__snakepit_read_only__"


class ThreadLocalStorage:
    """Values by name, each thread its own."""

    def __init__(self) -> None:
        self._values = threading.local()

    def get(self, key: str, default: Any = None) -> Any:
        """The value this thread has set, or `default`."""
        return self._values.__dict__.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Set it for this thread."""
        self._values.__dict__[key] = value

    def delete(self, key: str) -> None:
        """Forget this thread's value, if there is one."""
        self._values.__dict__.pop(key, None)

    def clear(self) -> None:
        """Forget all values of this thread."""
        self._values.__dict__.clear()


class RequestTracker:
    """Counts requests, all and running, by thread."""

    def __init__(self) -> None:
        # Re-entrant: the garbage collector may run a finaliser that counts, in between.
        self._lock = threading.RLock()
        self._total = 0
        self._active: dict[int, int] = {}
        self._seen: set[int] = set()

    def start_request(self, thread_id: int | None = None) -> int:
        """A request begins on a thread, by default on this one. Its number, from 1 on."""
        thread = threading.get_ident() if thread_id is None else thread_id
        with self._lock:
            self._total += 1
            self._active[thread] = self._active.get(thread, 0) + 1
            self._seen.add(thread)
            return self._total

    def end_request(self, thread_id: int | None = None) -> None:
        """The one that began last on that thread ends."""
        thread = threading.get_ident() if thread_id is None else thread_id
        with self._lock:
            left = self._active.pop(thread, 0) - 1
            if left > 0:
                self._active[thread] = left

    def get_stats(self) -> dict[str, int]:
        """`total_requests`, `active_threads`, `total_active_requests` and `threads_seen`."""
        with self._lock:
            return {
                "total_requests": self._total,
                "active_threads": len(self._active),
                "total_active_requests": sum(self._active.values()),
                "threads_seen": len(self._seen),
            }

    @contextmanager
    def track(self) -> Iterator[int]:
        """Count a request for as long as this lasts. Gives its number."""
        thread = threading.get_ident()
        number = self.start_request(thread)
        try:
            yield number
        finally:
            self.end_request(thread)


class ThreadSafeAdapter(BaseAdapter):
    """An adapter that declares itself fit for lanes on threads, with what is needed to be that.

    Each lane has an instance of its own: what `self` holds needs no lock. What lanes share does, as do class attributes
    and globals that change: `acquire_lock` is one lock for all lanes of the process.
    """

    __thread_safe__ = True

    # Of the class, hence of the process: lanes have instances of their own. Under names that subclasses do not use.
    _snakepit_lock: Any = threading.RLock()
    _snakepit_tracker = RequestTracker()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._snakepit_tracker = RequestTracker()

    @property
    def _thread_local(self) -> ThreadLocalStorage:
        # Not in the constructor: subclasses need not call it.
        values: ThreadLocalStorage = self.__dict__.setdefault("_snakepit_thread_local", ThreadLocalStorage())
        return values

    def acquire_lock(self) -> ContextManager[Any]:
        """The lock of this process, for `with`: one for all adapters and lanes, and re-entrant.

        A call that waits for it cannot be interrupted by its caller: hold it for as short as possible.
        """
        lock: ContextManager[Any] = self._snakepit_lock
        return lock

    def get_thread_local(self, key: str, default: Any = None) -> Any:
        """The value this thread has set on this adapter, or `default`."""
        return self._thread_local.get(key, default)

    def set_thread_local(self, key: str, value: Any) -> None:
        """Set a value that only this thread sees."""
        self._thread_local.set(key, value)

    def clear_thread_local(self, key: str | None = None) -> None:
        """Forget this thread's value of that name, or all of this thread's values."""
        if key is None:
            self._thread_local.clear()
        else:
            self._thread_local.delete(key)

    def track_request(self, request_id: str | None = None) -> ContextManager[int]:
        """Count a request for as long as a `with` lasts. Gives its number; `request_id` is for who reads the code."""
        return self._snakepit_tracker.track()

    def get_stats(self) -> dict[str, Any]:
        """The class, what it declares, and as `tracker` the requests of all lanes of this process."""
        return {
            "adapter_class": type(self).__name__,
            "thread_safe": self.__thread_safe__,
            "tracker": self._snakepit_tracker.get_stats(),
        }


@overload
def thread_safe_method(function: _F) -> _F: ...


@overload
def thread_safe_method(*, lock: bool = ...) -> Callable[[_F], _F]: ...


def thread_safe_method(function: Any = None, *, lock: bool = False) -> Any:
    """Declare that a method takes care of itself between threads; `@tool` goes below or above.

    On a `ThreadSafeAdapter` its runs are counted, and with `lock=True` it has the adapter's lock for as long as it
    runs. The thread safety checker believes the declaration and looks only at what the method calls.
    """
    return _declared(function, lock) if function is not None else lambda method: _declared(method, lock)


def _declared(function: Any, lock: bool) -> Any:
    lazy = inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function)
    if lock and (lazy or inspect.isasyncgenfunction(function)):
        raise TypeError(
            "%s would hold the lock while it waits: use acquire_lock() around the parts that need it"
            % function.__name__
        )
    tracked = around(function, _tracked)
    method = _locked(tracked) if lock else tracked
    method.__thread_safe__ = True  # type: ignore[attr-defined]
    return method


def read_only(function: _F) -> _F:
    """Declare that a method only reads its object: threads may be in such methods at the same time.

    Costs nothing; the thread safety checker counts it against methods that change the object.
    """
    setattr(function, READ_ONLY_MARK, True)
    return function


def require_thread_safe(function: _F) -> _F:
    """Have a function that takes an adapter first refuse those that do not declare `__thread_safe__ = True`."""

    @functools.wraps(function)
    def checked(adapter: Any, *args: Any, **kwargs: Any) -> Any:
        if not validate_thread_safety(adapter):
            kind = adapter if isinstance(adapter, type) else type(adapter)
            raise ValueError(
                "%s does not declare itself thread-safe: say `__thread_safe__ = True` in it once that is true"
                % kind.__name__
            )
        return function(adapter, *args, **kwargs)

    return checked  # type: ignore[return-value]


def validate_thread_safety(adapter_class: Any) -> bool:
    """Whether a class, or an instance, declares `__thread_safe__ = True`."""
    return getattr(adapter_class, "__thread_safe__", None) is True


def _tracked(args: Any) -> ContextManager[Any]:
    return args[0]._snakepit_tracker.track() if args and isinstance(args[0], ThreadSafeAdapter) else NOTHING


def _locked(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def locked(adapter: Any, *args: Any, **kwargs: Any) -> Any:
        with adapter.acquire_lock():
            return function(adapter, *args, **kwargs)

    return locked


def _renew_locks() -> None:
    """In a forked copy: a lock that another thread held is held by nobody who could let go of it."""
    waiting = [ThreadSafeAdapter]
    ThreadSafeAdapter._snakepit_lock = threading.RLock()
    for adapter in waiting:
        adapter._snakepit_tracker._lock = threading.RLock()
        waiting += adapter.__subclasses__()


os.register_at_fork(after_in_child=_renew_locks)
