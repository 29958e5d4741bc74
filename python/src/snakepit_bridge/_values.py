"""Values to and from frame bodies, exactly as section 4 of the protocol says; must not know calls or sockets."""

from __future__ import annotations

import json
import re
from json import encoder as _json_encoder
from math import isfinite
from typing import Any, NoReturn, Sequence

from ._arrays import RawArray, Unserialisable
from ._lower import MAX_DEPTH
from ._placeholders import new_walk
from ._raise import Expired, Raising, Unusable
from ._wire import FLAG_BUFFERS, ProtocolError

__all__ = [
    "MAX_DEPTH",
    "Expired",
    "RawArray",
    "Unserialisable",
    "Unusable",
    "body_parts",
    "decode",
    "encode",
    "parse",
    "parse_first",
    "text_of",
]

_I64_MIN = -(2**63)
_U64_MAX = 2**64 - 1
_NONE = type(None)
_AS_IS = frozenset((str, bool, _NONE))
_STR_ONLY = frozenset((str,))

_ESCAPES = re.compile(r"\\u(?:0024|[dD][89a-fA-F])")
"""Those of a dollar and of surrogates. Others, of control characters above all, mean nothing special."""


def _no_default(value: Any) -> NoReturn:
    raise TypeError("not plain: %s" % type(value).__name__)


def _no_constant(text: str) -> NoReturn:
    raise ValueError("%s is not JSON" % text)


_fallback = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))
_decoder: Any = json.JSONDecoder(parse_constant=_no_constant)
_scan = _decoder.scan_once

# JSONEncoder builds this C object anew in every call; building it once halves the cost of a small value.
_make = getattr(_json_encoder, "c_make_encoder", None)
_quote = getattr(_json_encoder, "c_encode_basestring", None) or _json_encoder.encode_basestring
_chunks = _make(None, _no_default, _quote, None, ":", ",", False, False, False) if _make is not None else None


def encode(value: Any) -> tuple[bytes, list[memoryview]]:
    """Return the JSON text of `value` and the buffers it refers to.

    Raises `Unserialisable` naming the place of what cannot be carried, unless placeholders are wanted.
    """
    kind = type(value)
    if kind is str:
        try:
            return _quote(value).encode("utf-8"), []
        except UnicodeEncodeError:
            pass  # the walk below names it
    elif value is None:
        return b"null", []
    elif _plain(value, kind, 0):
        try:
            return _text(value), []
        except UnicodeEncodeError:
            pass
    walk = new_walk()
    lowered = walk.lower(value, None, 0)
    return _text(lowered), walk.buffers


def body_parts(text: bytes, buffers: list[memoryview]) -> list[Any]:
    """Lay out a body with buffers: their table, the text, the buffers."""
    table = [len(buffers).to_bytes(4, "little")]
    table.extend(view.nbytes.to_bytes(8, "little") for view in buffers)
    return [b"".join(table), text, *buffers]


def decode(body: memoryview, flags: int, owned: bool) -> Any:
    """Decode a body; arrays may refer to its memory if it is `owned` by nobody else.

    Raises `ProtocolError` if it is malformed and `Unusable` if it is well-formed but means nothing in Python.
    """
    text, buffers = text_of(body, flags)
    return parse(text, buffers, owned)


def text_of(body: memoryview, flags: int) -> tuple[str, list[memoryview]]:
    """The text of a body and its buffers. Raises `ProtocolError`."""
    buffers: list[memoryview] = []
    if flags & FLAG_BUFFERS:
        body, buffers = _split(body)
    try:
        return str(body, "utf-8"), buffers
    except UnicodeDecodeError as error:
        raise ProtocolError("body is not JSON: %s" % error) from None


def parse(text: str, buffers: Sequence[memoryview] = (), owned: bool = False) -> Any:
    """Decode the text of a body, as `decode` does."""
    value, end = parse_first(text, buffers, owned)
    if end != len(text) and not text[end:].isspace():
        raise ProtocolError("body is not JSON: %r follows its end" % text[end : end + 20])
    return value


def parse_first(text: str, buffers: Sequence[memoryview] = (), owned: bool = False) -> tuple[Any, int]:
    """Decode the value a text begins with, as `decode` does; and where in the text it ends."""
    try:
        if '"$"' in text or ("\\u" in text and _ESCAPES.search(text)):
            return _tagged(text, buffers, owned)
        found: tuple[Any, int] = _scan(text, 0)
    except StopIteration:
        raise ProtocolError("body is not JSON") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, Unusable):
            raise
        raise ProtocolError("body is not JSON: %s" % error) from None
    if buffers:
        raise ProtocolError("%d buffers that nothing refers to" % len(buffers))
    return found


def _tagged(text: str, buffers: Sequence[memoryview], owned: bool) -> tuple[Any, int]:
    raising = Raising(buffers, owned)
    value, end = json.JSONDecoder(object_hook=raising.object, parse_constant=_no_constant).raw_decode(text)
    raising.finish()
    if "\\u" in text:
        # Escapes can spell a lone surrogate, which UTF-8 itself cannot.
        _refuse_surrogates(value)
    return value, end


def _refuse_surrogates(value: Any) -> None:
    kind = type(value)
    if kind is str:
        value.encode("utf-8")  # UnicodeEncodeError is a ValueError
    elif kind is dict:
        for key, item in value.items():
            _refuse_surrogates(key)
            _refuse_surrogates(item)
    elif kind in (list, tuple, set, frozenset):
        for item in value:
            _refuse_surrogates(item)


def _split(body: memoryview) -> tuple[memoryview, list[memoryview]]:
    count = int.from_bytes(body[:4], "little")
    start = 4 + 8 * count
    if count == 0 or start > len(body):
        raise ProtocolError("buffer table of %d entries in a body of %d bytes" % (count, len(body)))
    sizes = [int.from_bytes(body[at : at + 8], "little") for at in range(4, start, 8)]
    at = len(body) - sum(sizes)
    if at < start:
        raise ProtocolError("buffers of %d bytes in a body of %d bytes" % (sum(sizes), len(body)))
    text = body[start:at]
    buffers = []
    for size in sizes:
        buffers.append(body[at : at + size])
        at += size
    return text, buffers


def _text(value: Any) -> bytes:
    if _chunks is not None:
        return "".join(_chunks(value, 0)).encode("utf-8")
    return _fallback.encode(value).encode("utf-8")


def _plain(value: Any, kind: type, depth: int) -> bool:
    """Whether JSON carries `value` as it is, decided by C loops over types rather than item by item."""
    if kind is dict:
        if not value:
            return True
        if set(map(type, value)) != _STR_ONLY or (len(value) == 1 and "$" in value):
            return False
        items = value.values()
    elif kind is list:
        items = value
    elif kind is int:
        return bool(_I64_MIN <= value <= _U64_MAX)
    elif kind is float:
        return isfinite(value)
    else:
        return kind in _AS_IS
    if depth >= MAX_DEPTH:
        return False
    kinds = set(map(type, items))
    kinds -= _AS_IS
    if not kinds:
        return True
    if len(kinds) == 1 and len(items) > 4:
        # Long homogeneous rows of numbers.
        if float in kinds and type(next(iter(items))) is float:
            return _all_finite(items)
        if int in kinds and type(next(iter(items))) is int:
            return _all_fit(items)
    depth += 1
    for item in items:
        inner = type(item)
        if inner not in _AS_IS and not _plain(item, inner, depth):
            return False
    return True


def _all_finite(items: Any) -> bool:
    try:
        return all(map(isfinite, items))
    except TypeError:  # strings or None among them
        return all(type(item) is not float or isfinite(item) for item in items)


def _all_fit(items: Any) -> bool:
    try:
        return bool(min(items) >= _I64_MIN and max(items) <= _U64_MAX)
    except TypeError:
        return all(type(item) is not int or _I64_MIN <= item <= _U64_MAX for item in items)
