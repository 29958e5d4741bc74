"""Exceptions as the protocol's error objects (section 3.2); must not know connections or calls."""

from __future__ import annotations

import linecache
import os
from collections import deque
from types import TracebackType
from typing import Any

_OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep
_BOOT = os.path.join(os.path.dirname(os.path.dirname(_OWN)), "snakepit_boot.py")

OUTER_FRAMES = 10
INNER_FRAMES = 40
_MAX_MESSAGE = 16 * 1024
MAX_TEXT = 1024
_MAX_CAUSES = 8
_MAX_NOTES = 16


def error_of(kind: str, message: str, hint: str | None = None) -> dict[str, Any]:
    """An error that no exception stands behind."""
    error: dict[str, Any] = {"kind": kind, "message": cut(message, _MAX_MESSAGE)}
    if hint:
        error["hint"] = hint
    return error


def describe(error: BaseException, kind: str, hint: str | None = None) -> dict[str, Any]:
    """Describe an exception of user code. Never raises, whatever the exception's own methods do."""
    described: dict[str, Any] = {"kind": kind}
    described.update(_describe(error, {id(error)}, 0))
    if hint:
        described["hint"] = hint
    notes = _notes(error)
    if notes:
        described["notes"] = notes
    return described


def smaller(error: dict[str, Any], size: int) -> dict[str, Any]:
    """The same error without its details, for a frame limit of `size` bytes."""
    return {"kind": error["kind"], "message": cut(error["message"], max(16, size // 8))}


def cut(text: str, limit: int) -> str:
    """Shorten text to about `limit` bytes of UTF-8 and say so."""
    if len(text) * 4 <= limit:
        return text
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= limit:
        return text
    marker = "... [%d bytes cut]" % (len(encoded) - limit)
    return encoded[: max(0, limit - len(marker))].decode("utf-8", "ignore") + marker


def type_name(error: BaseException) -> str:
    """The type's name as a traceback prints it."""
    kind = type(error)
    try:
        module, name = str(kind.__module__), str(kind.__qualname__)
    except Exception:
        return "<unnameable>"
    return cut(name if module in ("builtins", "__main__") else "%s.%s" % (module, name), MAX_TEXT)


def message_of(error: BaseException) -> str:
    """The exception's text; user code may raise from its own `__str__`."""
    try:
        return cut(str(error), _MAX_MESSAGE)
    except BaseException:
        return "<the message of this %s could not be made: its __str__ raised>" % type_name(error)


def _describe(error: BaseException, seen: set[int], depth: int) -> dict[str, Any]:
    described: dict[str, Any] = {
        "type": type_name(error),
        "message": message_of(error),
        "frames": _frames(error),
        "cause": None,
    }
    cause = error.__cause__
    if cause is None and not error.__suppress_context__:
        cause = error.__context__
    if cause is not None and depth < _MAX_CAUSES and id(cause) not in seen:
        seen.add(id(cause))
        described["cause"] = _describe(cause, seen, depth + 1)
    return described


def _frames(error: BaseException) -> list[dict[str, Any]]:
    outer: list[tuple[TracebackType, str]] = []
    inner: deque[tuple[TracebackType, str]] = deque(maxlen=INNER_FRAMES)
    step = error.__traceback__
    while step is not None:
        filename = step.tb_frame.f_code.co_filename
        if not is_own(filename):
            (outer if len(outer) < OUTER_FRAMES else inner).append((step, filename))
        step = step.tb_next
    frames = [_frame(step, filename) for step, filename in (*outer, *inner)]
    if isinstance(error, SyntaxError) and error.filename:
        # The offending line never ran, so no frame stands for it.
        frames.append(
            {
                "file": cut(str(error.filename), MAX_TEXT),
                "line": error.lineno or 0,
                "function": "<module>",
                "text": cut(str(error.text or "").strip(), MAX_TEXT),
            }
        )
    return frames


def _frame(step: TracebackType, filename: str) -> dict[str, Any]:
    line = step.tb_lineno or 0
    code = step.tb_frame.f_code
    try:
        text = linecache.getline(filename, line, step.tb_frame.f_globals).strip()
    except Exception:
        text = ""
    return {
        "file": cut(filename, MAX_TEXT),
        "line": line,
        "function": cut(code.co_name, MAX_TEXT),
        "text": cut(text, MAX_TEXT),
    }


def is_own(filename: str) -> bool:
    """Whether a frame of this file is the runtime's, not the user's."""
    return filename.startswith((_OWN, "<frozen importlib")) or filename == _BOOT


def _notes(error: BaseException) -> list[str]:
    notes: list[str] = []
    try:
        notes += [cut(str(note), MAX_TEXT) for note in getattr(error, "__notes__", ())]
        contained = [each for each in getattr(error, "exceptions", ()) if isinstance(each, BaseException)]
        notes += [cut("contains %s: %s" % (type_name(each), message_of(each)), MAX_TEXT) for each in contained]
    except BaseException:
        pass  # __notes__ may be anything at all
    return notes[:_MAX_NOTES]
