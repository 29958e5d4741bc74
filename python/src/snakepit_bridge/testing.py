"""Unit tests of adapters without a host: `with load("adapter.py") as adapter: adapter.call("greet", "Ada")`.

The adapter runs in this process, on a lane as workers have them: arguments are checked and converted as they are there,
results have to be values that can be carried, `initialize` and `cleanup` run, and a deadline interrupts.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from types import ModuleType
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Union, final

from . import _telemetry
from ._adapter import Adapter, present
from ._adapter import load as _load
from ._commands import pick_class
from ._order import AdapterError
from ._rehearsal import Refused, Rehearsal, Terms
from ._wire import DEFAULT_MAX_FRAME

__all__ = ["Caller", "Event", "LoadError", "LoadedAdapter", "Refused", "fixture", "load"]

Source = Union[str, "os.PathLike[str]", type, ModuleType]


class LoadError(Exception):
    """The adapter cannot be used: it does not import, or offers no command. The message says where and why."""


class Event(NamedTuple):
    """What was told by `telemetry.emit`, or by the beginning or end of a span."""

    name: str
    measurements: Mapping[str, float]
    metadata: Mapping[str, Any]
    call: int
    span: Mapping[str, str] | None


class Caller:
    """Calls commands. Keyword arguments that are iterators are inputs, which the command reads as they come."""

    def __init__(self, rehearsal: Rehearsal, terms: Terms) -> None:
        self._rehearsal = rehearsal
        self._terms = terms

    def call(self, command: str, /, *args: Any, **kwargs: Any) -> Any:
        """What a command returns. Raises what it raises, or `Refused` when a host would be refused."""
        return self._rehearsal.call(self._terms, command, args, kwargs)

    def stream(self, command: str, /, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """What a command yields, when it does. The call is made with the first item; closing the iterator ends it."""
        return self._rehearsal.stream(self._terms, command, args, kwargs)


@final
class LoadedAdapter(Caller):
    """An adapter that was set up. One call at a time; a context manager that cleans up."""

    def __init__(self, rehearsal: Rehearsal, commands: list[str], stage: _Stage) -> None:
        super().__init__(rehearsal, Terms())
        self.commands = commands
        """The names of its commands."""
        self._stage = stage

    @property
    def events(self) -> list[Event]:
        """What it told by telemetry so far."""
        return self._stage.events

    @property
    def logs(self) -> list[logging.LogRecord]:
        """What was logged so far, at INFO and above."""
        return self._stage.records

    def given(
        self,
        *,
        session: str | None = None,
        timeout: float | None = None,
        traceparent: str | None = None,
        left: bytes | None = None,
    ) -> Caller:
        """To call as a caller does who has a session, waits for `timeout` seconds only, or traces its calls.

        `left` is what the session left on another worker, for the adapter's `load_session`.
        """
        return Caller(self._rehearsal, Terms(session, timeout, traceparent, left))

    def left(self, session: str) -> bytes | None:
        """What the adapter's `save_session` last gave for a session, which a host keeps for the next worker."""
        return self._rehearsal.left.get(session)

    def end_session(self, session: str) -> None:
        """Let the adapter hear that a session has ended, as it does of all that are left when it is closed."""
        self._rehearsal.end_session(session)

    def close(self) -> None:
        """Clean up. What the module's `cleanup` raises is raised; that of a class is shown, as workers do."""
        try:
            self._rehearsal.close()
        finally:
            self._stage.leave()

    def __enter__(self) -> LoadedAdapter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def load(
    adapter: Source,
    arguments: Mapping[str, Any] | None = None,
    *,
    tools: Mapping[str, Callable[..., Any]] | None = None,
    max_payload: int = DEFAULT_MAX_FRAME,
) -> LoadedAdapter:
    """Load and set up an adapter: a path or a module's name as in a configuration, a class, or a module.

    `arguments` are its `adapter_args`. `tools` are functions that stand for the host's tools; they run on the thread of
    the test. Raises `LoadError`, or what setting up raised.
    """
    spec = _spec(adapter)
    stage = _Stage(spec)
    try:
        try:
            loaded = _loaded(adapter, spec, arguments or {})
        except AdapterError as error:
            raise LoadError(_explained(error.error)) from None
        rehearsal = stage.rehearsal = Rehearsal(loaded, tools or {}, max_payload)
    except BaseException:
        stage.leave()
        raise
    return LoadedAdapter(rehearsal, [command.name for command in loaded.commands], stage)


def fixture(
    adapter: Source, arguments: Mapping[str, Any] | None = None, *, scope: Any = "function", **more: Any
) -> Any:
    """A pytest fixture that is the loaded adapter: `greeter = fixture("greeter.py")`. Arguments as for `load`."""
    import pytest

    @pytest.fixture(scope=scope)
    def loaded() -> Iterator[LoadedAdapter]:
        with load(adapter, arguments, **more) as result:
            yield result

    return loaded


class _Stage:
    """What a test sees of an adapter besides its answers, and where the adapter's own folder is on the path."""

    def __init__(self, spec: str) -> None:
        self.events: list[Event] = []
        self.records: list[logging.LogRecord] = []
        self.rehearsal: Rehearsal | None = None
        """None while the adapter is set up."""
        _HEARING.enter(self)
        self._handler = _Recorder(self.records)
        root = logging.getLogger()
        self._level = root.level
        root.setLevel(min(root.level, logging.INFO))
        root.addHandler(self._handler)
        location = spec.rpartition(":")[0] or spec
        self._folder = os.path.dirname(os.path.abspath(location)) if location.endswith(".py") else None
        if self._folder is not None:
            sys.path.insert(0, self._folder)

    def leave(self) -> None:
        """Undo all of it."""
        _HEARING.leave(self)
        root = logging.getLogger()
        root.removeHandler(self._handler)
        root.setLevel(self._level)
        if self._folder is not None and self._folder in sys.path:
            sys.path.remove(self._folder)

    def hear(self, body: bytes, call: int) -> None:
        """Keep an event."""
        told = json.loads(body)
        numbers = {key: float(value) for key, value in told["measurements"].items()}
        self.events.append(Event(told["name"], numbers, told["metadata"], call, told.get("span")))


class _Hearing:
    """Brings events to the adapter that tells them: several may be loaded."""

    def __init__(self) -> None:
        self._stages: list[_Stage] = []
        self._before: _telemetry.Sink | None = None

    def enter(self, stage: _Stage) -> None:
        if not self._stages:
            self._before, _telemetry.ROUTE.sink = _telemetry.ROUTE.sink, self._hear
        self._stages.append(stage)

    def leave(self, stage: _Stage) -> None:
        self._stages.remove(stage)
        if not self._stages:
            _telemetry.ROUTE.sink = self._before

    def _hear(self, body: bytes, call: int) -> bool:
        stages = list(self._stages)
        # What nobody owns is told by whoever is being set up, or by a thread of somebody's: the latest is likeliest.
        told_by = (each for each in stages if each.rehearsal is not None and each.rehearsal.is_told_by(call))
        stage = next(told_by, stages[-1] if stages else None)
        if stage is not None:
            stage.hear(body, call)
        return stage is not None


_HEARING = _Hearing()


class _Recorder(logging.Handler):
    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)


def _spec(adapter: Source) -> str:
    if isinstance(adapter, type):
        return "%s:%s" % (adapter.__module__, adapter.__qualname__)
    if isinstance(adapter, ModuleType):
        return adapter.__name__
    return os.fspath(adapter)


def _loaded(adapter: Source, spec: str, arguments: Mapping[str, Any]) -> Adapter:
    if isinstance(adapter, type):
        # By itself: no spec leads to a class within another one, or within a function.
        name = adapter.__module__
        return present(sys.modules.get(name, ModuleType(name)), adapter, name, arguments)
    if isinstance(adapter, ModuleType):
        return present(adapter, pick_class(adapter), spec, arguments)
    return _load(spec, (), arguments)


def _explained(error: Mapping[str, Any]) -> str:
    lines = [error["message"]]
    if error.get("type"):
        lines[0] = "%s: %s" % (error["type"], lines[0])
    lines.extend("  %(file)s:%(line)d in %(function)s: %(text)s" % frame for frame in error.get("frames", ()))
    if error.get("hint"):
        lines.append("hint: %s" % error["hint"])
    return "\n".join(lines)
