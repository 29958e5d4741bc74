"""What adapter authors use: `BaseAdapter`, `tool`, `cancelled`; must not know frames or connections."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any, Callable, Mapping, NamedTuple, TypeVar, overload

_get_ident = threading.get_ident

_F = TypeVar("_F", bound=Callable[..., Any])

TOOL_MARK = "__snakepit_tool__"


class Cancelled(KeyboardInterrupt):
    """Raised inside a command whose caller no longer wants the answer.

    Catch it only to clean up, then re-raise. It is a `KeyboardInterrupt` because code in between, asyncio's event loop
    above all, lets that pass from any point and swallows other exceptions that arrive out of the blue.
    """


class ToolInfo(NamedTuple):
    """What `@tool` remembers about a function."""

    name: str | None = None
    description: str | None = None
    streams: bool = False
    timeout: float | None = None
    """Seconds."""
    idempotent: bool = False
    validate: bool = True


@overload
def tool(function: _F) -> _F: ...


@overload
def tool(
    function: str | None = None,
    *,
    name: str | None = None,
    description: str | None = None,
    supports_streaming: bool = False,
    timeout: float | timedelta | None = None,
    idempotent: bool = False,
    validate: bool = True,
    required_variables: Any | None = None,
) -> Callable[[_F], _F]: ...


def tool(
    function: Any = None,
    *,
    name: str | None = None,
    description: str | None = None,
    supports_streaming: bool = False,
    timeout: float | timedelta | None = None,
    idempotent: bool = False,
    validate: bool = True,
    required_variables: Any | None = None,
) -> Any:
    """Make a function or a method a command: `@tool`, or `@tool(name=..., timeout=5, idempotent=True)`.

    - `name`, `description`: what it is called and what it does; if left out, its own name and the first line of its
      docstring.
    - `supports_streaming`: that it streams, where that cannot be seen because another decorator hides the generator.
      Any generator can be streamed without it.
    - `timeout`: seconds (or a `timedelta`) a call may take in all that does not say otherwise; else the pool's
      `request_timeout`.
    - `idempotent`: running it twice does no harm, so a call that does not say otherwise is tried again if its worker
      dies.
    - `validate=False`: arguments come as they were sent, whatever the annotations say.
    - `required_variables` is accepted for adapters of the original Snakepit and means nothing.

    Raises `TypeError` or `ValueError` if `timeout` is no positive, finite time.
    """
    if isinstance(function, str):  # the original took the description as its first argument
        description = function
        function = None
    info = ToolInfo(name, description, supports_streaming, _seconds(timeout), bool(idempotent), bool(validate))

    def mark(marked: _F) -> _F:
        # A staticmethod or classmethod of Python 3.8 takes no attributes of its own, its function does.
        setattr(getattr(marked, "__func__", marked), TOOL_MARK, info)
        return marked

    return mark if function is None else mark(function)


def _seconds(timeout: float | timedelta | None) -> float | None:
    if timeout is None:
        return None
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else float(timeout)
    if not 0 < seconds < float("inf"):
        raise ValueError("timeout=%r: it has to be a positive number of seconds" % (timeout,))
    return seconds


class BaseAdapter:
    """An optional base for adapters. Any class with `@tool` methods will do.

    One instance serves one lane for as long as the lane lives and is never used by two threads. What instances share
    (the module, the class, libraries) may be: say `__thread_safe__ = True` in the class, or in the module, if that is
    sound, and `False` if it is not.
    """

    arguments: Mapping[str, Any] = {}

    def __init__(self, **arguments: Any) -> None:
        self.arguments = arguments

    def initialize(self) -> Any:
        """Prepare this instance, after the fork: connections, models, warm-up. May be `async`."""

    def cleanup(self) -> Any:
        """Release what `initialize` took, when the worker stops in good order. May be `async`."""

    def call_tool(self, tool_name: str, **arguments: Any) -> Any:
        """Call a tool of this adapter by its name, as adapters of the original do in their `execute_tool`."""
        return getattr(self, tool_name)(**arguments)


class Lanes:
    """Which thread serves which lane; the one place where user threads meet the runtime."""

    def __init__(self) -> None:
        self.by_thread: dict[int, Any] = {}
        self.sole: Any = None

    def here(self) -> Any:
        """The lane of this thread; the sole lane of its interpreter is that of every thread."""
        return self.sole or self.by_thread.get(threading.get_ident())


LANES = Lanes()


def cancelled() -> bool:
    """Whether the caller no longer wants the answer of the call this thread is working for.

    True from the moment the caller gave up, which is before anything is interrupted; False outside of a call. Never
    raises, takes no lock and less than a microsecond, so that a loop may ask each time around. For which
    threads there is a call: as with `current_call`.
    """
    lane = LANES.sole or LANES.by_thread.get(_get_ident())
    if lane is None:
        return False
    gate = lane.gate
    ident = gate.running
    # As `gate.is_cancelled`, without the call.
    return ident != 0 and (gate.told == ident or ident in gate.told_early)


def check_cancelled() -> None:
    """Raise `Cancelled` if `cancelled()`. Returns at once otherwise, and outside of a call.

    On the thread of the call this counts as its interruption: what cleans up after it is not interrupted again. Asked
    again, it raises again.
    """
    if cancelled():
        gate = LANES.here().gate
        if gate.thread == _get_ident():
            gate.interrupt_here()
        raise Cancelled


def deadline() -> float | None:
    """When the caller stops waiting for the call this thread is working for, in seconds of `time.monotonic()`.

    None without a deadline, and outside of a call. Never raises. For which threads there is a call: as with
    `current_call`.
    """
    lane = LANES.sole or LANES.by_thread.get(_get_ident())
    nanoseconds = None if lane is None else lane.deadline
    return None if nanoseconds is None else nanoseconds / 1e9
