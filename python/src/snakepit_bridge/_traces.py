"""Where an exception was raised, as the protocol's frames (section 3.2); must not know errors, connections or calls."""

from __future__ import annotations

import linecache
import os
import sys
from collections import deque
from itertools import islice
from traceback import FrameSummary, StackSummary
from types import CodeType, TracebackType
from typing import Any

_OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep
_BOOT = os.path.join(os.path.dirname(os.path.dirname(_OWN)), "snakepit_boot.py")

OUTER_FRAMES = 10
INNER_FRAMES = 40
MAX_TEXT = 1024
_MAX_LINE = 2**32 - 1

_MAX_MARKED_LINES = 100
"""Marks have the text parsed: what spans more lines has none."""

_MAX_PLACES = 512

_places: dict[tuple[int, int], tuple[CodeType, dict[str, Any]]] = {}
"""Frames that were described, by code and instruction: what fails, fails at the same places again and again. The code
is kept along, as its number is used again when it is gone."""


def cut(text: str, limit: int) -> str:
    """Shorten text to about `limit` bytes of UTF-8 and say so."""
    if len(text) * 4 <= limit:
        return text
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= limit:
        return text
    marker = "... [%d bytes cut]" % (len(encoded) - limit)
    return encoded[: max(0, limit - len(marker))].decode("utf-8", "ignore") + marker


def is_own(filename: str) -> bool:
    """Whether a frame of this file is the runtime's, not the user's."""
    return filename.startswith((_OWN, "<frozen importlib")) or filename == _BOOT


def frames_of(error: BaseException) -> list[dict[str, Any]]:
    """The frames of user code, outermost first; of many, those in the middle are only counted."""
    outer: list[tuple[TracebackType, str]] = []
    inner: deque[tuple[TracebackType, str]] = deque(maxlen=INNER_FRAMES)
    omitted = 0
    step = error.__traceback__
    while step is not None:
        filename = step.tb_frame.f_code.co_filename
        if not is_own(filename):
            if len(outer) < OUTER_FRAMES:
                outer.append((step, filename))
            else:
                omitted += len(inner) == INNER_FRAMES
                inner.append((step, filename))
        step = step.tb_next
    frames = [_frame(step, filename) for step, filename in (*outer, *inner)]
    if omitted:
        frames[OUTER_FRAMES] = {**frames[OUTER_FRAMES], "omitted": omitted}
    return frames


def syntax_of(error: BaseException) -> dict[str, Any] | None:
    """Where source text is wrong, of a `SyntaxError` that says so. That line never ran: no frame stands for it.

    None as well where user code answers for the exception's attributes, and raises.
    """
    try:
        return _syntax_of(error) if isinstance(error, SyntaxError) else None
    except BaseException:
        return None


def _syntax_of(error: SyntaxError) -> dict[str, Any] | None:
    if type(error.lineno) is not int:
        return None
    place: dict[str, Any] = {
        "message": cut(str(error.msg or "<no detail available>"), MAX_TEXT),
        "file": cut(str(error.filename or "<string>"), MAX_TEXT),
        "line": min(max(0, error.lineno), _MAX_LINE),
    }
    if isinstance(error.text, str):
        line = error.text.rstrip("\n")
        text = line.lstrip(" \n\f")
        place["text"] = cut(text, MAX_TEXT)
        if type(error.offset) is int:
            place.update(_marked(error, error.offset, len(line), len(line) - len(text)))
    return place


def _marked(error: SyntaxError, start: int, length: int, indent: int) -> dict[str, int]:
    """The columns that are meant, as CPython finds them; they count from 1."""
    end: Any = start
    if error.lineno == getattr(error, "end_lineno", error.lineno):
        end = getattr(error, "end_offset", None) or start  # CPython 3.10
    else:
        end = length + 1
    if type(end) is not int or end in (start, -1):
        end = start + 1
    column = start - indent
    return {"column": column, "length": max(0, end - start)} if column > 0 else {}


def _frame(step: TracebackType, filename: str) -> dict[str, Any]:
    code = step.tb_frame.f_code
    place = id(code), step.tb_lasti
    known = _places.get(place)
    if known is not None and known[0] is code:
        return known[1]
    frame = _described(step, filename)
    if len(_places) >= _MAX_PLACES:
        _places.clear()
    _places[place] = code, frame
    return frame


def _described(step: TracebackType, filename: str) -> dict[str, Any]:
    line = step.tb_lineno or 0
    code = step.tb_frame.f_code
    try:
        text = linecache.getline(filename, line, step.tb_frame.f_globals).strip()
    except Exception:
        text = ""
    frame = {
        "file": cut(filename, MAX_TEXT),
        "line": line,
        "function": cut(code.co_name, MAX_TEXT),
        "text": cut(text, MAX_TEXT),
    }
    marked = _marked_text(step, filename) if text else ""
    if marked not in ("", text) and cut(marked, MAX_TEXT) == marked:
        frame["marked"] = marked
    return frame


def _marked_text(step: TracebackType, filename: str) -> str:
    """What this version of Python prints below the place: source text, with marks under what raised."""
    if sys.version_info < (3, 11):
        return ""
    code = step.tb_frame.f_code
    try:
        positions = next(islice(code.co_positions(), step.tb_lasti // 2, None))
        line, end_line, column, end_column = positions
        if None in positions or end_line - line > _MAX_MARKED_LINES:
            return ""
        summary = FrameSummary(filename, line, code.co_name, end_lineno=end_line, colno=column, end_colno=end_column)
        printed = StackSummary().format_frame_summary(summary)
    except Exception:
        return ""  # whatever is odd about it: the place is told all the same
    head = '  File "%s", line %s, in %s\n' % (filename, line, code.co_name)
    if not printed.startswith(head):
        return ""
    return "\n".join(row[4:] for row in printed[len(head) : -1].split("\n"))
