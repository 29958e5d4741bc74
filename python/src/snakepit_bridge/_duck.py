"""Objects that have an equivalent in plain data, of libraries too; must not know the wire form, nor import one."""

from __future__ import annotations

import collections
import datetime
import enum
import os
import sys
import types
from collections import abc
from typing import Any, Callable, Optional

from ._arrays import Unserialisable, as_array
from ._tables import as_table

Convert = Optional[Callable[[], Any]]
"""What makes plain data, or something nearer to it, of an object."""

_MAX_RANGE = 1 << 24
"""Items of a range. One costs next to nothing to return, and may stand for more numbers than there is memory."""

_ORDERED = (collections.deque, abc.KeysView, abc.ValuesView, abc.ItemsView, abc.Sequence)


def equivalent(value: Any, kind: type) -> Convert:
    """How to view `value` as plain data; to be asked before its bases are, as it may be an int or a str as well."""
    if isinstance(value, enum.Enum):
        return lambda: value.value
    return as_array(value) or as_table(value) or _as_mapping(value, kind)


def last_resort(value: Any) -> Convert:
    """The same for what is no subclass of an exact type either."""
    if isinstance(value, os.PathLike):
        return lambda: os.fspath(value)
    if isinstance(value, abc.Mapping):
        return lambda: dict(value.items())
    if isinstance(value, collections.UserString) or _has_exact_text(value):
        return lambda: str(value)
    if isinstance(value, range) and len(value) > _MAX_RANGE:
        raise Unserialisable("a range of %d numbers cannot be carried; return its bounds" % len(value))
    if isinstance(value, _ORDERED):
        return lambda: list(value)
    if isinstance(value, abc.Set):
        return lambda: set(value)
    if isinstance(value, types.SimpleNamespace):
        return lambda: vars(value)
    return None


def _as_mapping(value: Any, kind: type) -> Convert:
    """How to view `value` as a map: a dataclass, a named tuple, or a model of attrs, pydantic or msgspec."""
    names: list[str] | None = None
    if hasattr(kind, "__dataclass_fields__"):
        names = [field.name for field in sys.modules["dataclasses"].fields(value)]
    elif hasattr(kind, "__attrs_attrs__"):
        names = [field.name for field in kind.__attrs_attrs__]
    elif hasattr(kind, "__struct_fields__"):
        names = list(kind.__struct_fields__)
    if names is not None:
        return lambda: {name: getattr(value, name) for name in names}
    if isinstance(value, tuple):
        return getattr(value, "_asdict", None) if hasattr(kind, "_fields") else None
    if callable(getattr(kind, "model_dump", None)):
        return lambda: value.model_dump()
    if hasattr(kind, "__fields__") and callable(getattr(kind, "dict", None)):
        return lambda: value.dict()  # pydantic 1
    return None


def _has_exact_text(value: Any) -> bool:
    """Whether `str` is what its own class reads it back from."""
    fractions, addresses = sys.modules.get("fractions"), sys.modules.get("ipaddress")
    if fractions is not None and isinstance(value, fractions.Fraction):
        return True
    return addresses is not None and isinstance(
        value,
        (
            addresses.IPv4Address,
            addresses.IPv6Address,
            addresses.IPv4Network,
            addresses.IPv6Network,
        ),
    )


def real_moment(value: datetime.datetime) -> datetime.datetime:
    """Refuse pandas' NaT, which calls itself a datetime, and nanoseconds, which would be lost."""
    if value != value:
        raise Unserialisable("%r is not a moment in time; use None" % (value,))
    if getattr(value, "nanosecond", 0):
        raise Unserialisable("%r has nanoseconds, which a datetime has not; round it first" % (value,))
    return value


def real_span(value: datetime.timedelta) -> datetime.timedelta:
    """Refuse nanoseconds, which pandas has and which would be lost."""
    if getattr(value, "nanoseconds", 0):
        raise Unserialisable("%r has nanoseconds, which a timedelta has not; round it first" % (value,))
    return value


def zone_suffix(zone: Any) -> str:
    """The key of a time zone that has one, in brackets."""
    key = getattr(zone, "key", None)
    return "[%s]" % key if isinstance(key, str) else ""
