"""Functions with something around each of their runs, of the same kind as before; must not know what that is."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Callable, ContextManager


def around(function: Callable[..., Any], manager: Callable[[Any], ContextManager[Any]]) -> Callable[..., Any]:
    """`function` inside `with manager(its positional arguments)`, for as long as it runs.

    A generator runs from its first item to its last, a coroutine until it returns.
    """
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            with manager(args):
                return (yield from function(*args, **kwargs))

        return generator
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with manager(args):
                return await function(*args, **kwargs)

        return coroutine
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def items(*args: Any, **kwargs: Any) -> Any:
            with manager(args):
                inner = function(*args, **kwargs)
                try:
                    async for item in inner:
                        yield item
                finally:
                    await inner.aclose()

        return items

    @functools.wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        with manager(args):
            return function(*args, **kwargs)

    return plain


class _Nothing:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


NOTHING: ContextManager[Any] = _Nothing()
"""What to have around a function that is to run as it is."""
