"""Objects that stay in this interpreter while the host holds handles on them; must not know frames or lanes."""

from __future__ import annotations

import difflib
import threading
from typing import Any, Callable, Mapping, Sequence, Tuple

from ._mismatch import BadArguments

REFS_RELEASED = "snakepit.refs_released"
"""The command by which the host tells of handles that nobody has any more."""

REF_CALL = "snakepit.ref_call"
"""The command that calls a method of an object."""

REF_GET = "snakepit.ref_get"
"""The command that answers with an object itself."""

MAX_KEPT = 1000
"""Objects one session may keep in one interpreter: whoever forgets to drop handles should hear of it."""

Key = Tuple[str, int]
"""A session, and its number."""


class NotKept(RuntimeError):
    """An object cannot be kept: the call has no session, or that keeps as many as it may. What to do is in `hint`."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Kept:
    """Stands for an object that stays here: in a result it is a handle in the host.

    Made by `context.keep(obj)`. One that is never sent keeps its object only as long as it lives itself.
    """

    __slots__ = ("is_sent", "number", "shown", "type_name")

    def __init__(self, number: int, type_name: str, shown: str) -> None:
        self.number = number
        self.type_name = type_name
        self.shown = shown
        self.is_sent = False

    def __del__(self) -> None:
        if not self.is_sent:
            release([self.number])

    def __repr__(self) -> str:
        return "<kept %s: %s>" % (self.type_name, self.shown)


_objects: dict[int, tuple[Key, Any]] = {}
_by_session: dict[Key, set[int]] = {}
_last = 0
# The collector may run a `__del__` of ours while this thread holds it.
_lock = threading.RLock()


def keep(key: Key, value: Any) -> Kept:
    """Keep an object for a session. Raises `NotKept` if that has as many as it may."""
    from ._placeholders import named, shown

    global _last
    if type(value) is Kept:
        return value
    kept = Kept(0, named(type(value)), shown(value))
    with _lock:
        numbers = _by_session.setdefault(key, set())
        if len(numbers) >= MAX_KEPT:
            raise NotKept(
                "session %.200r keeps %d objects already, which is as many as it may" % (key[0], MAX_KEPT),
                "drop handles that are done with, or keep one object that holds the others",
            )
        _last = kept.number = _last + 1
        _objects[kept.number] = (key, value)
        numbers.add(kept.number)
    return kept


def find(number: int) -> Any:
    """The object. Raises `KeyError` if it is not kept any more."""
    return _objects[number][1]


def release(numbers: Sequence[int]) -> None:
    """The command `REFS_RELEASED`: let go of objects. Those that are gone already do not matter."""
    _let_go(lambda: numbers)


def end(key: Key) -> None:
    """Let go of all that a session kept."""
    _let_go(lambda: list(_by_session.get(key, ())))


def _let_go(choose: Callable[[], Sequence[int]]) -> None:
    with _lock:
        gone = [(number, _objects.pop(number, None)) for number in choose()]
        for number, found in gone:
            if found is not None:
                numbers = _by_session.get(found[0], set())
                numbers.discard(number)
                if not numbers:
                    _by_session.pop(found[0], None)
    del gone  # what runs when objects go runs without the lock


def call_method(target: Any, method: str, /, *args: Any, **kwargs: Any) -> Any:
    """The command `REF_CALL`. Raises `BadArguments` for what is no public method of the object."""
    if method.startswith("_"):
        raise BadArguments("%.200r begins with an underscore: it is not for callers" % method)
    found = getattr(target, method, None)
    if not callable(found):
        near = difflib.get_close_matches(method, [name for name in dir(target) if name[:1] != "_"], 1)
        raise BadArguments(
            "a %s has no method %.200r%s"
            % (type(target).__qualname__, method, "; did you mean %r?" % near[0] if near else "")
        )
    return found(*args, **kwargs)


def get(target: Any, /) -> Any:
    """The command `REF_GET`."""
    return target


COMMANDS: Mapping[str, Callable[..., Any]] = {REFS_RELEASED: release, REF_CALL: call_method, REF_GET: get}
"""What the host calls that no worker lists."""
