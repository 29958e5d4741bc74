"""The session context of the original Snakepit: the call in progress under its names; must not know frames."""

from __future__ import annotations

from typing import Any, Callable

from ._context import current_call


class SessionContext:
    """What the original hands to `set_session_context` and `execute_tool`, once per call.

    It stands for one call: everything else `current_call()` answers is here too, under the same names.
    """

    def __init__(self, call: Any) -> None:
        self._call = call

    @classmethod
    def current(cls) -> SessionContext:
        """The context of the call this thread is working for."""
        return cls(current_call())

    @property
    def session_id(self) -> str:
        """The caller's session, or the original's name for calls without one."""
        return getattr(self._call, "session", None) or "default_session"

    @property
    def request_metadata(self) -> dict[str, Any]:
        """What else came with the call, as far as it came."""
        found = {"traceparent": self._call.traceparent, "command": self._call.command}
        return {key: value for key, value in found.items() if value is not None}

    def call_elixir_tool(self, tool_name: str, **arguments: Any) -> Any:
        """Call a tool of the host, as `context.call` does."""
        return self._call.call(tool_name, **arguments)

    @property
    def elixir_tools(self) -> _Tools:
        """The tools of the host by name: `elixir_tools["lookup"](id=7)`."""
        return _Tools(self)

    def cleanup(self) -> None:
        """Nothing: sessions are the host's to end."""

    def __enter__(self) -> SessionContext:  # noqa: PYI034 - Self is newer than what this runs on
        return self

    def __exit__(self, *_: object) -> None:
        self.cleanup()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def __repr__(self) -> str:
        return "SessionContext(session_id=%r)" % self.session_id


class _Tools:
    """Whether a tool exists, the host says when it is called."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str)

    def __getitem__(self, name: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            return self._context.call_elixir_tool(name, **arguments)

        return call
