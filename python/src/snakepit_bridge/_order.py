"""What BOOT orders: which adapter, from where, with what; must not import it."""

from __future__ import annotations

from typing import Any, List, Mapping, NamedTuple, Sequence, Union

from ._errors import error_of
from ._values import Unusable, decode
from ._wire import DEFAULT_MAX_FRAME, PROTOCOL, ProtocolError

Spec = Union[str, List[str]]
"""How an adapter is named: by a text, or by the names of the modules it is made of."""


class AdapterError(Exception):
    """The adapter cannot be used; `error` is the body of FAILED."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


class Order(NamedTuple):
    """The body of BOOT."""

    parent: int
    adapter: Spec
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
    order["adapter"] = _spec(order.get("adapter"))
    if type(order.get("parent")) is not int:
        raise ProtocolError("BOOT without a parent")
    return Order(**{name: order[name] for name in Order._fields})


def _spec(adapter: Any) -> Spec:
    if type(adapter) is str:
        return adapter
    modules = adapter.get("modules") if type(adapter) is dict else None
    if type(modules) is not list or not all(type(name) is str for name in modules):
        raise ProtocolError("the adapter of BOOT is neither a text nor a list of modules")
    return modules
