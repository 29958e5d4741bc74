"""Running what a command returned instead of a value: coroutines and generators; must not know connections."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Coroutine, Generator
from typing import Any, Callable

from ._api import Cancelled
from ._cancel import Gate

LAZY = (Generator, Coroutine, AsyncGenerator)

_ENDS_LOOPS = (KeyboardInterrupt, SystemExit)
"""What asyncio lets through from any task, whichever task the loop runs for."""


class Driver:
    """One lane's event loop, made when the first coroutine needs it."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._loop: Any = None

    def complete(self, result: Any) -> Any:
        """Run a lazy result to its end; other values are returned as they are."""
        if isinstance(result, Generator):
            return list(result)
        if isinstance(result, Coroutine):
            return self.run(result)
        if isinstance(result, AsyncGenerator):
            return self.run(_collect(result))
        return result

    def run(self, coroutine: Any) -> Any:
        """Run a coroutine. It is cancelled as asyncio does it, not by an exception out of the blue."""
        gate = self._gate
        ident = gate.running
        try:
            # An exception raised in the event loop's own code would leave it in pieces.
            gate._disarm()
            loop = self._loop or self._make_loop()
            task = loop.create_task(coroutine)
        except BaseException:
            coroutine.close()
            raise

        interruption = _Interruption(task)

        def cancel() -> None:
            loop.call_soon_threadsafe(interruption.deliver)

        gate.task = (ident, cancel)
        try:
            if ident and gate.is_requested(ident) and gate.raised != ident:
                gate.raised = ident
                interruption.deliver()
            return self._run_out(loop, task, interruption)
        finally:
            gate.task = None
            if not task.done():
                self._loop = None  # user code broke it: what is left in there must not go on during another call
                if not loop.is_running():
                    loop.close()
            elif not task.cancelled():
                task.exception()  # seen, or asyncio logs an interruption as an exception nobody looked at

    def _run_out(self, loop: Any, task: Any, interruption: _Interruption) -> Any:
        """Run the loop until the task is done, also if a subtask ends the loop: the next call goes on with it."""
        gate = self._gate
        ident = gate.running
        first: BaseException | None = None
        while True:
            try:
                return loop.run_until_complete(task)
            except _ENDS_LOOPS as error:
                if task.done() and not task.cancelled() and isinstance(task.exception(), _ENDS_LOOPS):
                    raise
                # Once more even if done: asyncio's order to stop may still be in the loop, for the next call to obey.
                # Whoever awaits the subtask gets the exception too. The interruption of an earlier call, passed on by a
                # task which that call left behind, is no concern of this one.
                if not isinstance(error, Cancelled) or (ident and gate.is_cancelled(ident)):
                    first = first or error
                    interruption.deliver()
            except BaseException:
                if first is not None and task.cancelled():
                    raise first from None
                raise

    def step(self, result: Any) -> Callable[[], Any] | None:
        """How to get the next item of a lazy sequence; it raises `StopIteration` or
        `Exhausted` at the end. None for a value."""
        if isinstance(result, Generator):
            return result.__next__
        if isinstance(result, AsyncGenerator):
            return lambda: self.run(_next(result))
        return None

    def close(self, result: Any) -> None:
        """Let an abandoned sequence clean up, in peace: it was interrupted already."""
        self._gate.raised = self._gate.running
        try:
            if isinstance(result, Generator):
                result.close()
            elif isinstance(result, AsyncGenerator):
                self.run(result.aclose())
        except BaseException:
            pass  # its caller has the first error already

    def recover(self) -> None:
        """Undo what an interruption can leave behind: a loop of user code that asyncio believes to be running."""
        forget = getattr(sys.modules.get("asyncio"), "_set_running_loop", None)
        if forget is not None:
            forget(None)

    def dispose(self) -> None:
        """Close the event loop, when there are no more calls. Workers need not: they leave."""
        if self._loop is not None:
            self._loop.close()
            self._loop = None

    def _make_loop(self) -> Any:
        import asyncio

        self._loop = asyncio.new_event_loop()
        return self._loop


class _Interruption:
    """Cancels a task, once: what it does to clean up is left in peace. On the thread of its loop."""

    def __init__(self, task: Any) -> None:
        self._task = task
        self._is_delivered = False

    def deliver(self) -> None:
        if not self._is_delivered:
            self._is_delivered = True
            self._task.cancel()


class Exhausted(Exception):
    """The end of an asynchronous generator: a coroutine cannot raise StopIteration."""


async def _collect(items: Any) -> Any:
    return [item async for item in items]


async def _next(items: Any) -> Any:
    try:
        return await items.__anext__()
    except StopAsyncIteration:
        raise Exhausted from None
