"""What adapters of the original Snakepit expect of a call: a session context, `execute_tool`; must not know frames."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Mapping

from ._mismatch import BadArguments
from .session_context import SessionContext

Hook = Callable[[Any], Any]
"""An adapter's `set_session_context`."""


def with_session(function: Callable[..., Any], hook: Hook) -> Callable[..., Any]:
    """The function, before each call of which the adapter's `set_session_context` is called."""

    def call(*args: Any, **kwargs: Any) -> Any:
        hook(SessionContext.current())
        return function(*args, **kwargs)

    call.__wrapped__ = function  # type: ignore[attr-defined]
    return call


class WithFallback(dict):  # type: ignore[type-arg]
    """Commands by name; those the class does not list go to its `execute_tool(tool_name, arguments, context)`."""

    def __init__(self, functions: Mapping[str, Any], execute: Callable[..., Any], hook: Hook | None) -> None:
        super().__init__(functions)
        self._execute = execute
        self._hook = hook

    def get(self, name: str, default: Any = None) -> Any:
        """The function to call for a command, whatever its name; but those of the host are not the adapter's."""
        found = dict.get(self, name)
        if found is None and not name.startswith("snakepit."):
            found = partial(self._fall_back, name)
        return default if found is None else found

    def _fall_back(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        if args:
            raise BadArguments("%s() goes to execute_tool, which takes arguments by name only" % name)
        context = SessionContext.current()
        if self._hook is not None:
            self._hook(context)
        return self._execute(name, kwargs, context)
