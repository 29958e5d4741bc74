"""Arrays and numbers of NumPy and the standard library as raw bytes; must not know the wire form, nor import NumPy."""

from __future__ import annotations

import datetime
import re
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


_DTYPE = re.compile(r"[<>|=]?[a-zA-Z]([0-9]+)(\[.+\])?\Z")


def checked(array: RawArray) -> RawArray:
    """The array, which user code may have made. Raises `Unserialisable` if shape, dtype and bytes do not agree."""
    sides = list(array.shape)
    if not all(isinstance(side, int) and not isinstance(side, bool) and side >= 0 for side in sides):
        raise Unserialisable("the shape of an array is not of whole numbers from 0 on: %.100r" % (array.shape,))
    form = _DTYPE.match(array.dtype)
    if form is None:
        raise Unserialisable("%.100r is not the dtype of an array; one is '<f8'" % (array.dtype,))
    # Text is counted in characters of four bytes.
    size = int(form.group(1)) * (4 if "U" in array.dtype[:2] else 1)
    for side in sides:
        size *= side
    held = memoryview(array.data).nbytes
    if size != held:
        raise Unserialisable(
            "an array of dtype %s and shape %r has %d bytes, not %d" % (array.dtype, sides, size, held)
        )
    return array


def library(name: str, attribute: str) -> Any:
    """A library that user code has imported, or None; one that is still importing itself lacks the attribute."""
    module = sys.modules.get(name)
    return module if hasattr(module, attribute) else None


def as_array(value: Any) -> Callable[[], Any] | None:
    """How to view `value` if it is an array or a scalar."""
    numpy = library("numpy", "generic")
    if numpy is not None:
        if isinstance(value, numpy.ndarray):
            # Text of any length is not in the array itself.
            return value.tolist if value.dtype.kind == "T" else lambda: _raw(numpy, value)
        if isinstance(value, numpy.generic):
            return lambda: _item(value)
    arrays = sys.modules.get("array")
    if arrays is not None and isinstance(value, arrays.array):
        return lambda: _of_standard_library(value)
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
    if value.dtype.kind == "V":
        raise Unserialisable("numpy %s cannot be carried; convert it to a dict or a tuple first" % value.dtype)
    item = value.item()
    # Nanosecond dates become bare integers and long doubles stay themselves: neither may pass silently.
    if type(item) is type(value):
        raise Unserialisable("numpy %s cannot be carried exactly; convert it to float64 first" % value.dtype)
    if value.dtype.kind in "mM" and not isinstance(item, (datetime.date, datetime.timedelta)):
        raise Unserialisable("%r cannot be carried exactly; convert it to microseconds, or use None" % (value,))
    return item


def _of_standard_library(value: Any) -> Any:
    code = value.typecode
    if code in "uw":
        return value.tounicode()
    kind = "f" if code in "fd" else "i" if code.islower() else "u"
    order = "|" if value.itemsize == 1 else "<" if sys.byteorder == "little" else ">"
    return RawArray("%s%s%d" % (order, kind, value.itemsize), (len(value),), memoryview(value).cast("B"))
