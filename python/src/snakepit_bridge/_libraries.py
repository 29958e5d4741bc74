"""Libraries whose objects no two threads may use at once, and how to see that they do; must not know who asks.

What is known about libraries in general is not here but in the compatibility matrix; this is what can be observed.
"""

from __future__ import annotations

import os
import sys
from functools import wraps
from types import FunctionType, ModuleType
from typing import Any, Callable, NamedTuple, Sequence

from ._watch import Manage, Patches, watched


def _first(args: Any) -> Any:
    return args[0]


def _frame_of_indexer(args: Any) -> Any:
    return args[0].obj


def _connection_of_cursor(args: Any) -> Any:
    return args[0].connection


class Methods(NamedTuple):
    """Methods of a class of a library."""

    owner: str
    """Where it is, below the module."""
    writes: Sequence[str]
    reads: Sequence[str] = ()
    subject: Callable[[Any], Any] = _first
    """The object in question, from the arguments."""


class Library(NamedTuple):
    """A library, what is wrong with sharing it, and what to do instead."""

    reason: str
    advice: str
    methods: Sequence[Methods] = ()
    functions: bool = False
    """Whether all public functions of the module work on one thing that the module keeps."""


_FRAME = Methods(
    "",
    writes=("__delitem__", "__setitem__", "insert", "pop", "update"),
    reads=("__getitem__", "apply", "groupby", "merge", "sort_values", "to_csv", "to_dict", "to_numpy"),
)

LIBRARIES = {
    "matplotlib.pyplot": Library(
        "pyplot has one current figure for all threads",
        "use `matplotlib.figure.Figure`, one for each call, or worker_profile: process",
        functions=True,
    ),
    "pandas": Library(
        "a frame must not change while another thread uses it",
        "give each lane frames of its own, or copy before changing",
        [
            _FRAME._replace(owner="DataFrame"),
            _FRAME._replace(owner="Series"),
            Methods("core.indexing._LocationIndexer", ("__setitem__",), ("__getitem__",), _frame_of_indexer),
        ],
    ),
    "requests": Library(
        "a Session is for one thread",
        "keep a Session for each lane, made in `initialize`",
        [Methods("Session", ("mount", "send"))],
    ),
    "sqlite3": Library(
        "a connection has one transaction, whoever uses it",
        "open a connection for each lane in `initialize`",
    ),
}
"""By the module whose import brings in what is to be watched."""

_CONNECTION = ("commit", "execute", "executemany", "executescript", "rollback")
_PLACE_OF_FACTORY = 6
_CURSOR = ("execute", "executemany", "executescript", "fetchall", "fetchmany", "fetchone")


class Libraries:
    """Watches those that are imported, and those that will be, when they are."""

    def __init__(self, manage: Manage) -> None:
        self._manage = manage
        self._patches = Patches()
        self._loading: set[str] = set()
        self.watched: list[str] = []
        """Those that are watched by now."""

    def start(self) -> None:
        """Begin."""
        # First, so that none is missed that another thread imports now.
        sys.meta_path.insert(0, self)
        for name in LIBRARIES:
            module = sys.modules.get(name)
            if module is not None:
                self._watch(name, module)

    def stop(self) -> None:
        """Have everything as it was."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        self._patches.undo()
        self.watched.clear()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Find a listed module as others do, and look at it once it is loaded. For the import system."""
        if name not in LIBRARIES or name in self._loading:
            return None
        self._loading.add(name)
        try:
            finders = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
            specs = (finder.find_spec(name, path, target) for finder in finders)
            spec: Any = next(filter(None, specs), None)
        finally:
            self._loading.discard(name)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader, lambda module: self._watch(name, module))
        return spec

    def _watch(self, name: str, module: ModuleType) -> None:
        if name in self.watched:
            return
        self.watched.append(name)
        library = LIBRARIES[name]
        home = os.path.join(os.path.dirname(str(module.__file__)), "")
        if library.functions:
            for key, value in list(vars(module).items()):
                if isinstance(value, FunctionType) and value.__module__ == name and not key.startswith("_"):
                    what = "%s.%s" % (name, key)
                    self._patches.put(module, key, watched(value, self._manage, what, lambda _: module, home=home))
        for methods in library.methods:
            owner: Any = module
            for part in methods.owner.split("."):
                owner = getattr(owner, part, None)
            for key in (*methods.writes, *methods.reads):
                function = getattr(owner, key, None)
                if isinstance(function, FunctionType):
                    what = "%s.%s.%s" % (name, methods.owner, key)
                    reads = key in methods.reads
                    self._patches.put(owner, key, watched(function, self._manage, what, methods.subject, reads, home))
        if name == "sqlite3":
            self._patches.put(module, "connect", _connect(module, self._manage))


def _connect(module: Any, manage: Manage) -> Callable[..., Any]:
    """Connections are written in C: those made from now on are of a class that can be watched."""
    original = module.connect
    connection_class = _derived(module.Connection, _CONNECTION, manage, _first)
    cursor_class = _derived(module.Cursor, _CURSOR, manage, _connection_of_cursor)

    def cursor(connection: Any, factory: Any = cursor_class) -> Any:
        return module.Connection.cursor(connection, factory)

    connection_class.cursor = cursor

    @wraps(original)
    def connect(*args: Any, **kwargs: Any) -> Any:
        if len(args) < _PLACE_OF_FACTORY:
            kwargs.setdefault("factory", connection_class)
        return original(*args, **kwargs)

    return connect


def _derived(base: Any, names: Sequence[str], manage: Manage, subject: Callable[[Any], Any]) -> Any:
    space: dict[str, Any] = {"__module__": base.__module__}
    for name in names:
        space[name] = watched(getattr(base, name), manage, "sqlite3.%s.%s" % (base.__name__, name), subject)
    return type(base.__name__, (base,), space)


class _Loader:
    def __init__(self, loader: Any, loaded: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._loaded = loaded

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # Others look at the loader, for resources and source lines.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._loaded(module)
