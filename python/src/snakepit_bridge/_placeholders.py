"""What stands for objects that no value can carry, where a pool wants that; must not know calls.

A placeholder says what an object is and how it shows itself, in few words, without what looks like a secret.
"""

from __future__ import annotations

import re
import reprlib
from typing import Any

from ._arrays import Unserialisable
from ._lower import Lowering, Path
from ._wire import ProtocolError

_MAX_REPR = 200
_MAX_LOOKED_AT = 4096
_MASK = "***"

_NAMED = re.compile(
    r"(?i)(?:password|passwd|passphrase|pwd|secret|token|key|authorization|credential|cookie)"
    r"[\w.-]{0,40}['\"]?\s{0,4}[=:]\s{0,4}"
)
_IN_ADDRESS = re.compile(r"://[^/\s@'\"]{1,200}@")
_CLOSING = {"(": ")", "[": "]", "{": "}"}


class _Setting:
    """What the pool wants, for all lanes of this interpreter."""

    unserialisable = "error"


def choose(unserialisable: Any) -> None:
    """Have what cannot be carried be an `error`, or replaced by a `placeholder`."""
    if unserialisable not in ("error", "placeholder"):
        raise ProtocolError("unserialisable %.100r is neither error nor placeholder" % (unserialisable,))
    _Setting.unserialisable = unserialisable


def chosen() -> str:
    """What was chosen."""
    return _Setting.unserialisable


def new_walk() -> Lowering:
    """A walk over one value, as the pool wants it."""
    return Lowering() if _Setting.unserialisable == "error" else Marking()


class Marking(Lowering):
    """A walk that puts placeholders where the other one gives up."""

    def __init__(self) -> None:
        super().__init__()
        self._open: set[int] = set()
        """What the walk is inside of: meeting one of these again is a cycle."""

    def lower(self, value: Any, path: Path, depth: int) -> Any:
        """As `Lowering.lower`, with a placeholder where that raises."""
        ident = id(value)
        if ident in self._open:
            return _placeholder(value)
        self._open.add(ident)
        count = len(self.buffers)
        try:
            return super().lower(value, path, depth)
        except Unserialisable:
            del self.buffers[count:]
            return _placeholder(value)
        finally:
            self._open.discard(ident)


def _placeholder(value: Any) -> Any:
    return {"$": ["opaque", named(type(value)), shown(value)]}


def named(kind: type) -> str:
    """The name of a type, shortened."""
    try:
        name = "%s.%s" % (kind.__module__, kind.__qualname__)
        name = name[len("builtins.") :] if name.startswith("builtins.") else name
    except Exception:
        name = "object"
    return _utf8(name)[:_MAX_REPR]


def shown(value: Any) -> str:
    """How an object shows itself, shortened and without what looks like a secret. User code may raise from it."""
    try:
        text = _REPR.repr(value)
    except Exception as error:
        text = "<its repr raised %s>" % type(error).__name__
    text = redacted(_utf8(text))
    return text if len(text) <= _MAX_REPR else text[: _MAX_REPR - 3] + "..."


def redacted(text: str) -> str:
    """Mask what follows a name like `password=`, `'api_key':` or `Authorization:`, and passwords in addresses.

    It would rather mask too much than too little: a value ends at a comma, a closing bracket or the end of its line.
    """
    pieces = []
    start = 0
    match = _NAMED.search(text)
    while match is not None:
        pieces.append(text[start : match.end()] + _MASK)
        start = _end_of_value(text, match.end())
        match = _NAMED.search(text, start)
    return _IN_ADDRESS.sub("://%s@" % _MASK, "".join(pieces) + text[start:])


def _end_of_value(text: str, at: int) -> int:
    closers: list[str] = []
    quote = ""
    while at < len(text):
        char = text[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif char in _CLOSING:
            closers.append(_CLOSING[char])
        elif closers:
            if char == closers[-1]:
                closers.pop()
        elif char in ",)]}>\n":
            return at
        at += 1
    return len(text)


def _utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class _Repr(reprlib.Repr):
    """Bounded for the containers of Python. Other objects are masked before they are cut: no secret loses its name."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = 6
        self.maxstring = 80

    def repr_instance(self, x: Any, level: int) -> str:
        return redacted(_utf8(repr(x)[:_MAX_LOOKED_AT]))[:_MAX_REPR]


_REPR = _Repr()
