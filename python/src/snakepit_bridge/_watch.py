"""Has the methods of classes say when they are used, and takes that back; must not know who listens."""

from __future__ import annotations

from inspect import unwrap
from types import FunctionType
from typing import Any, Callable, Collection, ContextManager, Iterator

from ._around import NOTHING, around
from ._traces import is_own
from .base_adapter_threaded import READ_ONLY_MARK

Manage = Callable[[Any, str, bool, Any, str], ContextManager[Any]]
"""What is to be around a use: of the object, what is used of it, whether that only reads, the function, and the folder
of the library it belongs to, if any."""

_READ = frozenset(("__getitem__", "__contains__", "__iter__", "__len__"))
_WRITTEN = frozenset(("__call__", "__setitem__", "__delitem__"))
_LOCKS = frozenset(("acquire", "condition", "lock", "locks", "mutex", "rlock", "semaphore"))
_BELIEVED = frozenset(("concurrent", "logging", "multiprocessing", "queue", "threading"))
"""Modules of the standard library that are for several threads, whose locks have names of their own."""
_ABSENT = object()


class Patches:
    """Attributes that were replaced, in the order that has them as they were."""

    def __init__(self) -> None:
        self._replaced: list[tuple[Any, str, Any]] = []

    def put(self, owner: Any, name: str, value: Any) -> None:
        """Replace an attribute of a class or module. What cannot be changed stays as it is."""
        previous = vars(owner).get(name, _ABSENT)
        try:
            setattr(owner, name, value)
        except (AttributeError, TypeError):
            return
        self._replaced.append((owner, name, previous))

    def undo(self) -> None:
        """Take all of it back."""
        while self._replaced:
            owner, name, previous = self._replaced.pop()
            if previous is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, previous)


class Watcher:
    """Wraps methods where they are defined, so that inherited ones and references to the class count as well."""

    def __init__(self, manage: Manage) -> None:
        self._manage = manage
        self._patches = Patches()
        self._wrapped: set[type] = set()
        self._classes: set[type] = set()
        """Of which the uses of all objects count."""
        self._objects: dict[int, tuple[Any, frozenset[str]]] = {}
        """Single objects by id, kept so that no other gets that id, and which of their methods only read."""

    @property
    def names(self) -> list[str]:
        """The classes whose methods are wrapped."""
        return sorted("%s.%s" % (owner.__module__, owner.__qualname__) for owner in self._wrapped)

    def watch_class(self, owner: type) -> None:
        """Watch all objects of a class."""
        self._wrap(owner)
        self._classes.update(owner.__mro__[:-1])

    def watch_object(self, subject: Any, read_only: bool | Collection[str] = False) -> None:
        """Watch one object, unless all its methods are said to be `read_only`."""
        if read_only is not True:
            self._wrap(type(subject))
            self._objects[id(subject)] = (subject, frozenset(read_only or ()))

    def stop(self) -> None:
        """Have everything as it was."""
        self._patches.undo()
        for kept in (self._wrapped, self._classes, self._objects):
            kept.clear()

    def _wrap(self, subject: type) -> None:
        for owner in subject.__mro__[:-1]:
            if owner not in self._wrapped and owner.__module__.partition(".")[0] not in _BELIEVED:
                self._wrapped.add(owner)
                for name, function in list(own_methods(owner)):
                    self._patches.put(owner, name, self._watched(owner, name, function))

    def _watched(self, owner: type, name: str, function: Any) -> Any:
        manage, classes, objects = self._manage, self._classes, self._objects
        what = "%s.%s" % (owner.__qualname__, name)
        origin = unwrap(function)
        only_reads = name in _READ or getattr(function, READ_ONLY_MARK, False) is True

        def manager(args: Any) -> ContextManager[Any]:
            subject = args[0]
            _, names = objects.get(id(subject), _UNKNOWN)
            if names is None and owner not in classes:
                return NOTHING
            return manage(subject, what, only_reads or (names is not None and name in names), origin, "")

        return around(function, manager)


def watched(
    function: Any, manage: Manage, what: str, subject: Callable[[Any], Any], reads: bool = False, home: str = ""
) -> Callable[..., Any]:
    """A function with each of its uses seen, of the object that `subject` finds in its arguments."""
    origin = unwrap(function)
    return around(function, lambda args: manage(subject(args), what, reads, origin, home))


_UNKNOWN = (None, None)


def own_methods(owner: type) -> Iterator[tuple[str, Any]]:
    """The methods a class defines whose uses count.

    Private ones are used by public ones. One that is declared `@thread_safe_method`, or visibly uses a lock, is
    believed.
    """
    for name, value in vars(owner).items():
        is_public = not name.startswith("_") or name in _READ or name in _WRITTEN
        if is_public and isinstance(value, FunctionType) and not takes_care(value):
            yield name, value


def takes_care(function: Any) -> bool:
    """Whether a function says, or seems, to be safe between threads, or is the runtime's own."""
    if getattr(function, "__thread_safe__", None) is True:
        return True
    code = getattr(unwrap(function), "__code__", None)
    if code is None or is_own(code.co_filename):
        return code is not None
    names = (*code.co_names, *code.co_freevars, *code.co_varnames)
    return any(not _LOCKS.isdisjoint(name.lower().split("_")) for name in names)
