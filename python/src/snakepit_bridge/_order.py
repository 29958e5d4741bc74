"""What BOOT orders: which adapter, from where, with what; must not import it."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

from ._errors import error_of
from ._values import Unusable, decode
from ._wire import DEFAULT_MAX_FRAME, PROTOCOL, ProtocolError


class AdapterError(Exception):
    """The adapter cannot be used; `error` is the body of FAILED."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


class Order(NamedTuple):
    """The body of BOOT."""

    parent: int
    adapter: str
    preload: Sequence[str]
    arguments: Mapping[str, Any]
    paths: Sequence[str]
    max_frame: int
    log_level: str


def parse_order(body: bytes) -> Order:
    """Read the body of BOOT. Raises `ProtocolError`, or `AdapterError` if it is sound but cannot be met."""
    try:
        order = decode(memoryview(body), 0, True)
    except Unusable as error:
        raise AdapterError(error_of("adapter_invalid", "the arguments cannot be used in Python: %s" % error)) from None
    if type(order) is not dict:
        raise ProtocolError("BOOT is not an object")
    for name, default in (
        ("arguments", {}),
        ("preload", []),
        ("paths", []),
        ("log_level", "INFO"),
        ("max_frame", DEFAULT_MAX_FRAME),
    ):
        if order.get(name) is None:
            order[name] = default
        elif type(order[name]) is not type(default):
            raise ProtocolError("%s of BOOT is a %s" % (name, type(order[name]).__name__))
    if order.get("protocol") != PROTOCOL:
        message = "the host speaks protocol %r, this bridge speaks %d" % (order.get("protocol"), PROTOCOL)
        raise AdapterError(error_of("interpreter", message))
    if type(order.get("adapter")) is not str or type(order.get("parent")) is not int:
        raise ProtocolError("BOOT without adapter or parent")
    return Order(**{name: order[name] for name in Order._fields})
