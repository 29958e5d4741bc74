"""Types without parts, as checks and as JSON Schema: numbers, text, moments, arrays; must not know annotations.

What JSON has no form for is taken from the form JSON callers use: ISO 8601 text for a datetime, text for a UUID.
"""

from __future__ import annotations

import datetime
import decimal
import os
import pathlib
import re
import sys
import uuid
from typing import Any, Callable, Dict, NamedTuple

from ._mismatch import Mismatch, not_a, with_article

Check = Callable[[Any], Any]
"""Takes a value and gives the one to use, itself as a rule. Raises `Mismatch`."""

Schema = Dict[str, Any]

NOTHING: frozenset[type] = frozenset()

_FRACTION = re.compile(r"(?<=:\d\d)[.,](\d+)", re.ASCII)


class Kind(NamedTuple):
    """What is known of a type."""

    expected: str
    """A phrase for messages: `an int`."""
    check: Check | None
    """None if everything fits."""
    schema: Schema
    exact: frozenset[type] = NOTHING
    """Values of exactly these types fit as they are: a shortcut that saves calling `check`."""


ANYTHING = Kind("anything", None, {})


def _instances(cls: type, expected: str, schema: Schema) -> Kind:
    def check(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        raise not_a(expected, value)

    return Kind(expected, check, schema, frozenset((cls,)))


def _integer(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise not_a("an int", value)


def _number(value: Any) -> Any:
    if isinstance(value, (float, int)) and not isinstance(value, bool):
        return value
    raise not_a("a float", value)


def _parsed(cls: type, form: str, forms: Any, parse: Check, schema: Schema) -> Kind:
    """A type that is also made from one of the types `forms`."""
    expected = "%s (or %s)" % (with_article(cls.__name__), form)

    def check(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if isinstance(value, forms) and not isinstance(value, bool):
            try:
                return parse(value)
            except (ValueError, OverflowError, ArithmeticError, TypeError):
                pass
        raise not_a(expected, value)

    return Kind(expected, check, schema, frozenset((cls,)))


def _text(form: str) -> Schema:
    return {"type": "string", "format": form}


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(_iso(text))


def _time(text: str) -> datetime.time:
    return datetime.time.fromisoformat(_iso(text))


def _iso(text: str) -> str:
    """ISO 8601 as Python before 3.11 reads it: no Z, and three or six digits of a second. Microseconds are kept."""
    text = text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text
    return _FRACTION.sub(lambda found: "." + found.group(1)[:6].ljust(6, "0"), text)


def _span(seconds: Any) -> datetime.timedelta:
    return datetime.timedelta(seconds=seconds)


PLAIN: dict[Any, Kind] = {
    int: Kind("an int", _integer, {"type": "integer"}, frozenset((int,))),
    float: Kind("a float", _number, {"type": "number"}, frozenset((float, int))),
    str: _instances(str, "a str", {"type": "string"}),
    bool: _instances(bool, "a bool", {"type": "boolean"}),
    bytes: _instances(bytes, "bytes", {}),
    type(None): _instances(type(None), "None", {"type": "null"}),
    datetime.datetime: _parsed(datetime.datetime, "ISO 8601 text", str, _moment, _text("date-time")),
    datetime.date: _parsed(datetime.date, "ISO 8601 text", str, datetime.date.fromisoformat, _text("date")),
    datetime.time: _parsed(datetime.time, "ISO 8601 text", str, _time, _text("time")),
    datetime.timedelta: _parsed(datetime.timedelta, "seconds", (int, float), _span, {"type": "number"}),
    # Not from floats: 1.1 is not the decimal 1.1, and who asks for a decimal minds.
    decimal.Decimal: _parsed(
        decimal.Decimal, "text, or an int", (str, int), decimal.Decimal, {"type": ["string", "integer"]}
    ),
    uuid.UUID: _parsed(uuid.UUID, "text", str, uuid.UUID, _text("uuid")),
}


def plain(cls: type) -> Kind | None:
    """The kind of a class that is plain, in the sense of this module."""
    found = PLAIN.get(cls)
    if found is None and issubclass(cls, pathlib.PurePath):
        found = _parsed(cls, "text", (str, os.PathLike), cls, {"type": "string"})
    return found


def array(dtype: Any = None) -> Kind:
    """A `numpy.ndarray`, also made from nested lists; of `dtype`, a scalar type of NumPy, if that is given."""
    numpy = sys.modules["numpy"]
    expected = "an ndarray" if dtype is None else "an ndarray of %s" % dtype.__name__
    # An abstract type, unlike float64, names nothing that could be made.
    wanted = None if dtype is None or dtype.__subclasses__() else dtype

    def check(value: Any) -> Any:
        made = value
        if isinstance(value, (list, tuple)):
            try:
                made = numpy.asarray(value, dtype=wanted)
            except (ValueError, TypeError, OverflowError):
                raise not_a(expected + " (or nested lists of numbers)", value) from None
        if not isinstance(made, numpy.ndarray) or (made is not value and made.dtype.kind in "OUS"):
            raise not_a(expected + " (or nested lists of numbers)", value)
        if dtype is not None and not numpy.issubdtype(made.dtype, dtype):
            raise Mismatch("has to be %s, not of %s" % (expected, made.dtype))
        return made

    return Kind(expected, check, {"type": "array"})
