"""Who is inside of what, and who should not be there at the same time; must not know what is watched, or how."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from types import CodeType, FunctionType, ModuleType
from typing import Any, Callable, Hashable, NamedTuple

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_NOBODYS = (
    _HERE,
    threading.__file__,
    os.path.join(_LIBRARY, "asyncio") + os.sep,
    os.path.join(_LIBRARY, "concurrent") + os.sep,
)
"""Code that calls for others: a call from there is best told by the function that was called."""

ADVICE = (
    "hold one lock around both uses, give each thread an object of its own, or say what only reads: @read_only, "
    "shared(..., read_only=True)"
)


class ThreadSafetyError(RuntimeError):
    """An object was about to be used while another thread uses it: `overlap` says where both do."""

    __module__ = "snakepit_bridge"

    def __init__(self, overlap: Overlap) -> None:
        super().__init__("%s; %s" % (overlap, ADVICE))
        self.overlap = overlap


class Use(NamedTuple):
    """One thread's use of an object."""

    what: str
    """The method or function: `Counter.add`."""
    site: str
    """Where it is called from, `file:line in function`; if from nobody's code, where it is defined."""


class Overlap(NamedTuple):
    """Two threads that use an object at once. `first` was there already."""

    subject: str
    first: Use
    second: Use

    def __str__(self) -> str:
        uses = " and ".join("%s at %s" % use for use in (self.first, self.second))
        return "%s is used by two threads at once: %s" % (self.subject, uses)


class Access:
    """A use as it is going on: a context manager, which is to be entered once."""

    __slots__ = (
        "board",
        "call",
        "code",
        "depth",
        "function",
        "home",
        "key",
        "line",
        "reads",
        "subject",
        "thread",
        "what",
    )

    def __init__(
        self, board: Board, subject: Any, what: str, reads: bool, function: Any, home: str = "", depth: int = 2
    ) -> None:
        self.board = board
        # By identity, and by value where it is only a name.
        self.key: Hashable = subject if type(subject) is str else id(subject)
        self.subject = subject
        self.what = what
        self.reads = reads
        self.function = function
        self.home = home
        """The folder of a library, whose own calls of the function are told where the library was called from."""
        self.depth = depth
        """How far up the code is that is to be told: behind a wrapper, unless it is the one with the `with`."""
        self.thread = self.call = self.line = 0
        self.code: CodeType | None = None

    def __enter__(self) -> None:
        self.thread = thread = threading.get_ident()
        self.call = self.board.call_of(thread)
        # Now: on free-threaded builds nobody may look at the frames of another thread.
        try:
            frame = sys._getframe(self.depth)
        except ValueError:  # a bare thread began with the wrapper: nobody called it
            frame = sys._getframe()
            while frame.f_back is not None:
                frame = frame.f_back
        if self.home:
            while frame.f_back is not None and frame.f_code.co_filename.startswith((self.home, _HERE)):
                frame = frame.f_back
        self.code = frame.f_code
        self.line = frame.f_lineno or 0
        self.board.enter(self)

    def __exit__(self, *_: object) -> None:
        self.board.leave(self)

    def use(self) -> Use:
        """What it is to tell."""
        code, line = self.code, self.line
        if code is None or code.co_filename.startswith(_NOBODYS):
            code = getattr(self.function, "__code__", None)
            line = 0 if code is None else code.co_firstlineno
        if code is None:
            return Use(self.what, "an unknown place")
        return Use(self.what, "%s:%d in %s" % (code.co_filename, line, code.co_name))


class Board:
    """Keeps who is inside, and finds overlaps.

    Only what happens at the same time is one. Two uses that only read are none, nor are several by one thread. What was
    found is kept up to `limit` pairs of sites; memory is bounded by that and by the uses in progress.

    `call_of(thread)` is the call that thread works for, 0 if none. A use of an earlier call is over, though its thread
    was kept from saying so: it was interrupted.
    """

    def __init__(self, limit: int, on_overlap: Callable[[Overlap, bool], None], call_of: Callable[[int], int]) -> None:
        self.call_of = call_of
        self.found: dict[tuple[Use, ...], Overlap] = {}
        """By both sites, in order; oldest first."""
        self.seen = 0
        """Overlaps in all, of known sites too."""
        self._limit = limit
        self._on_overlap = on_overlap
        self.renew()
        _BOARDS.add(self)

    @property
    def is_full(self) -> bool:
        """Whether no further pair of sites is kept."""
        return len(self.found) >= self._limit

    def renew(self) -> None:
        """Nobody is inside."""
        # Re-entrant: the garbage collector runs finalisers of user code at any time, hence here too.
        self._lock = threading.RLock()
        self._inside: dict[Hashable, dict[int, Access]] = {}

    def forget(self) -> None:
        """Forget what was found."""
        with self._lock:
            self.found = {}
            self.seen = 0

    def enter(self, access: Access) -> None:
        """A use begins. Tells of an overlap, and whether its sites are new; what that raises prevents the use.

        Of several uses of an object by one thread the outermost counts.
        """
        key, thread = access.key, access.thread
        with self._lock:
            inside = self._inside.setdefault(key, {})
            own = inside.get(thread)
            if own is not None and own.call == access.call:
                return
            overlap, is_new = self._conflict(access, inside)
            inside[thread] = access
        if overlap is not None:
            try:
                self._on_overlap(overlap, is_new)
            except BaseException:
                self.leave(access)
                raise

    def leave(self, access: Access) -> None:
        """A use ends. Nothing happens if it did not count."""
        key, thread = access.key, access.thread
        with self._lock:
            inside = self._inside.get(key)
            if inside is not None and inside.get(thread) is access:
                if len(inside) == 1:
                    del self._inside[key]
                else:
                    del inside[thread]

    def _conflict(self, access: Access, inside: dict[int, Access]) -> tuple[Overlap | None, bool]:
        for thread, other in list(inside.items()):
            if thread == access.thread or (other.reads and access.reads) or self.call_of(thread) != other.call:
                continue
            overlap = Overlap(_name(access.subject), other.use(), access.use())
            self.seen += 1
            pair = tuple(sorted(overlap[1:]))
            is_new = pair not in self.found and not self.is_full
            if is_new:
                self.found[pair] = overlap
            return overlap, is_new
        return None, False


def _name(subject: Any) -> str:
    if type(subject) is str:
        return subject
    if isinstance(subject, (ModuleType, FunctionType)):
        return subject.__name__
    return "one %s" % type(subject).__name__


_BOARDS: weakref.WeakSet[Board] = weakref.WeakSet()


def _renew() -> None:
    """In a forked copy, which has none of the threads that were inside."""
    for board in _BOARDS:
        board.renew()


os.register_at_fork(after_in_child=_renew)
