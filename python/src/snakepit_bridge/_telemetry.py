"""What user code tells of its work: events, and spans with a beginning and an end; must not know how they travel."""

from __future__ import annotations

import inspect
import os
import re
import reprlib
import time
from contextvars import ContextVar, Token
from functools import wraps
from typing import Any, Callable, Mapping, NamedTuple, Sequence, TypeVar, final

from ._context import CallContext, current_call
from ._errors import type_name
from ._traces import cut
from ._wire import dump_object

_F = TypeVar("_F", bound=Callable[..., Any])

Sink = Callable[[bytes, int], bool]
"""Takes the body of an EVENT and the call it belongs to. Must neither block nor raise."""

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*\Z")
_MAX_NAME = 200
_MAX_ITEMS = 2048
_MAX_DEPTH = 8
_INT_END = 2**63
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\Z")
_SHORT = reprlib.Repr()
_SHORT.maxother = _SHORT.maxstring = 200
_SHORT.maxlevel = 3


class _Route:
    """Where events go: to the sink in a worker; nowhere while the adapter is imported, or without a host."""

    def __init__(self) -> None:
        self.sink: Sink | None = None


ROUTE = _Route()


class _Place(NamedTuple):
    """Where in a trace something happens. `call` guards against a span that an earlier call left open."""

    call: int
    trace: str
    span: str
    flags: str


_HERE: ContextVar[_Place | None] = ContextVar("snakepit_span", default=None)


class Telemetry:
    """Tells the host of a call, or of whichever call the thread works for."""

    def __init__(self, call: CallContext | None = None) -> None:
        self._call = call

    def emit(
        self,
        name: str,
        measurements: Mapping[str, float] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> bool:
        """Tell the host that something happened. It reaches every event sink of the pool.

        `name` is lower-case and dotted, as `cache.missed`. `measurements` are numbers, and `metadata` is whatever JSON
        can hold; what it cannot is shown by its `repr`, cut short. Never blocks: when the host does not keep up, or the
        event is over 16 KiB, it is dropped and counted. False then, and where there is no host.

        Raises `ValueError` for a name of another form, and `TypeError` for a measurement that is no number.
        """
        return self._send(_checked(name), measurements or {}, metadata or {}, None)

    def span(self, name: str, /, **metadata: Any) -> Span:
        """Tell the host when something begins and ends: `with telemetry.span("load", rows=3):`, or as a decorator.

        The events are `name.start` and `name.stop`; the latter has the measurement `duration` in seconds, and `error`
        in its metadata. Spans within spans know each other, and the caller's trace (`traceparent`) goes on in them.
        """
        return Span(self, _checked(name), metadata)

    def _send(
        self, name: str, measurements: Mapping[str, Any], metadata: Mapping[str, Any], span: dict[str, str] | None
    ) -> bool:
        numbers = {_text(key): _number(key, value) for key, value in measurements.items()}
        sink = ROUTE.sink
        if sink is None:
            return False
        call = self._call or current_call()
        event: dict[str, Any] = {"name": name, "measurements": numbers, "time_ns": time.time_ns()}
        if span is not None:
            event["span"] = span
        event["metadata"] = _Plain().entries(metadata)
        return sink(dump_object(event), 0 if call is None else call.id)

    def _place(self) -> _Place:
        """Where a span that begins now belongs: below the innermost one of this call, or below the caller's."""
        call = self._call or current_call()
        ident = 0 if call is None else call.id
        here = _HERE.get()
        if here is not None and here.call == ident:
            return here
        return _Place(ident, *(_fresh_root() if call is None else root_of(call)))


@final
class Span:
    """Something that takes time. Enter it once; as a decorator it makes a span for each call of the function.

    What is put into `metadata` and `measurements` before the end is told at the end.
    """

    def __init__(self, telemetry: Telemetry, name: str, metadata: dict[str, Any]) -> None:
        self.name = name
        self.metadata = metadata
        self.measurements: dict[str, float] = {}
        self._telemetry = telemetry
        self._place: _Place | None = None
        self._ids: dict[str, str] = {}
        self._began = 0.0
        self._outer: Token[_Place | None] | None = None

    @property
    def traceparent(self) -> str | None:
        """Its W3C trace context, for requests made within it; None before it is entered."""
        place = self._place
        return None if place is None else "00-%s-%s-%s" % (place.trace, place.span, place.flags)

    def __enter__(self) -> Span:
        parent = self._telemetry._place()
        self._place = parent._replace(span=os.urandom(8).hex())
        self._ids = {"trace": parent.trace, "id": self._place.span}
        if parent.span:
            self._ids["parent"] = parent.span
        self._telemetry._send(self.name + ".start", {}, self.metadata, self._ids)
        self._outer = _HERE.set(self._place)
        self._began = time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        measurements = {"duration": time.perf_counter() - self._began, **self.measurements}
        if self._outer is not None:
            try:
                _HERE.reset(self._outer)
            except ValueError:
                pass  # an asynchronous generator began it in another context, which ended with its item
        outcome: dict[str, Any] = {"error": error is not None}
        if error is not None:
            outcome["error_type"] = type_name(error)
        self._telemetry._send(self.name + ".stop", measurements, {**self.metadata, **outcome}, self._ids)

    def __call__(self, function: _F) -> _F:
        """Decorate a function, a coroutine function or a generator function."""
        telemetry, name, metadata = self._telemetry, self.name, self.metadata

        def again() -> Span:
            return Span(telemetry, name, dict(metadata))

        wrapper: Any
        if inspect.iscoroutinefunction(function):

            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                with again():
                    return await function(*args, **kwargs)

        elif inspect.isasyncgenfunction(function):

            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                with again():
                    items = function(*args, **kwargs)
                    try:
                        async for item in items:
                            yield item
                    finally:
                        await items.aclose()

        elif inspect.isgeneratorfunction(function):

            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with again():
                    return (yield from function(*args, **kwargs))

        else:

            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with again():
                    return function(*args, **kwargs)

        return wraps(function)(wrapper)  # type: ignore[return-value]


def root_of(call: CallContext) -> tuple[str, str, str]:
    """Trace, span and flags of a call's caller. Without one the call has a trace of its own, and no span."""
    if call.root is None:
        found = _TRACEPARENT.match(call.traceparent or "")
        call.root = found.group(1, 2, 3) if found else _fresh_root()  # type: ignore[assignment]
    return call.root  # type: ignore[return-value]


def _fresh_root() -> tuple[str, str, str]:
    return os.urandom(16).hex(), "", "01"


def _checked(name: str) -> str:
    if not isinstance(name, str) or len(name) > _MAX_NAME or not _NAME.match(name):
        raise ValueError(
            "%s is not the name of an event: lower-case words with dots in between are, as 'cache.missed', "
            "of at most %d characters" % (_SHORT.repr(name), _MAX_NAME)
        )
    return name


def _number(key: Any, value: Any) -> float | int | str:
    if isinstance(value, (str, bytes)):  # float() would read it
        raise TypeError("the measurement %s is %s, not a number" % (_SHORT.repr(key), type(value).__name__))
    try:
        number = float(value)
    except (TypeError, ValueError):
        message = "the measurement %s is %s, not a number" % (_SHORT.repr(key), type(value).__name__)
        raise TypeError(message) from None
    except OverflowError:
        number = float("inf") if value > 0 else float("-inf")
    return number if number - number == 0.0 else repr(number)  # JSON has no infinities


class _Plain:
    """Turns metadata into what JSON holds, of bounded size: the host takes an event that it cannot read for a fault."""

    def __init__(self) -> None:
        self._left = _MAX_ITEMS

    def entries(self, items: Mapping[Any, Any], depth: int = 0) -> dict[str, Any]:
        """The same under keys that are text."""
        made = {}
        for key, value in items.items():
            made[_text(key)] = self.value(value, depth)
            if self._left < 0:  # the last one says that there are more
                break
        return made

    def value(self, value: Any, depth: int) -> Any:
        """The value, or how it looks."""
        self._left -= 1
        if self._left < 0:
            return "..."
        if value is None or isinstance(value, (str, bool)):
            return value
        if isinstance(value, int) and -_INT_END <= value < _INT_END:
            return int(value)
        if isinstance(value, float):
            return value if value - value == 0.0 else repr(value)
        if depth < _MAX_DEPTH:
            if isinstance(value, dict):
                return self.entries(value, depth + 1)
            if isinstance(value, (list, tuple)):
                return self._items(value, depth + 1)
        return _shown(value)

    def _items(self, items: Sequence[Any], depth: int) -> list[Any]:
        made = []
        for item in items:
            made.append(self.value(item, depth))
            if self._left < 0:
                break
        return made


def _shown(value: Any) -> str:
    try:
        return cut(_SHORT.repr(value), 1024)
    except Exception:  # a repr of user code
        return "<%s>" % type(value).__name__


def _text(key: Any) -> str:
    return key if isinstance(key, str) else _shown(key)
