"""Turning Python objects that JSON lacks into the protocol's tagged form; must not know frames or calls.

Third-party types are recognised only if their module is loaded already; nothing is ever imported for them.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import os
import sys
import uuid
from typing import Any, Callable, Optional, Tuple

MAX_DEPTH = 120
"""JSON levels a value may nest; bounded so that neither side's parser can run out of stack."""

_I64_MIN = -(2**63)
_U64_END = 2**64

_Path = Optional[Tuple[Any, str, Any]]


class Unserialisable(ValueError):
    """A value holds something the protocol cannot carry; the message names where."""


class RawArray:
    """An array received by a process without NumPy: its dtype, its shape and its bytes."""

    __slots__ = ("data", "dtype", "shape")

    def __init__(self, dtype: str, shape: tuple[int, ...], data: bytes) -> None:
        self.dtype = dtype
        self.shape = shape
        self.data = data

    def __repr__(self) -> str:
        return "RawArray(dtype=%r, shape=%r, %d bytes)" % (self.dtype, self.shape, len(self.data))


class Lowering:
    """One walk over one value. `buffers` collects what travels beside the JSON text."""

    def __init__(self) -> None:
        self.buffers: list[memoryview] = []

    def lower(self, value: Any, path: _Path, depth: int) -> Any:
        """Return what `json` encodes exactly to the wire form of `value`."""
        if depth > MAX_DEPTH:
            raise Unserialisable("%s nests deeper than %d levels, or contains itself" % (_shorten(path), MAX_DEPTH))
        handler = _EXACT.get(type(value))
        if handler is not None:
            return handler(self, value, path, depth)
        return self._other(value, path, depth)

    def _same(self, value: Any, path: _Path, depth: int) -> Any:
        return value

    def _str(self, value: str, path: _Path, depth: int) -> str:
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise Unserialisable("%s: the text is not valid Unicode (%s)" % (_name(path), error.reason)) from None
        return value

    def _int(self, value: int, path: _Path, depth: int) -> Any:
        if _I64_MIN <= value < _U64_END:
            return value
        # Decimal converts integers of any length; str() refuses more than 4300 digits.
        return {"$": ["int", format(decimal.Decimal(value), "f")]}

    def _float(self, value: float, path: _Path, depth: int) -> Any:
        if value - value == 0.0:
            return value
        return {"$": ["float", repr(value)]}

    def _bytes(self, value: Any, path: _Path, depth: int) -> Any:
        return {"$": ["bytes", self._buffer(value)]}

    def _buffer(self, value: Any) -> int:
        view = memoryview(value)
        if view.format != "B" or view.ndim != 1 or not view.c_contiguous:
            view = memoryview(view.tobytes())
        self.buffers.append(view)
        return len(self.buffers) - 1

    def _list(self, value: list[Any], path: _Path, depth: int) -> list[Any]:
        lower = self.lower
        depth += 1
        return [lower(item, (path, "[%s]", index), depth) for index, item in enumerate(value)]

    def _tuple(self, value: Any, path: _Path, depth: int) -> Any:
        return {"$": ["tuple", self._list(value, path, depth + 2)]}

    def _set(self, value: Any, path: _Path, depth: int) -> Any:
        lower = self.lower
        inner = (path, ".{item}", None)
        tag = "set" if isinstance(value, set) else "frozenset"
        return {"$": [tag, [lower(item, inner, depth + 3) for item in value]]}

    def _dict(self, value: dict[Any, Any], path: _Path, depth: int) -> Any:
        lower = self.lower
        if set(map(type, value)) <= {str} and not (len(value) == 1 and "$" in value):
            return {
                self._str(key, (path, ".{key %s}", key), depth): lower(item, (path, "[%s]", key), depth + 1)
                for key, item in value.items()
            }
        pairs = []
        for key, item in value.items():
            lowered = lower(key, (path, ".{key %s}", key), depth + 4)
            pairs.append([lowered, lower(item, (path, "[%s]", key), depth + 4)])
        if all(type(key) is str for key, _ in pairs) and not (len(pairs) == 1 and pairs[0][0] == "$"):
            return dict(pairs)  # keys of str subclasses
        return {"$": ["map", pairs]}

    def _date(self, value: datetime.date, path: _Path, depth: int) -> Any:
        return {"$": ["date", datetime.date.isoformat(value)]}

    def _time(self, value: datetime.time, path: _Path, depth: int) -> Any:
        return {"$": ["time", datetime.time.isoformat(value) + _zone(value.tzinfo)]}

    def _datetime(self, value: datetime.datetime, path: _Path, depth: int) -> Any:
        return {"$": ["datetime", datetime.datetime.isoformat(value) + _zone(value.tzinfo)]}

    def _timedelta(self, value: datetime.timedelta, path: _Path, depth: int) -> Any:
        return {"$": ["duration", value.days, value.seconds, value.microseconds]}

    def _decimal(self, value: decimal.Decimal, path: _Path, depth: int) -> Any:
        return {"$": ["decimal", decimal.Decimal.__str__(value)]}

    def _uuid(self, value: uuid.UUID, path: _Path, depth: int) -> Any:
        return {"$": ["uuid", str(value)]}

    def _raw_array(self, value: RawArray, path: _Path, depth: int) -> Any:
        return {"$": ["array", value.dtype, list(value.shape), self._buffer(value.data)]}

    def _other(self, value: Any, path: _Path, depth: int) -> Any:
        """Subclasses and duck types, most specific first: many of them are also an int, a str or a tuple."""
        kind = type(value)
        if isinstance(value, enum.Enum):
            return self.lower(value.value, path, depth + 1)
        numpy = sys.modules.get("numpy")
        if numpy is not None and hasattr(numpy, "ndarray"):
            if isinstance(value, numpy.ndarray):
                return self._ndarray(numpy, value, path)
            if isinstance(value, numpy.generic):
                return self._numpy_scalar(value, path, depth)
        plain = _as_mapping(value, kind)
        if plain is not None:
            return self.lower(_guarded(plain, path), path, depth + 1)
        for base, convert, handler in _SUBCLASSES:
            if isinstance(value, base):
                return handler(self, _guarded(lambda: convert(value), path), path, depth)
        if isinstance(value, os.PathLike):
            return self.lower(_guarded(lambda: os.fspath(value), path), path, depth + 1)
        raise Unserialisable(
            "%s: object of type %s cannot be carried; return plain data (numbers, text, lists, dicts, dataclasses, "
            "arrays)" % (_name(path), _type_name(kind))
        )

    def _ndarray(self, numpy: Any, value: Any, path: _Path) -> Any:
        dtype = value.dtype
        if dtype.hasobject or dtype.kind == "V" or hasattr(value, "mask"):
            what = "masked array" if hasattr(value, "mask") else "array of dtype %s" % dtype
            raise Unserialisable("%s: an %s cannot be carried; convert it first" % (_name(path), what))
        shape = list(value.shape)
        flat = numpy.ascontiguousarray(value).reshape(-1)
        # Dates have no buffer format, hence the view as bytes; arrays without bytes allow no view.
        data = memoryview(flat.view("u1")) if flat.nbytes else memoryview(b"")
        return {"$": ["array", dtype.str, shape, self._buffer(data)]}

    def _numpy_scalar(self, value: Any, path: _Path, depth: int) -> Any:
        kind = value.dtype.kind
        item = value.item()
        # Nanosecond dates become bare integers and long doubles stay themselves: neither may pass silently.
        if type(item) is type(value) or (kind in "mM" and not isinstance(item, (datetime.date, datetime.timedelta))):
            raise Unserialisable("%s: numpy %s cannot be carried exactly" % (_name(path), value.dtype))
        return self.lower(item, path, depth + 1)


_Handler = Callable[[Lowering, Any, _Path, int], Any]

_EXACT: dict[type, _Handler] = {
    type(None): Lowering._same,
    bool: Lowering._same,
    str: Lowering._str,
    int: Lowering._int,
    float: Lowering._float,
    bytes: Lowering._bytes,
    bytearray: Lowering._bytes,
    memoryview: Lowering._bytes,
    list: Lowering._list,
    tuple: Lowering._tuple,
    set: Lowering._set,
    frozenset: Lowering._set,
    dict: Lowering._dict,
    datetime.date: Lowering._date,
    datetime.time: Lowering._time,
    datetime.datetime: Lowering._datetime,
    datetime.timedelta: Lowering._timedelta,
    decimal.Decimal: Lowering._decimal,
    uuid.UUID: Lowering._uuid,
    RawArray: Lowering._raw_array,
}


def _itself(value: Any) -> Any:
    return value


def _real_moment(value: Any) -> Any:
    if value != value:  # pandas' NaT calls itself a datetime
        raise ValueError("not a moment in time: %r" % (value,))
    return value


# The base's own converter is called, so that an override in the subclass cannot smuggle in another value.
_SUBCLASSES: tuple[tuple[type, Callable[[Any], Any], _Handler], ...] = (
    (str, str.__str__, Lowering._str),
    (int, int.__int__, Lowering._int),
    (float, float.__float__, Lowering._float),
    (bytes, bytes, Lowering._bytes),
    (bytearray, _itself, Lowering._bytes),
    (list, _itself, Lowering._list),
    (tuple, _itself, Lowering._tuple),
    (set, _itself, Lowering._set),
    (frozenset, _itself, Lowering._set),
    (dict, _itself, Lowering._dict),
    (datetime.datetime, _real_moment, Lowering._datetime),
    (datetime.date, _itself, Lowering._date),
    (datetime.time, _itself, Lowering._time),
    (datetime.timedelta, _itself, Lowering._timedelta),
    (decimal.Decimal, _itself, Lowering._decimal),
    (uuid.UUID, _itself, Lowering._uuid),
)


def _as_mapping(value: Any, kind: type) -> Callable[[], Any] | None:
    """How to view `value` as a map: a dataclass, a named tuple or a pydantic model."""
    if hasattr(kind, "__dataclass_fields__"):
        names = [field.name for field in sys.modules["dataclasses"].fields(value)]
        return lambda: {name: getattr(value, name) for name in names}
    if isinstance(value, tuple):
        return value._asdict if hasattr(kind, "_fields") and hasattr(kind, "_asdict") else None
    if callable(getattr(kind, "model_dump", None)):
        return lambda: value.model_dump()
    if hasattr(kind, "__fields__") and callable(getattr(kind, "dict", None)):
        return lambda: value.dict()  # pydantic 1
    return None


def _guarded(convert: Callable[[], Any], path: _Path) -> Any:
    try:
        return convert()
    except Exception as error:
        raise Unserialisable(
            "%s: could not be converted: %s: %s" % (_name(path), type(error).__name__, error)
        ) from error


def _zone(zone: Any) -> str:
    key = getattr(zone, "key", None)
    return "[%s]" % key if isinstance(key, str) else ""


def _type_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)


def _bounded_repr(value: Any) -> str:
    try:
        text = ascii(value)
    except Exception:
        text = "<%s>" % type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."


def _name(path: _Path) -> str:
    steps = []
    while path is not None:
        path, form, key = path
        steps.append(form.replace("%s", _bounded_repr(key)))
    return "result" + "".join(reversed(steps))


def _shorten(path: _Path) -> str:
    name = _name(path)
    return name if len(name) <= 120 else name[:117] + "..."
