"""The call in progress as user code sees it: `current_call()`, and `context` for short; must not know frames."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Mapping

from . import _refs
from ._api import LANES
from ._sessions import SessionState, owner_of, state_of
from ._tools import Host, ask_async, tools

if TYPE_CHECKING:
    from ._logs import CallLogger
    from ._telemetry import Telemetry


class CallContext:
    """The call in progress, as its caller described it."""

    __slots__ = ("_lane", "_state", "command", "deadline", "depth", "id", "root", "session", "traceparent")

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
        self.depth: int = context.get("depth", 0)
        self.deadline: float | None = None if deadline is None else deadline / 1e9
        self._lane = lane
        self._state = context.get("state")
        self.root: tuple[str, str, str] | None = None
        """For `_telemetry`: the trace this call is part of."""

    @property
    def call_id(self) -> int:
        """The host's number for this call, unique in its pool: `id`."""
        return self.id

    @property
    def log(self) -> CallLogger:
        """A logger whose records belong to this call, from whichever thread they come."""
        from ._logs import CallLogger

        return CallLogger(self)

    @property
    def telemetry(self) -> Telemetry:
        """`emit` and `span` for this call, from whichever thread; the module `telemetry` has those of this thread."""
        from ._telemetry import Telemetry

        return Telemetry(self)

    @property
    def state(self) -> SessionState:
        """What the call's session keeps in its worker. Raises `SessionStateError` if there is none."""
        return state_of(self.session, self._state)

    def keep(self, value: Any) -> _refs.Kept:
        """Keep an object in this worker for the call's session; in a result, what this returns is a handle on it.

        The object goes when the caller drops the handle, or when the session ends. From any thread.

        Raises `NotKept` if the call belongs to no session, or that keeps as many objects as it may.
        """
        return _refs.keep(owner_of(self.session, self._state, self._lane.keeper is not None), value)

    @property
    def cancelled(self) -> bool:
        """Whether the caller no longer wants the answer of this call, as `cancelled()`. From any thread."""
        return bool(self._lane.gate.is_cancelled(self.id))

    @property
    def host(self) -> Host:
        """The tools of the host as functions: `context.host.lookup(id=7)`."""
        return Host(self._lane.exchange, self.id)

    def call(self, tool: str, /, *args: Any, **kwargs: Any) -> Any:
        """Ask a tool of the host and wait for its answer. Raises `ToolError`. From any thread."""
        return self._lane.exchange.ask(self.id, tool, args, kwargs, None)

    async def call_async(self, tool: str, /, *args: Any, **kwargs: Any) -> Any:
        """As `call`, from a coroutine: the event loop goes on meanwhile. A lane asks one question at a time."""
        return await ask_async(self.host, tool, args, kwargs)

    def tools(self) -> list[dict[str, Any]]:
        """The tools of the host: `name`, `doc` and `schema` (JSON Schema, or None) of each."""
        return tools(self.host)

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
