"""The call in progress as user code sees it: `current_call()`, and `context` for short; must not know frames."""

from __future__ import annotations

import time
from typing import Any, Mapping

from ._api import LANES
from ._sessions import SessionState, state_of


class CallContext:
    """The call in progress, as its caller described it."""

    __slots__ = ("_lane", "_state", "command", "deadline", "id", "session", "traceparent")

    def __init__(
        self,
        ident: int,
        command: str,
        deadline: int | None,
        context: Mapping[str, Any],
        lane: Any,
    ) -> None:
        self.id = ident
        self.command = command
        self.session: str | None = context.get("session")
        self.traceparent: str | None = context.get("traceparent")
        self.deadline: float | None = None if deadline is None else deadline / 1e9
        self._lane = lane
        self._state = context.get("state")

    @property
    def state(self) -> SessionState:
        """What the call's session keeps in its worker. Raises `RuntimeError` if it belongs to no session."""
        return state_of(self.session, self._state)

    @property
    def cancelled(self) -> bool:
        """Whether the caller no longer wants the answer of this call, as `cancelled()`. From any thread."""
        return bool(self._lane.gate.is_cancelled(self.id))

    def remaining(self) -> float | None:
        """Seconds until the deadline, negative when it has passed, None without one."""
        return None if self.deadline is None else self.deadline - time.monotonic()

    def __repr__(self) -> str:
        return "CallContext(id=%d, command=%r, session=%r)" % (self.id, self.command, self.session)


def current_call() -> CallContext | None:
    """The call this thread is working for, or None outside of one.

    Where an interpreter serves one lane only, on its main thread or because each lane has its own interpreter, that is
    the call in progress, from whichever thread one asks.
    """
    lane = LANES.here()
    return None if lane is None else lane.current_call()


class _Current:
    """Stands for the call in progress: `context.session` is `current_call().session`."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        call = current_call()
        if call is None:
            raise RuntimeError("context.%s: this thread is not working for a call" % name)
        return getattr(call, name)

    def __repr__(self) -> str:
        return "context of %r" % (current_call(),)


context: CallContext = _Current()  # type: ignore[assignment]
"""The call this thread is working for. Raises `RuntimeError` outside of one, where `current_call()` answers None."""
