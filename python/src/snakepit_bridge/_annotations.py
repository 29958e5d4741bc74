"""Annotations as objects, each resolved by itself; must not know what they mean.

Resolving one at a time, unlike `typing.get_type_hints`, lets one name that is imported for type checkers only, or a
syntax newer than the interpreter, cost the check of that one parameter rather than of all.
"""

from __future__ import annotations

import inspect
import sys
import typing
from typing import Any, Callable, Mapping


class UNRESOLVED:
    """Stands for an annotation that cannot be resolved: everything fits it."""


class Scope:
    """Where the names of annotations are looked up."""

    def __init__(self, space: Mapping[str, Any], inner: Mapping[str, Any]) -> None:
        self._space = dict(space)
        self._inner = inner

    def resolve(self, annotation: Any) -> Any:
        """The object that text or a forward reference stands for; others as they are. Never raises."""
        for _ in range(8):  # text may stand for text
            if isinstance(annotation, typing.ForwardRef):
                annotation = annotation.__forward_arg__
            if not isinstance(annotation, str):
                return annotation
            try:
                annotation = eval(annotation, self._space, dict(self._inner))
            except Exception:
                return UNRESOLVED
        return UNRESOLVED


def of_function(function: Callable[..., Any], owner: Any) -> tuple[dict[str, Any], Scope]:
    """The annotations of a function, by parameter, and where names within them are looked up."""
    function = getattr(function, "__func__", function)
    # As `inspect.signature` goes: a decorator that says what it takes is believed, and is not looked behind.
    shown = inspect.unwrap(function, stop=lambda each: hasattr(each, "__signature__"))
    function = _callee(inspect.unwrap(function))
    inner = dict(vars(owner)) if isinstance(owner, type) else {}
    inner.update((each.__name__, each) for each in getattr(function, "__type_params__", ()))
    scope = Scope(getattr(function, "__globals__", {}), inner)
    signature = getattr(shown, "__signature__", None)
    if isinstance(signature, inspect.Signature):
        raw = {
            each.name: each.annotation for each in signature.parameters.values() if each.annotation is not each.empty
        }
    else:
        raw = _raw(function)
    return {name: scope.resolve(each) for name, each in raw.items()}, scope


def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    """The signature, its annotations as written rather than as evaluated. None if there is none to be found."""
    try:
        if sys.version_info >= (3, 14):
            import annotationlib

            return inspect.signature(function, annotation_format=annotationlib.Format.STRING)
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def of_class(cls: type) -> tuple[dict[str, Any], Scope]:
    """The annotations of a class and its bases, by field, and where names within them are looked up."""
    found: dict[str, Any] = {}
    scope = Scope({}, {})
    for base in reversed(cls.__mro__):
        module = sys.modules.get(base.__module__)
        inner = dict(vars(base))
        inner.setdefault(base.__name__, base)
        inner.update((each.__name__, each) for each in getattr(base, "__type_params__", ()))
        scope = Scope({} if module is None else vars(module), inner)
        found.update((name, scope.resolve(each)) for name, each in _raw(base).items())
    return found, scope


def _callee(function: Any) -> Any:
    """The function behind an object that can be called. What its class annotates are its fields, not its parameters."""
    if inspect.isroutine(function) or isinstance(function, type):
        return function
    return inspect.unwrap(type(function).__call__)


def _raw(subject: Any) -> dict[str, Any]:
    try:
        if sys.version_info >= (3, 14):
            import annotationlib

            return annotationlib.get_annotations(subject, format=annotationlib.Format.FORWARDREF)
        own = vars(subject).get("__annotations__") if isinstance(subject, type) else subject.__annotations__
        return dict(own or {})
    except Exception:  # a builtin, or annotations that raise when they are evaluated
        return {}
