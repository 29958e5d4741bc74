"""Types made of named fields, and enumerations: checked against maps and built from them; must not know annotations."""

from __future__ import annotations

import difflib
import enum
import json
from math import isfinite
from typing import Any, Mapping, NamedTuple, Sequence

from ._kinds_container import at_field, at_index, fit
from ._kinds_plain import Check, Kind, Schema
from ._mismatch import Mismatch, either, not_a, shown, with_article


class Field(NamedTuple):
    """A field of a record."""

    name: str
    kind: Kind
    required: bool


def object_schema(fields: Sequence[Field], closed: bool) -> Schema:
    """The schema of a map with these fields, and no others if it is `closed`."""
    schema: Schema = {"type": "object", "properties": {field.name: field.kind.schema for field in fields}}
    required = [field.name for field in fields if field.required]
    if required:
        schema["required"] = required
    if closed:
        schema["additionalProperties"] = False
    return schema


def fitted(fields: Mapping[str, Field], value: dict[Any, Any], closed: bool) -> dict[Any, Any]:
    """The fields of a map, each as it is to be used. Raises `Mismatch`."""
    made = dict(value)
    for name, each in value.items():
        field = fields.get(name)
        if field is not None:
            made[name] = fit(field.kind, each, at_field, name)
        elif closed:
            near = difflib.get_close_matches(str(name), fields, 1)
            hint = "; did you mean `%s`?" % near[0] if near else "; its fields are: %s" % (", ".join(fields) or "none")
            raise Mismatch("has no field %s%s" % (shown(name), hint))
    for field in fields.values():
        if field.required and field.name not in made:
            raise Mismatch("lacks the field `%s`" % field.name)
    return made


def built(cls: type, fields: Sequence[Field]) -> Check:
    """Makes an instance of a class, such as a dataclass, from a map."""
    by_name = {field.name: field for field in fields}
    expected = _expected(cls, fields)

    def check(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, dict):
            raise not_a(expected, value)
        made = fitted(by_name, value, closed=True)
        return make(cls, made)

    return check


def named_tuple(cls: Any, fields: Sequence[Field]) -> Check:
    """Makes a named tuple from a map, or from as many items as it has fields."""
    from_map = built(cls, fields)

    def check(value: Any) -> Any:
        is_row = isinstance(value, (list, tuple)) and not isinstance(value, cls)
        if is_row and len(value) <= len(fields):
            value = {field.name: each for field, each in zip(fields, value)}
        return from_map(value)

    return check


def typed_dict(cls: type, fields: Sequence[Field]) -> Check:
    """A map with these fields. It may have others: a `TypedDict` says what there is, not that there is no more."""
    by_name = {field.name: field for field in fields}
    expected = _expected(cls, fields)

    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise not_a(expected, value)
        made = fitted(by_name, value, closed=False)
        return value if all(made[name] is value[name] for name in value) else made

    return check


def make(cls: Any, fields: dict[str, Any]) -> Any:
    """An instance of `cls`, whose own refusal is a mismatch like any other."""
    try:
        return cls(**fields)
    except Exception as error:
        text = "%s: %s" % (type(error).__name__, _first_line(error))
        raise Mismatch("cannot be made %s: %s" % (with_article(cls.__name__), text)) from error


def model(cls: Any) -> Check:
    """Makes a pydantic model, of version 1 or 2, which validates by itself."""
    validate = getattr(cls, "model_validate", None) or cls.parse_obj

    def check(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        try:
            return validate(value)
        except Exception as error:
            mismatch = _of_pydantic(error, cls, value)
        raise mismatch

    return check


def model_schema(cls: Any, definitions: Schema) -> Schema:
    """The schema pydantic has for its model; what that refers to is added to `definitions`."""
    make_schema = getattr(cls, "model_json_schema", None) or cls.schema
    try:
        schema: Schema = make_schema(ref_template="#/$defs/{model}")
        json.dumps(schema, allow_nan=False)
    except Exception:  # a type pydantic has no schema for, or an infinite bound, which JSON has no number for
        return {"type": "object"}
    for key in ("$defs", "definitions"):
        for name, each in schema.pop(key, {}).items():
            definitions.setdefault(name, each)
    return schema


def enumeration(cls: type[enum.Enum]) -> Kind:
    """A member of an `enum.Enum`, found by its value."""
    values = [member.value for member in cls]
    shown_values = [shown(value) for value in values[:10]] + (["..."] if len(values) > 10 else [])
    expected = with_article(cls.__name__) + (" (%s)" % either(shown_values) if values else "")

    def check(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        try:
            member = cls(value)
        except Exception:
            raise not_a(expected, value) from None
        if isinstance(value, bool) and not isinstance(member.value, bool):  # 1 == True
            raise not_a(expected, value)
        return member

    simple = not issubclass(cls, enum.Flag) and all(map(_is_scalar, values))
    return Kind(expected, check, {"enum": values} if simple and values else {})


def literal(values: Sequence[Any]) -> Kind:
    """One of some values, of the same type: `Literal[1]` is not `True`."""
    expected = either([shown(value) for value in values])
    known = [(type(value), value) for value in values]
    known += [(type(value.value), value.value) for value in values if isinstance(value, enum.Enum)]
    members = {(type(value.value), value.value): value for value in values if isinstance(value, enum.Enum)}

    def check(value: Any) -> Any:
        for kind, each in known:
            if type(value) is kind and value == each:
                return members.get((kind, each), value)
        raise not_a(expected, value)

    plain = [value.value if isinstance(value, enum.Enum) else value for value in values]
    return Kind(expected, check, {"enum": plain} if all(map(_is_scalar, plain)) else {})


def _is_scalar(value: Any) -> bool:
    """Whether a schema can hold it."""
    return type(value) in (str, int, bool, type(None)) or (type(value) is float and isfinite(value))


def _expected(cls: type, fields: Sequence[Field]) -> str:
    names = ", ".join(field.name for field in fields[:10]) + (", ..." if len(fields) > 10 else "")
    return "%s (%s)" % (with_article(cls.__name__), names)


def _of_pydantic(error: Exception, cls: Any, value: Any) -> Mismatch:
    try:
        first, *more = error.errors()  # type: ignore[attr-defined]
        place, text = first["loc"], str(first["msg"])
    except Exception:
        return Mismatch("cannot be made %s: %s" % (with_article(cls.__name__), _first_line(error)))
    if not place and not isinstance(value, dict):
        return not_a(with_article(cls.__name__), value)
    note = " (and %d more)" % len(more) if more else ""
    mismatch = Mismatch("does not fit %s: %s%s" % (cls.__name__, text[:500], note))
    for step in reversed(place):
        mismatch.within(at_index(step) if isinstance(step, int) else at_field(step))
    return mismatch


def _first_line(error: BaseException) -> str:
    try:
        return (str(error).strip().splitlines() or [""])[0][:500]
    except Exception:
        return "its message cannot be shown"
