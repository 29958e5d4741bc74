"""Turning the protocol's tagged form back into Python objects; must not know frames or calls."""

from __future__ import annotations

import datetime
import decimal
import sys
import uuid
from typing import Any, Callable, Sequence

from . import _refs
from ._arrays import RawArray
from ._tables import Columns, read_columns, read_stream
from ._wire import ProtocolError


class Unusable(ValueError):
    """A well-formed value that has no meaning in Python, like a map whose key is a list."""


class Expired(Unusable):
    """A handle on an object that is not kept any more."""


class Raising:
    """One decode. `object` is the hook the JSON parser calls for every object, innermost first."""

    def __init__(self, buffers: Sequence[memoryview], owned: bool) -> None:
        self._buffers = buffers
        self._unused = set(range(len(buffers)))
        self._owned = owned

    def object(self, found: dict[str, Any]) -> Any:
        """Replace an object that is a tagged value."""
        if len(found) != 1 or "$" not in found:
            return found
        tagged = found["$"]
        if type(tagged) is not list or not tagged or type(tagged[0]) is not str:
            raise ProtocolError("malformed tagged value")
        raiser = _TAGS.get(tagged[0])
        if raiser is None:
            raise ProtocolError("unknown tag %.40r" % tagged[0])
        try:
            return raiser(self, *tagged[1:])
        except (Unusable, ProtocolError):
            raise
        except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise ProtocolError("malformed %r: %s" % (tagged[0], error)) from None

    def finish(self) -> None:
        """Check that every buffer was referred to."""
        if self._unused:
            raise ProtocolError("%d buffers that nothing refers to" % len(self._unused))

    def _take(self, index: Any) -> memoryview:
        if type(index) is not int or index not in self._unused:
            raise ProtocolError("no buffer %.20r, or it is referred to twice" % (index,))
        self._unused.discard(index)
        return self._buffers[index]

    def _int(self, text: str) -> int:
        if not text.lstrip("-").isdigit() or not text.isascii():
            raise ValueError("not an integer")
        return int(decimal.Decimal(text))  # int() refuses more than 4300 digits

    def _float(self, text: str) -> float:
        if text not in ("nan", "inf", "-inf"):
            raise ValueError("only nan, inf and -inf are tagged")
        return float(text)

    def _bytes(self, index: int) -> bytes:
        return bytes(self._take(index))

    def _map(self, pairs: list[list[Any]]) -> dict[Any, Any]:
        result = {}
        for pair in pairs:
            if type(pair) is not list or len(pair) != 2:
                raise ValueError("an entry is not a pair")
            try:
                result[pair[0]] = pair[1]
            except TypeError:
                raise Unusable("a %s cannot be a dict key" % type(pair[0]).__name__) from None
        return result

    def _tuple(self, items: list[Any]) -> Any:
        return tuple(_listed(items))

    def _set(self, items: list[Any]) -> Any:
        try:
            return set(_listed(items))
        except TypeError as error:
            raise Unusable("a set cannot hold this: %s" % error) from None

    def _frozenset(self, items: list[Any]) -> Any:
        return frozenset(self._set(items))

    def _date(self, text: str) -> datetime.date:
        value: datetime.date = _moment(datetime.date.fromisoformat, text)
        return value

    def _time(self, text: str) -> datetime.time:
        text, zone = _split_zone(text)
        value: datetime.time = _moment(datetime.time.fromisoformat, text)
        return value if zone is None else value.replace(tzinfo=zone)

    def _datetime(self, text: str) -> datetime.datetime:
        text, zone = _split_zone(text)
        value: datetime.datetime = _moment(datetime.datetime.fromisoformat, text)
        if zone is None:
            return value
        if value.tzinfo is None:
            return value.replace(tzinfo=zone)
        # The offset tells which of two equal wall clock times is meant when clocks go back.
        for fold in (0, 1):
            zoned = value.replace(tzinfo=zone, fold=fold)
            if zoned.utcoffset() == value.utcoffset():
                return zoned
        return value.astimezone(zone)  # the peer's time zone rules differ: the instant counts

    def _duration(self, days: int, seconds: int, microseconds: int) -> datetime.timedelta:
        if {type(days), type(seconds), type(microseconds)} != {int}:
            raise ValueError("not three integers")
        try:
            return datetime.timedelta(days, seconds, microseconds)
        except OverflowError as error:
            raise Unusable("Python has no such timedelta: %s" % error) from None

    def _decimal(self, text: str) -> decimal.Decimal:
        if type(text) is not str:
            raise ValueError("not a string")
        return decimal.Decimal(text)

    def _uuid(self, text: str) -> uuid.UUID:
        return uuid.UUID(text)

    def _array(self, dtype: str, shape: list[int], index: int) -> Any:
        if type(dtype) is not str or any(type(size) is not int or size < 0 for size in _listed(shape)):
            raise ValueError("dtype or shape")
        data = self._take(index)
        numpy = _numpy()
        if numpy is None:
            return RawArray(dtype, tuple(shape), bytes(data))
        kind = numpy.dtype(dtype)
        count = 1
        for size in shape:
            count *= size
        if kind.hasobject or count * kind.itemsize != len(data):
            raise ValueError("%d bytes are not shape %s of %s" % (len(data), shape, dtype))
        if not len(data):
            return numpy.zeros(shape, kind)
        flat = numpy.frombuffer(data, kind)
        if not (self._owned and flat.flags.aligned):
            flat = flat.copy()
        return flat.reshape(shape)

    def _table(self, form: str, content: Any, *rest: Any) -> Any:
        if form == "arrow" and not rest:
            data = self._take(content)
            try:
                return read_stream(data if self._owned else bytes(data))
            except (ValueError, OSError) as error:  # the latter is how pyarrow tells of a stream that ends early
                raise Unusable("the table is not an Arrow stream: %s" % error) from None
        if form != "columns" or len(rest) != 1 or type(rest[0]) is not int:
            raise ValueError("neither an Arrow stream nor columns")
        entries = [(name, column) for name, column in _listed(content)]
        try:
            return read_columns(Columns(entries, rest[0]))
        except Exception as error:  # pandas has many words for names and columns that it does not take
            raise Unusable("the columns make no table: %s" % error) from None

    def _ref(self, number: int, *_described: str) -> Any:
        if type(number) is not int:
            raise ValueError("not the number of an object")
        try:
            return _refs.find(number)
        except KeyError:
            raise Expired("object %d is not kept in this worker any more" % number) from None


_TAGS: dict[str, Callable[..., Any]] = {
    name: getattr(Raising, "_" + name)
    for name in (
        "int",
        "float",
        "bytes",
        "map",
        "tuple",
        "set",
        "frozenset",
        "date",
        "time",
        "datetime",
        "duration",
        "decimal",
        "uuid",
        "array",
        "table",
        "ref",
    )
}


def _listed(items: Any) -> list[Any]:
    if type(items) is not list:
        raise ValueError("not an array")
    return items


def _moment(parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        # Years beyond 9999 or leap seconds are legal elsewhere: the caller's data is at fault, not the protocol.
        raise Unusable("%.60r is not a moment Python knows: %s" % (text, error)) from None


def _split_zone(text: str) -> Any:
    """Separate a zone key in brackets; the zone is None where the key or `zoneinfo` is unknown."""
    zone = None
    if text.endswith("]"):
        text, _, key = text[:-1].partition("[")
        try:
            import zoneinfo

            zone = zoneinfo.ZoneInfo(key)
        except Exception:  # Python 3.8, no tz database, a strange key: the fixed offset remains
            zone = None
    if text.endswith("Z"):
        text = text[:-1] + "+00:00"
    return text, zone


def _numpy() -> Any:
    module = sys.modules.get("numpy")
    if module is None:
        try:
            import numpy as module  # type: ignore[no-redef,import-not-found,unused-ignore]
        except Exception:
            return None
    return module
