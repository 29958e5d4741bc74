"""Which functions of an adapter are commands, and how they present themselves; must not import or call them."""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import Any, Mapping, NamedTuple, Sequence

from . import _specs
from ._annotations import signature_of
from ._api import TOOL_MARK, BaseAdapter, ToolInfo
from ._checking import Checks, checks_of
from ._sessions import HOOKS
from ._wire import dump_object

_HOOKS = frozenset(("setup", "cleanup", *HOOKS))

MAX_TOLD = 8 * 1024 * 1024
"""Bytes that commands may take in HELLO, of which a host takes 16 MiB. Each worker sends its own."""


class NotDefined(Exception):
    """`__all__` lists what its module does not define."""


class Command(NamedTuple):
    """A command: under which attribute the adapter offers it, and what HELLO says about it."""

    attribute: str
    is_async: bool
    public: Mapping[str, Any]
    """Its entry in HELLO and READY."""
    checks: Checks | None
    """What its arguments have to be; None if they may be anything."""

    @property
    def name(self) -> str:
        """What calls name it by."""
        return str(self.public["name"])


def pick_class(module: ModuleType) -> type | None:
    """The class a module stands for if nobody names one: its only adapter, or its only class with tools."""
    own: list[type] = [value for value in vars(module).values() if _is_own_class(value, module)]
    adapters = [found for found in dict.fromkeys(own) if issubclass(found, BaseAdapter)]
    if len(adapters) == 1:
        return adapters[0]
    with_tools = [found for found in dict.fromkeys(own) if _marks(found)]
    return with_tools[0] if len(with_tools) == 1 else None


def class_commands(owner: type) -> list[Command]:
    """The `@tool` methods of a class."""
    return [command_of(attribute, mark, owner) for attribute, mark in _marks(owner).items()]


def module_commands(module: ModuleType) -> list[Command]:
    """The functions `__all__` lists, or else the public functions defined in the module; always its tools.

    Raises `NotDefined` if `__all__` lists what is not there.
    """
    listed = getattr(module, "__all__", None)
    space = vars(module)
    chosen: dict[str, ToolInfo] = {}
    if listed is not None:
        for name in listed:
            if not hasattr(module, name):
                raise NotDefined("__all__ lists %r, which it does not define" % (name,))
            value = getattr(module, name)
            if callable(value) and not isinstance(value, type) and name not in _HOOKS:
                chosen[name] = mark_of(value) or ToolInfo()
    for name, value in space.items():
        mark = mark_of(value)
        if mark is not None and name not in chosen:
            chosen[name] = mark
        elif listed is None and not name.startswith("_") and name not in _HOOKS and _is_own_function(value, module):
            chosen[name] = mark or ToolInfo()
    return [command_of(attribute, mark, module) for attribute, mark in chosen.items()]


def told(commands: Sequence[Command], limit: int = MAX_TOLD) -> bytes:
    """The `commands` of HELLO and READY: without parameters and schemas if these take more than `limit` bytes.

    Raises LookupError if there are too many even so.
    """
    text = _array([command.public for command in commands])
    if len(text) <= limit:
        return text
    text = _array([{**command.public, "params": [], "schema": None} for command in commands])
    if len(text) <= limit:
        return text
    raise LookupError("%d commands, which take %d bytes to list; the limit is %d" % (len(commands), len(text), limit))


def _array(items: Sequence[Mapping[str, Any]]) -> bytes:
    return dump_object({"": items})[len(b'{"":') : -1]


def command_of(attribute: str, mark: ToolInfo, owner: Any, *, brief: bool = False) -> Command:
    """What `owner`, a class or a module, offers under `attribute`. `brief` leaves out what is said of parameters."""
    static = inspect.getattr_static(owner, attribute)
    function = getattr(owner, attribute)
    signature = signature_of(function)
    if signature is not None and isinstance(owner, type) and _is_unbound(static, function):
        signature = signature.replace(parameters=list(signature.parameters.values())[1:])
    doc = mark.description or inspect.getdoc(function) or ""
    lines = [line.strip() for line in doc.splitlines() if line.strip()]
    unwrapped = inspect.unwrap(function)
    public: dict[str, Any] = {
        "name": mark.name or attribute,
        "signature": shown_signature(signature),
        "doc": lines[0][:500] if lines else "",
        "stream": mark.streams or inspect.isgeneratorfunction(unwrapped) or inspect.isasyncgenfunction(unwrapped),
        "timeout": mark.timeout,
        "idempotent": mark.idempotent,
        "params": [],
        "schema": None,
    }
    checks = None
    if signature is not None:
        kinds, definitions = _specs.kinds_of(function, owner, signature)
        described = "" if brief else inspect.getdoc(function) or ""
        public["params"] = _specs.parameters(signature, described)
        public["schema"] = _specs.schema(signature, kinds, definitions, described)
        if mark.validate and _validates(owner):
            checks = checks_of(signature, kinds)
    is_async = inspect.iscoroutinefunction(unwrapped) or inspect.isasyncgenfunction(unwrapped)
    return Command(attribute, is_async, public, checks)


def _is_unbound(static: Any, function: Any) -> bool:
    """Whether instances will put themselves before the arguments: also what `lru_cache` makes of a function does."""
    if isinstance(static, (staticmethod, classmethod)) or not hasattr(static, "__get__"):
        return False
    return getattr(function, "__self__", None) is None


def _validates(owner: Any) -> bool:
    """Whether the class, or else the module, wants arguments checked."""
    module = sys.modules.get(owner.__module__) if isinstance(owner, type) else None
    return all(getattr(each, "__snakepit_validate__", True) is not False for each in (owner, module))


class _Verbatim:
    """An annotation that is text already and shows without quotes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def shown_signature(signature: inspect.Signature | None) -> str:
    """The signature as its author wrote it, bounded."""
    if signature is None:
        return "(...)"

    def bare(annotation: Any) -> Any:
        return _Verbatim(annotation) if isinstance(annotation, str) else annotation

    try:
        parameters = [each.replace(annotation=bare(each.annotation)) for each in signature.parameters.values()]
        text = str(signature.replace(parameters=parameters, return_annotation=bare(signature.return_annotation)))
    except Exception:  # the repr of a default value may do anything
        return "(...)"
    return text if len(text) <= 2000 else text[:1997] + "..."


def mark_of(value: Any) -> ToolInfo | None:
    """What `@tool` remembers about a function; None if it is not marked."""
    if isinstance(value, type):
        return None
    try:
        mark = getattr(getattr(value, "__func__", value), TOOL_MARK, None)
    except Exception:  # module attributes with a __getattr__ of their own
        return None
    return mark if isinstance(mark, ToolInfo) else None


def _marks(owner: type) -> dict[str, ToolInfo]:
    """The tools of a class in the order of definition; an override of a tool is a tool."""
    marks: dict[str, ToolInfo] = {}
    for base in reversed(owner.__mro__):
        for name, value in vars(base).items():
            mark = mark_of(value)
            if mark is not None:
                marks[name] = mark
    return {name: mark for name, mark in marks.items() if callable(getattr(owner, name, None))}


def _is_own_class(value: Any, module: ModuleType) -> bool:
    return isinstance(value, type) and value.__module__ == module.__name__


def _is_own_function(value: Any, module: ModuleType) -> bool:
    if isinstance(value, type) or not callable(value):
        return False
    if not (inspect.isroutine(value) or hasattr(value, "__wrapped__")):  # plain, or decorated as lru_cache does
        return False
    return getattr(value, "__module__", None) == module.__name__
