"""Types that have an equivalent in plain data, of libraries too; must not know the wire form, nor import a library."""

from __future__ import annotations

import datetime
import sys
from typing import Any, Callable


class Unserialisable(ValueError):
    """A value holds something the protocol cannot carry; the message names where."""


class RawArray:
    """An array received by a process without NumPy: its dtype, its shape and its bytes, in C order."""

    __slots__ = ("data", "dtype", "shape")

    def __init__(self, dtype: str, shape: tuple[int, ...], data: Any) -> None:
        self.dtype = dtype
        self.shape = shape
        self.data = data

    def __repr__(self) -> str:
        return "RawArray(dtype=%r, shape=%r, %d bytes)" % (self.dtype, self.shape, len(self.data))


def as_mapping(value: Any, kind: type) -> Callable[[], Any] | None:
    """How to view `value` as a map: a dataclass, a named tuple or a pydantic model."""
    if hasattr(kind, "__dataclass_fields__"):
        names = [field.name for field in sys.modules["dataclasses"].fields(value)]
        return lambda: {name: getattr(value, name) for name in names}
    if isinstance(value, tuple):
        return getattr(value, "_asdict", None) if hasattr(kind, "_fields") else None
    if callable(getattr(kind, "model_dump", None)):
        return lambda: value.model_dump()
    if hasattr(kind, "__fields__") and callable(getattr(kind, "dict", None)):
        return lambda: value.dict()  # pydantic 1
    return None


def as_numpy(value: Any) -> Callable[[], Any] | None:
    """How to view `value` if it is an array or a scalar of NumPy."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "generic"):  # not loaded, or not completely
        return None
    if isinstance(value, numpy.ndarray):
        return lambda: _raw(numpy, value)
    if isinstance(value, numpy.generic):
        return lambda: _item(value)
    return None


def _raw(numpy: Any, value: Any) -> RawArray:
    dtype = value.dtype
    if hasattr(value, "mask"):
        raise Unserialisable("a masked array cannot be carried; fill it first")
    if dtype.hasobject or dtype.kind == "V":
        raise Unserialisable("an array of dtype %s cannot be carried; convert it first" % dtype)
    flat = numpy.ascontiguousarray(value).reshape(-1)
    # Dates have no buffer format, hence the view as bytes; arrays without bytes allow no view.
    data = memoryview(flat.view("u1")) if flat.nbytes else memoryview(b"")
    return RawArray(dtype.str, value.shape, data)


def _item(value: Any) -> Any:
    item = value.item()
    # Nanosecond dates become bare integers and long doubles stay themselves: neither may pass silently.
    is_date = value.dtype.kind in "mM"
    if type(item) is type(value) or (is_date and not isinstance(item, (datetime.date, datetime.timedelta))):
        raise Unserialisable("numpy %s cannot be carried exactly" % value.dtype)
    return item


def real_moment(value: Any) -> Any:
    """Refuse pandas' NaT, which calls itself a datetime."""
    if value != value:
        raise Unserialisable("%r is not a moment in time" % (value,))
    return value


def zone_suffix(zone: Any) -> str:
    """The key of a time zone that has one, in brackets."""
    key = getattr(zone, "key", None)
    return "[%s]" % key if isinstance(key, str) else ""
