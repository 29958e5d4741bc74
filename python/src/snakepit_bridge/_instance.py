"""An adapter as one lane uses it, from set-up to clean-up; must not know connections or calls."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from . import _output
from ._adapter import Adapter
from ._checking import checked
from ._commands import Command
from ._drive import Driver
from ._errors import describe, message_of, type_name
from ._original import WithFallback, with_session
from ._sessions import Keeper
from ._wire import LinkClosed


def setup_failure(error: BaseException) -> dict[str, Any]:
    """The body of FAILED for what setting up raised."""
    hint = "the adapter called sys.exit() in its setup" if isinstance(error, SystemExit) else None
    return describe(error, "setup", hint)


class Instance:
    """The adapter as one lane uses it: an instance of its class, or the module itself."""

    def __init__(self, adapter: Adapter, driver: Driver) -> None:
        self.adapter = adapter
        self.driver = driver
        self.subject: Any = adapter.module

    def set_up(self, first: bool) -> None:
        """Construct and initialise. A module is set up by its `first` lane only."""
        adapter = self.adapter
        if adapter.owner is not None:
            self.subject = adapter.owner(**adapter.arguments)
            self._hook("initialize", {})
            self._hook("setup", {})
        elif first:
            self._hook("setup", adapter.arguments)

    def clean_up(self, last: bool) -> None:
        """The other end of `set_up`. What it raises is reported and ignored: the worker is leaving."""
        if self.adapter.owner is not None or last:
            try:
                self._hook("cleanup", {})
            except LinkClosed:
                raise
            except BaseException as error:
                _output.complain("cleanup raised %s: %s" % (type_name(error), message_of(error)))

    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """The commands, bound once: binding anew in every call costs, and so does sharing between threads."""
        is_class = self.adapter.owner is not None
        hook = getattr(self.subject, "set_session_context", None) if is_class else None
        functions = {command.name: self._function(command, hook) for command in self.adapter.commands}
        execute = getattr(self.subject, "execute_tool", None) if is_class else None
        return functions if execute is None else WithFallback(functions, execute, hook)

    def _function(self, command: Command, hook: Callable[[Any], Any] | None) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(self.subject, command.attribute)
        if hook is not None:
            function = with_session(function, hook)
        return function if command.checks is None else checked(function, command.checks)

    def keeper(self) -> Keeper:
        """The sessions of the lane."""
        return Keeper(self.subject, self.driver.complete)

    def _hook(self, name: str, arguments: Any) -> None:
        hook: Callable[..., Any] | None = getattr(self.subject, name, None)
        if hook is not None:
            self.driver.complete(hook(**arguments))
