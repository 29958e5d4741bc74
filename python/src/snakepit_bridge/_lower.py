"""Turning Python objects that JSON lacks into the protocol's tagged form; must not know frames or calls."""

from __future__ import annotations

import datetime
import decimal
import uuid
from functools import partial
from typing import Any, Callable, Iterable, Optional, Tuple

from ._arrays import RawArray, Unserialisable, checked
from ._duck import equivalent, last_resort, real_moment, real_span, zone_suffix
from ._refs import Kept
from ._tables import Columns, RawTable

MAX_DEPTH = 120
"""JSON levels a value may nest; bounded so that neither side's parser can run out of stack."""

_I64_MIN = -(2**63)
_U64_END = 2**64

Path = Optional[Tuple[Any, str, Any]]
"""Where a value is: the path of what holds it, the form of the last step, and its key."""


class Lowering:
    """One walk over one value. `buffers` collects what travels beside the JSON text."""

    def __init__(self) -> None:
        self.buffers: list[memoryview] = []

    def lower(self, value: Any, path: Path, depth: int) -> Any:
        """Return what `json` encodes exactly to the wire form of `value`."""
        if depth > MAX_DEPTH:
            raise Unserialisable("%s nests deeper than %d levels, or contains itself" % (_shorten(path), MAX_DEPTH))
        handler = _EXACT.get(type(value))
        if handler is not None:
            return handler(self, value, path, depth)
        return self._other(value, path, depth)

    def _same(self, value: Any, path: Path, depth: int) -> Any:
        return value

    def _str(self, value: str, path: Path, depth: int) -> str:
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise Unserialisable("%s: the text is not valid Unicode (%s)" % (_name(path), error.reason)) from None
        return value

    def _int(self, value: int, path: Path, depth: int) -> Any:
        if _I64_MIN <= value < _U64_END:
            return value
        # Decimal converts integers of any length; str() refuses more than 4300 digits.
        return {"$": ["int", format(decimal.Decimal(value), "f")]}

    def _float(self, value: float, path: Path, depth: int) -> Any:
        if value - value == 0.0:
            return value
        return {"$": ["float", repr(value)]}

    def _bytes(self, value: Any, path: Path, depth: int) -> Any:
        return {"$": ["bytes", self._buffer(value)]}

    def _buffer(self, value: Any) -> int:
        view = memoryview(value)
        if view.format != "B" or view.ndim != 1 or not view.c_contiguous:
            view = memoryview(view.tobytes())
        self.buffers.append(view)
        return len(self.buffers) - 1

    def _list(self, value: list[Any], path: Path, depth: int) -> list[Any]:
        lower = self.lower
        depth += 1
        return [lower(item, (path, "[%s]", index), depth) for index, item in enumerate(value)]

    def _tuple(self, value: Any, path: Path, depth: int) -> Any:
        return {"$": ["tuple", self._list(value, path, depth + 2)]}

    def _set(self, value: Any, path: Path, depth: int) -> Any:
        lower = self.lower
        inner = (path, ".{item}", None)
        tag = "set" if isinstance(value, set) else "frozenset"
        return {"$": [tag, [lower(item, inner, depth + 3) for item in value]]}

    def _dict(self, value: dict[Any, Any], path: Path, depth: int) -> Any:
        lower = self.lower
        if set(map(type, value)) <= {str} and not (len(value) == 1 and "$" in value) and _are_utf8(value):
            return {key: lower(item, (path, "[%s]", key), depth + 1) for key, item in value.items()}
        pairs = []
        for key, item in value.items():
            lowered = lower(key, (path, ".{key %s}", key), depth + 4)
            pairs.append([lowered, lower(item, (path, "[%s]", key), depth + 4)])
        if all(type(key) is str for key, _ in pairs) and not (len(pairs) == 1 and pairs[0][0] == "$"):
            return dict(pairs)  # keys of str subclasses
        return {"$": ["map", pairs]}

    def _date(self, value: datetime.date, path: Path, depth: int) -> Any:
        return {"$": ["date", datetime.date.isoformat(value)]}

    def _time(self, value: datetime.time, path: Path, depth: int) -> Any:
        return {"$": ["time", datetime.time.isoformat(value) + zone_suffix(value.tzinfo)]}

    def _datetime(self, value: datetime.datetime, path: Path, depth: int) -> Any:
        return {"$": ["datetime", datetime.datetime.isoformat(value) + zone_suffix(value.tzinfo)]}

    def _timedelta(self, value: datetime.timedelta, path: Path, depth: int) -> Any:
        return {"$": ["duration", value.days, value.seconds, value.microseconds]}

    def _decimal(self, value: decimal.Decimal, path: Path, depth: int) -> Any:
        return {"$": ["decimal", decimal.Decimal.__str__(value)]}

    def _uuid(self, value: uuid.UUID, path: Path, depth: int) -> Any:
        return {"$": ["uuid", str(value)]}

    def _raw_array(self, value: RawArray, path: Path, depth: int) -> Any:
        _guarded(partial(checked, value), path)
        return {"$": ["array", value.dtype, list(value.shape), self._buffer(value.data)]}

    def _raw_table(self, value: RawTable, path: Path, depth: int) -> Any:
        return {"$": ["table", "arrow", self._buffer(value.data)]}

    def _columns(self, value: Columns, path: Path, depth: int) -> Any:
        lower = self.lower
        columns = []
        for name, column in value.entries:
            lowered = lower(name, (path, ".{column %s}", name), depth + 4)
            columns.append([lowered, lower(column, (path, "[%s]", name), depth + 4)])
        return {"$": ["table", "columns", columns, value.labels]}

    def _kept(self, value: Kept, path: Path, depth: int) -> Any:
        value.is_sent = True
        return {"$": ["ref", value.number, value.type_name, value.shown]}

    def _other(self, value: Any, path: Path, depth: int) -> Any:
        """What is no exact type: subclasses and duck types."""
        kind = type(value)
        convert = _guarded(partial(equivalent, value, kind), path)
        if convert is None:
            for base, plain, handler in _SUBCLASSES:
                if isinstance(value, base):
                    return handler(self, _guarded(partial(plain, value), path), path, depth)
            convert = _guarded(partial(last_resort, value), path)
        if convert is None:
            raise Unserialisable(
                "%s: object of type %s cannot be carried; return plain data (numbers, text, lists, dicts, dataclasses, "
                "arrays)" % (_name(path), _type_name(kind))
            )
        return self.lower(_guarded(convert, path), path, depth + 1)


_Handler = Callable[[Lowering, Any, Path, int], Any]

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
    RawTable: Lowering._raw_table,
    Columns: Lowering._columns,
    Kept: Lowering._kept,
}


def _itself(value: Any) -> Any:
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
    (datetime.datetime, real_moment, Lowering._datetime),
    (datetime.date, _itself, Lowering._date),
    (datetime.time, _itself, Lowering._time),
    (datetime.timedelta, real_span, Lowering._timedelta),
    (decimal.Decimal, _itself, Lowering._decimal),
    (uuid.UUID, _itself, Lowering._uuid),
)


def _are_utf8(keys: Iterable[str]) -> bool:
    try:
        "".join(keys).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _guarded(convert: Callable[[], Any], path: Path) -> Any:
    try:
        return convert()
    except Unserialisable as error:
        raise Unserialisable("%s: %s" % (_name(path), error)) from None
    except Exception as error:
        raise Unserialisable(
            "%s: could not be converted: %s: %s" % (_name(path), type(error).__name__, error)
        ) from error


def _type_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)


def _bounded_repr(value: Any) -> str:
    try:
        text = ascii(value)
    except Exception:
        text = "<%s>" % type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."


def _name(path: Path) -> str:
    steps = []
    while path is not None:
        path, form, key = path
        steps.append(form.replace("%s", _bounded_repr(key)))
    return "result" + "".join(reversed(steps))


def _shorten(path: Path) -> str:
    name = _name(path)
    return name if len(name) <= 120 else name[:117] + "..."
