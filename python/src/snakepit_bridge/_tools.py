"""Tools of the host and streams of input as user code sees them; must not know frames or connections."""

from __future__ import annotations

from functools import partial
from typing import Any

from ._api import Cancelled

END: Any = object()
"""What stands for the end of an input, where its items do."""


class ToolError(Exception):
    """A tool of the host failed, or could not be asked; or the input of the call failed.

    `code` is stable, `retry` is `never`, `now`, `later` or `if_idempotent`, and `hint` says what to do, if anything
    is known. `tool` is None where an input failed.
    """

    def __init__(
        self,
        message: str,
        code: str = "tool.failed",
        tool: str | None = None,
        retry: str = "never",
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.tool = tool
        self.retry = retry
        self.hint = hint
        if hint is not None:
            self.__notes__ = ["hint: %s" % hint]

    def __reduce__(self) -> Any:
        return type(self), (self.message, self.code, self.tool, self.retry, self.hint)


ToolError.__module__ = "snakepit_bridge"


class Host:
    """The host's tools as functions: `context.host.lookup(id=7)`, or `context.host(timeout=2.0).lookup(id=7)`."""

    __slots__ = ("_exchange", "_ident", "_timeout")

    def __init__(self, exchange: Any, ident: int, timeout: float | None = None) -> None:
        self._exchange = exchange
        self._ident = ident
        self._timeout = timeout

    def __call__(self, *, timeout: float | None) -> Host:
        """The same tools, to be waited for no longer than `timeout` seconds. The deadline of the call holds anyway."""
        return Host(self._exchange, self._ident, timeout)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return partial(ask, self, name)


def ask(host: Host, tool: str, /, *args: Any, **kwargs: Any) -> Any:
    """Ask a tool and wait for its answer."""
    return host._exchange.ask(host._ident, tool, args, kwargs, host._timeout)


async def ask_async(host: Host, tool: str, args: Any, kwargs: Any) -> Any:
    """Ask a tool without keeping the event loop waiting."""
    return await _elsewhere(host._exchange.ask, host._ident, tool, args, kwargs, host._timeout)


def tools(host: Host) -> list[dict[str, Any]]:
    """The tools there are: `name`, `doc` and `schema` of each."""
    listed: list[dict[str, Any]] = host._exchange.ask(host._ident, None, (), {}, None)
    return listed


class Items:
    """A stream of the caller's as an argument: an iterator, and an asynchronous one.

    Items are asked of the caller as they are taken, at most 16 ahead. To stop early is fine.
    """

    def __init__(self, exchange: Any, ident: int) -> None:
        self._exchange = exchange
        self._ident = ident

    def __iter__(self) -> Items:
        return self

    def __next__(self) -> Any:
        item = self._exchange.next_item(self._ident)
        if item is END:
            raise StopIteration
        return item

    def __aiter__(self) -> Items:
        return self

    async def __anext__(self) -> Any:
        if self._exchange.has_item():
            item = self._exchange.next_item(self._ident)
        else:
            item = await _elsewhere(self._exchange.next_item, self._ident)
        if item is END:
            raise StopAsyncIteration
        return item

    def __repr__(self) -> str:
        return "<input of call %d>" % self._ident


async def _elsewhere(function: Any, *args: Any) -> Any:
    """Wait on another thread."""
    import asyncio

    loop = asyncio.get_running_loop()
    try:
        return await loop.run_in_executor(None, partial(function, *args))
    except Cancelled:
        # A KeyboardInterrupt would end the loop under all its coroutines.
        raise asyncio.CancelledError from None
