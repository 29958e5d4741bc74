"""Exceptions as the protocol's error objects (section 3.2); must not know connections or calls."""

from __future__ import annotations

from typing import Any

from ._traces import MAX_TEXT, cut, frames_of, syntax_of

_MAX_MESSAGE = 16 * 1024
_MAX_CLASSES = 16
_MAX_NOTES = 16
_MAX_DEPTH = 8
"""How deep causes and groups may nest."""
_MAX_WIDTH = 15
"""Exceptions of a group: as many as Python prints."""
_MAX_EXCEPTIONS = 64
"""All that one error is made of: groups of groups would grow without end."""

_CAUSE: Any = vars(BaseException)["__cause__"].__get__
_CONTEXT: Any = vars(BaseException)["__context__"].__get__
_IS_SUPPRESSED: Any = vars(BaseException)["__suppress_context__"].__get__


def error_of(kind: str, message: str, hint: str | None = None) -> dict[str, Any]:
    """An error that no exception stands behind."""
    error: dict[str, Any] = {"kind": kind, "message": cut(message, _MAX_MESSAGE)}
    if hint:
        error["hint"] = hint
    return error


def describe(error: BaseException, kind: str, hint: str | None = None) -> dict[str, Any]:
    """Describe an exception of user code. Never raises, whatever the exception's own methods do."""
    described: dict[str, Any] = {"kind": kind}
    described.update(_Description().of(error, 0))
    if hint:
        described["hint"] = hint
    return described


def smaller(error: dict[str, Any], size: int) -> dict[str, Any]:
    """The same error without its details, for a frame limit of `size` bytes."""
    limit = max(16, size // 8)
    kept = {"kind": error["kind"], "message": cut(error["message"], limit)}
    if "type" in error:
        kept["type"] = cut(error["type"], limit)
    return kept


def type_name(error: BaseException) -> str:
    """The type's name as a traceback prints it."""
    try:
        module, name = _named(type(error))
    except Exception:
        return "<unnameable>"
    return cut(name if module in ("builtins", "__main__") else "%s.%s" % (module, name), MAX_TEXT)


def message_of(error: BaseException) -> str:
    """The exception's text; user code may raise from its own `__str__`."""
    try:
        return cut(str(error), _MAX_MESSAGE)
    except BaseException:
        return "<exception str() failed>"  # as Python prints it


class _Description:
    """One error, with all the exceptions it is made of."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def of(self, error: BaseException, depth: int) -> dict[str, Any]:
        self._seen.add(id(error))
        described: dict[str, Any] = {
            "type": type_name(error),
            "classes": _classes(error),
            "message": message_of(error),
            "frames": frames_of(error),
            "cause": None,
        }
        notes = _notes(error)
        if notes:
            described["notes"] = notes
        syntax = syntax_of(error)
        if syntax is not None:
            described["syntax"] = syntax
        # What Python itself keeps, whatever a class makes of these names.
        cause, context = _CAUSE(error), _CONTEXT(error)
        if cause is not None:
            described["cause"] = self._if_new(cause, depth + 1)
        elif context is not None and not _IS_SUPPRESSED(error):
            described["context"] = self._if_new(context, depth + 1)
        contained = _contained(error)
        if contained:
            inner = (self._if_new(each, depth + 1) for each in contained[:_MAX_WIDTH])
            described["exceptions"] = [each for each in inner if each is not None]
            described["exceptions_omitted"] = len(contained) - len(described["exceptions"])
        return described

    def _if_new(self, error: BaseException, depth: int) -> dict[str, Any] | None:
        """None where it has been described, or where that would go on for too long."""
        if depth > _MAX_DEPTH or id(error) in self._seen or len(self._seen) >= _MAX_EXCEPTIONS:
            return None
        return self.of(error, depth)


def _named(kind: type) -> tuple[str, str]:
    return str(kind.__module__), str(kind.__qualname__)


def _classes(error: BaseException) -> list[str]:
    """The qualified names of its class and of those that one derives from, nearest first."""
    try:
        kinds = type(error).__mro__[:_MAX_CLASSES]
        return [cut(".".join(_named(kind)), 256) for kind in kinds if kind is not object]
    except Exception:
        return []


def _notes(error: BaseException) -> list[str]:
    try:
        notes = getattr(error, "__notes__", ())
        if not isinstance(notes, (list, tuple)):
            notes = (repr(notes),)  # it may be anything at all; Python prints that
        return [cut(str(note), MAX_TEXT) for note in notes[:_MAX_NOTES]]
    except BaseException:
        return []


def _contained(error: BaseException) -> list[BaseException]:
    """What an exception group holds: Python's own, or one of the backports that older versions have."""
    try:
        inner = getattr(error, "exceptions", ())
        if isinstance(inner, (list, tuple)) and all(isinstance(each, BaseException) for each in inner):
            return list(inner)
    except BaseException:
        pass  # it is user code that answers
    return []
