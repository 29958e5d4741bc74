"""What this interpreter keeps for sessions, and how that gets to another worker; must not know frames or lanes."""

from __future__ import annotations

import logging
import threading
from typing import Any, Callable, Dict, Mapping, NamedTuple, Sequence

from . import _refs
from ._api import Cancelled

SESSION_CLOSED = "snakepit.session_closed"
"""The command by which the host tells of sessions that ended."""

HOOKS = ("session_closed", "save_session", "load_session")
"""What an adapter may define to hear of sessions."""

_LOG = logging.getLogger("snakepit.sessions")


_CANNOT = 1 << 63
"""Set in the version of a STATE that says that the session cannot be handed over."""


class SessionState(Dict[str, Any]):
    """What a session keeps in its worker: a dict of its own, there until the session ends.

    All lanes of a worker see the same one. It is as safe to share between threads as any dict is.
    """

    __slots__ = ("__weakref__",)  # an attribute would be kept, but is no item, and so is not saved


class SessionStateError(RuntimeError):
    """There is no `context.state`: the call belongs to no session, or its worker can keep none."""


SessionStateError.__module__ = "snakepit_bridge"

REMEDY = "set `threads_per_worker: 1`, or use the profile `thread` or `process`"
"""Where sessions would be kept in several interpreters."""


class Visit(NamedTuple):
    """The session of a call, as the host describes it."""

    session: str
    number: int
    edition: int
    left: bytes | None

    @property
    def key(self) -> tuple[str, int]:
        """What the session is kept under: a name may be used again before its first session was let go of."""
        return self.session, self.number


class _Entry:
    __slots__ = ("edition", "lock", "sent", "state", "version")

    def __init__(self) -> None:
        self.state = SessionState()
        self.edition = 0
        """Of what was last loaded."""
        self.sent: tuple[int, int] | None = None
        """Length and hash of what was last sent, since that."""
        self.version = 0
        self.lock = threading.Lock()


_is_one_of_many = False

_entries: dict[tuple[str, int], _Entry] = {}
"""The sessions of this interpreter. Only operations that are atomic on free-threaded builds, too."""


def visit_of(session: Any, state: Any) -> Visit | None:
    """Read `session` and `state` of a call's context. Raises `ValueError`; None without a session."""
    if session is None:
        return None
    # All there is to say of nearly every call is the number; a host that knows no numbers leaves it out.
    number, edition, left = state if type(state) is list and len(state) == 3 else (state or 0, 0, None)
    if type(session) is not str or type(number) is not int or type(edition) is not int:
        raise ValueError("`session` and `state` are not a string, and a number or an array of three")
    if left is not None and type(left) is not bytes:
        raise ValueError("the state of a session is not bytes")
    return Visit(session, number, edition, left)


def keep_none() -> None:
    """Have `state_of` refuse: other interpreters of this worker serve calls of the same sessions, and share nothing."""
    global _is_one_of_many
    _is_one_of_many = True


def state_of(session: Any, state: Any) -> SessionState:
    """What a session keeps in this interpreter. Raises `SessionStateError`."""
    visit = visit_of(session, state)
    if visit is None:
        raise SessionStateError(
            "context.state: this call belongs to no session; the caller names one: `pool.session(...)` in Rust, "
            "`--session` on the command line, `given(session=...)` in tests"
        )
    if _is_one_of_many:
        text = "context.state: the lanes of this worker are interpreters that share nothing, so it keeps no session; %s"
        raise SessionStateError(text % REMEDY)
    return _entry(visit.key).state


def owner_of(session: Any, state: Any, keeps_sessions: bool) -> _refs.Key:
    """The session objects are to be kept for. Raises `NotKept` if there is none."""
    visit = visit_of(session, state)
    if visit is None:
        raise _refs.NotKept("handles need a session, and this call belongs to none", "name a session in the call")
    if not keeps_sessions:
        raise _refs.NotKept(
            "the lanes of this worker are interpreters of their own, which share no objects",
            "set `threads_per_worker: 1`, or use the process or the thread profile",
        )
    return visit.key


def keeping(function: Callable[..., Any], complete: Callable[[Any], Any], *owner: Any) -> Callable[..., Any]:
    """The function, whose result stays here for its `owner` (as of `owner_of`); what is returned stands for it."""

    def call(*args: Any, **kwargs: Any) -> Any:
        key = owner_of(*owner)
        return _refs.keep(key, complete(function(*args, **kwargs)))

    call.__wrapped__ = function  # type: ignore[attr-defined]
    return call


def _entry(key: tuple[str, int]) -> _Entry:
    entry = _entries.get(key)
    return entry if entry is not None else _entries.setdefault(key, _Entry())


class Keeper:
    """The sessions of one lane, with the hooks of its adapter. User code runs in its methods."""

    def __init__(self, subject: Any, complete: Callable[[Any], Any]) -> None:
        self._closed, self._save, self._load = (getattr(subject, name, None) for name in HOOKS)
        self._complete = complete
        self.saves = self._save is not None
        """Whether the adapter can say what a session leaves."""
        self.commands: Mapping[str, Callable[..., Any]] = {SESSION_CLOSED: self.close, **_refs.COMMANDS}
        """What the host calls that no worker lists."""

    def load(self, visit: Visit) -> None:
        """Take over what the session left on another worker, unless that was done."""
        entry = _entry(visit.key)
        with entry.lock:
            if visit.left is None or visit.edition <= entry.edition:
                return
            entry.sent = None
            entry.state.clear()
            try:
                hook = self._load
                state = None if hook is None else self._complete(hook(visit.session, visit.left))
                if state is not None and state is not entry.state:
                    entry.state.update(state)
            except BaseException as error:
                _tell("load_session", visit.session, error)
            # Last: a call that is cancelled in between has loaded nothing, and the next one does.
            entry.edition = visit.edition

    def save(self, visit: Visit) -> bytes | None:
        """The body of STATE; None if the session leaves what it left before."""
        entry = _entry(visit.key)
        with entry.lock:
            try:
                hook = self._save
                left = None if hook is None else self._complete(hook(visit.session, entry.state))
                left = b"" if left is None else _bytes(left)
            except BaseException as error:
                _tell("save_session", visit.session, error)
                return _nothing_for(entry)
            mark = len(left), hash(left)
            if mark == entry.sent:
                return None
            entry.sent = mark
            entry.version += 1
            return entry.version.to_bytes(8, "little") + left

    @staticmethod
    def refuse(visit: Visit, size: int) -> bytes:
        """Say that what the session leaves does not fit a frame, and what to send instead."""
        text = "session %.200r leaves %d bytes, more than max_payload: it cannot be handed over"
        _LOG.warning(text, visit.session, size)
        entry = _entry(visit.key)
        with entry.lock:
            return _nothing_for(entry)

    def close(self, ended: Sequence[Sequence[Any]]) -> None:
        """The command `SESSION_CLOSED`: let go of `[session, number, says_good_bye]` each."""
        gone = [(session, _entries.pop((session, number), None), bye) for session, number, bye in ended]
        for session, entry, says_good_bye in gone:
            if says_good_bye and self._closed is not None:
                try:
                    self._complete(self._closed(session, SessionState() if entry is None else entry.state))
                except BaseException as error:
                    _tell("session_closed", session, error)
        for session, number, _ in ended:
            _refs.end((session, number))


def _nothing_for(entry: _Entry) -> bytes:
    """The body of STATE of a session that cannot be handed over."""
    entry.sent = None
    entry.version += 1
    return (entry.version | _CANNOT).to_bytes(8, "little")


def _bytes(left: Any) -> bytes:
    if not isinstance(left, (bytes, bytearray, memoryview)):
        raise TypeError("save_session returned %s, which is neither bytes nor None" % type(left).__name__)
    return bytes(left)


def _tell(hook: str, session: str, error: BaseException) -> None:
    """Log what a hook raised: no call fails for it. But for its interruption, which is for the call."""
    if isinstance(error, Cancelled) or type(error).__name__ == "CancelledError":
        raise error
    _LOG.error("%s of session %.200r raised", hook, session, exc_info=error)
