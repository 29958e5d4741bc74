"""What an annotation asks for: a check and a JSON Schema; must not know functions or calls.

What is not understood is not checked: a class of the adapter's own, a protocol, a type variable.
"""

from __future__ import annotations

import collections.abc as abc
import enum
import inspect
import sys
import types
import typing
from dataclasses import InitVar
from typing import Any, Sequence

from . import _kinds_container as container
from . import _kinds_record as record
from ._annotations import UNRESOLVED, Scope, of_class, signature_of
from ._kinds_plain import ANYTHING, Kind, Schema, array, plain
from ._mismatch import with_article

_NO_TEXT = (str, bytes, dict, int, float)
_SEQUENCES: dict[Any, tuple[str, Any]] = {
    abc.Sequence: ("a sequence", (set, frozenset, dict, int, float)),
    abc.MutableSequence: ("a mutable sequence", (tuple, set, frozenset, *_NO_TEXT)),
    abc.Collection: ("a collection", (int, float)),
    abc.Iterable: ("an iterable", (int, float)),
}
_SETS: dict[Any, tuple[Any, ...]] = {
    set: (set,),
    frozenset: (frozenset,),
    abc.Set: (set, frozenset),
    abc.MutableSet: (set,),
}
"""Which sets are taken as they are; others become the first."""
_MAPS = (dict, abc.Mapping, abc.MutableMapping)
_UNIONS = (typing.Union, getattr(types, "UnionType", typing.Union))
_TRANSPARENT = ("Required", "NotRequired", "ReadOnly", "Final", "ClassVar")


class Kinds:
    """Reads annotations; what their records need beside them is collected in `definitions`."""

    def __init__(self) -> None:
        self.definitions: Schema = {}
        """JSON Schemas of records by name, for `$defs`."""
        self._records: dict[Any, Kind] = {}

    def of(self, annotation: Any, scope: Scope) -> Kind:
        """The kind of an annotation. Never raises."""
        try:
            return self._of(annotation, scope)
        except Exception:  # classes with metaclasses of their own may do anything
            return ANYTHING

    def _of(self, annotation: Any, scope: Scope) -> Kind:
        annotation = scope.resolve(annotation)
        if annotation is None:
            annotation = type(None)
        origin = typing.get_origin(annotation)
        if getattr(annotation, "__unpacked__", False):  # *args: *tuple[int, ...]
            args = typing.get_args(annotation)
            return self._of(args[0], scope) if args[1:] == (Ellipsis,) else ANYTHING
        if hasattr(annotation, "__metadata__"):  # Annotated
            return self._of(annotation.__origin__, scope)
        if hasattr(annotation, "__supertype__"):  # NewType
            return self._of(annotation.__supertype__, scope)
        if type(annotation).__name__ == "TypeAliasType" and origin is None:  # type X = ...
            return self._alias(annotation, scope)
        if isinstance(annotation, InitVar):
            return self._of(annotation.type, scope)
        if origin is None:
            return self._of_class(annotation) if isinstance(annotation, type) else self._bare(annotation, scope)
        return self._generic(annotation, origin, typing.get_args(annotation), scope)

    def _alias(self, annotation: Any, scope: Scope) -> Kind:
        known = self._records.get(annotation)
        if known is not None:
            return known
        self._records[annotation] = ANYTHING  # an alias may contain itself
        kind = self._of(annotation.__value__, scope)
        self._records[annotation] = kind
        return kind

    def _bare(self, annotation: Any, scope: Scope) -> Kind:
        """`typing.List` and the like, without arguments."""
        origin = getattr(annotation, "__origin__", None)
        return self._generic(annotation, origin, (), scope) if isinstance(origin, type) else ANYTHING

    def _generic(self, annotation: Any, origin: Any, args: Sequence[Any], scope: Scope) -> Kind:
        if origin in _UNIONS:
            return container.union([self._of(each, scope) for each in args])
        if origin is typing.Literal or _is_special(origin, "Literal"):
            return record.literal(list(args))
        if any(_is_special(origin, name) for name in _TRANSPARENT):
            return self._of(args[0], scope) if args else ANYTHING
        if _is_array(origin):
            dtypes = typing.get_args(args[1]) if len(args) == 2 else ()
            return array(dtypes[0] if dtypes and isinstance(dtypes[0], type) else None)
        if not isinstance(origin, type):
            return ANYTHING
        return self._contained(origin, args, scope) or self._of_class(origin)

    def _contained(self, origin: Any, args: Sequence[Any], scope: Scope) -> Kind | None:
        if any(isinstance(each, typing.TypeVar) for each in args):
            args = [Any if isinstance(each, typing.TypeVar) else each for each in args]
        item = self._of(args[0], scope) if len(args) == 1 else ANYTHING
        if origin is list:
            return container.listed(item)
        if origin is tuple:
            return self._tuple(args, scope)
        if origin in _SETS:
            return container.unordered(_SETS[origin], item)
        if origin in _MAPS:
            key, value = (self._of(each, scope) for each in args) if len(args) == 2 else (ANYTHING, ANYTHING)
            return container.mapping(key, value)
        if origin in _SEQUENCES:
            expected, refused = _SEQUENCES[origin]
            return container.iterable(expected, item, refused)
        return None

    def _tuple(self, args: Sequence[Any], scope: Scope) -> Kind:
        if not args:
            return container.any_tuple(ANYTHING)
        if len(args) == 2 and args[1] is Ellipsis:
            return container.any_tuple(self._of(args[0], scope))
        args = [each for given in args if given != () for each in _unpacked(given)]
        kinds = [ANYTHING if each is Ellipsis else self._of(each, scope) for each in args]
        if Ellipsis not in args:
            return container.fixed_tuple(kinds)
        end = args.index(Ellipsis)
        return container.open_tuple(kinds[: end - 1], kinds[end - 1], kinds[end + 1 :])

    def _of_class(self, cls: Any) -> Kind:
        known = plain(cls) or self._contained(cls, (), Scope({}, {}))
        if known is not None:
            return known
        if _is_array(cls):
            return array()
        if issubclass(cls, enum.Enum):
            return record.enumeration(cls)
        if _is_model(cls) or hasattr(cls, "__dataclass_fields__") or hasattr(cls, "__total__") or _is_named_tuple(cls):
            return self._record(cls)
        return ANYTHING

    def _record(self, cls: Any) -> Kind:
        known = self._records.get(cls)
        if known is not None:
            return known
        if _is_model(cls):
            schema = record.model_schema(cls, self.definitions)
            name = self._define(cls.__name__, schema)
            self._records[cls] = Kind(with_article(cls.__name__), record.model(cls), {"$ref": "#/$defs/" + name})
            return self._records[cls]
        name = self._define(cls.__name__, {"$comment": "%s.%s" % (cls.__module__, cls.__qualname__)})
        later: list[Any] = []  # a record may contain itself: its check is not there yet
        kind = Kind(with_article(name), lambda value: later[0](value), {"$ref": "#/$defs/" + name})
        self._records[cls] = kind
        try:
            check, schema = self._described(cls)
        except Exception:
            self.definitions[name], self._records[cls] = {}, ANYTHING
            return ANYTHING
        later.append(check)
        self.definitions[name] = schema
        self._records[cls] = kind = kind._replace(check=check)
        return kind

    def _define(self, name: str, schema: Schema) -> str:
        """Under which name the schema is found: one model may have defined another already."""
        while self.definitions.get(name, schema) != schema:
            name += "_"
        self.definitions[name] = schema
        return name

    def _described(self, cls: Any) -> tuple[Any, Schema]:
        annotations, scope = of_class(cls)

        def field(name: str, required: bool) -> record.Field:
            return record.Field(name, self.of(annotations.get(name, Any), scope), required)

        def with_default(name: str, default: Any) -> record.Field:
            part = field(name, default is inspect.Parameter.empty)
            return part._replace(kind=container.or_none(part.kind)) if default is None else part

        if hasattr(cls, "__total__"):
            # Python 3.8 does not keep which keys a base says are optional: nothing is known to be required.
            required = getattr(cls, "__required_keys__", ())
            keys = [field(name, _is_required(each, scope, name in required)) for name, each in annotations.items()]
            return record.typed_dict(cls, keys), record.object_schema(keys, closed=False)
        if _is_named_tuple(cls):
            named = [with_default(name, cls._field_defaults.get(name, inspect.Parameter.empty)) for name in cls._fields]
            return record.named_tuple(cls, named), record.object_schema(named, closed=True)
        parts = [with_default(name, default) for name, default in _arguments(cls)]
        return record.built(cls, parts), record.object_schema(parts, closed=True)


def _arguments(cls: Any) -> list[tuple[str, Any]]:
    """What a dataclass is made of, `InitVar`s included, and the default of each, or `Parameter.empty`."""
    signature = signature_of(cls)
    parameters = [] if signature is None else list(signature.parameters.values())
    if signature is None or any(
        each.kind not in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY) for each in parameters
    ):
        raise TypeError("%r has an __init__ of its own that says nothing of its fields" % cls)
    return [(each.name, each.default) for each in parameters]


def _is_required(annotation: Any, scope: Scope, otherwise: bool) -> bool:
    """Whether a key has to be there: as its annotation says, if it does; `__required_keys__` knows no text."""
    for _ in range(8):  # Annotated and ReadOnly may stand around it
        annotation = scope.resolve(annotation)
        origin = typing.get_origin(annotation)
        if annotation is UNRESOLVED:
            return False
        if hasattr(annotation, "__metadata__"):
            annotation = annotation.__origin__
        elif _is_special(origin, "Required") or _is_special(origin, "NotRequired"):
            return _is_special(origin, "Required")
        elif _is_special(origin, "ReadOnly"):
            annotation = typing.get_args(annotation)[0]
        else:
            break
    return otherwise


def _unpacked(item: Any) -> Sequence[Any]:
    """What an item of a tuple's annotation stands for: `*tuple[str, ...]` for `str, ...`, others for themselves."""
    is_unpack = _is_special(typing.get_origin(item), "Unpack")
    inner = typing.get_args(item)[0] if is_unpack else item
    if is_unpack and typing.get_origin(inner) is not tuple:  # a TypeVarTuple
        return (Any, Ellipsis)
    if is_unpack or getattr(item, "__unpacked__", False):
        return [each for given in typing.get_args(inner) for each in _unpacked(given)]
    return (item,)


def _is_special(origin: Any, name: str) -> bool:
    """Whether it is a special form of `typing`, or of `typing_extensions` on an older Python."""
    return getattr(origin, "_name", None) == name and not isinstance(origin, type)


def _is_array(cls: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and cls is getattr(numpy, "ndarray", None)


def _is_named_tuple(cls: Any) -> bool:
    return issubclass(cls, tuple) and hasattr(cls, "_fields") and hasattr(cls, "_field_defaults")


def _is_model(cls: Any) -> bool:
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(cls, pydantic.BaseModel)
