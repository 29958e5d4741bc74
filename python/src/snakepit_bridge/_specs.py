"""How a command presents its parameters: one entry each, and one JSON Schema; must not know how calls are made."""

from __future__ import annotations

import inspect
import json
from typing import Any, Callable, Mapping

from . import _annotations
from ._docstrings import parameters as documented
from ._kinds import Kinds
from ._kinds_container import or_none
from ._kinds_plain import ANYTHING, Kind
from ._values import encode

_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional_only",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional_or_keyword",
    inspect.Parameter.VAR_POSITIONAL: "var_positional",
    inspect.Parameter.KEYWORD_ONLY: "keyword_only",
    inspect.Parameter.VAR_KEYWORD: "var_keyword",
}
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_MAX_TEXT = 500
_MAX_DEFAULT = 2000


def kinds_of(
    function: Callable[..., Any], owner: Any, signature: inspect.Signature
) -> tuple[dict[str, Kind], dict[str, Any]]:
    """What each parameter asks for, and the definitions that the schemas of these refer to."""
    annotations, scope = _annotations.of_function(function, owner)
    kinds = Kinds()
    found = dict.fromkeys(signature.parameters, ANYTHING)
    for name, parameter in signature.parameters.items():
        if name in annotations:
            kind = kinds.of(annotations[name], scope)
            found[name] = or_none(kind) if parameter.default is None else kind
    return found, kinds.definitions


def parameters(signature: inspect.Signature, doc: str) -> list[dict[str, Any]]:
    """The `params` of a command in HELLO: its parameters as written."""
    docs = _documented(doc)
    return [_parameter(each, docs.get(each.name, "")) for each in signature.parameters.values()]


def schema(
    signature: inspect.Signature, kinds: Mapping[str, Kind], definitions: Mapping[str, Any], doc: str
) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the arguments by name. `*args` has no name, and so no place in it."""
    docs = _documented(doc)
    made: dict[str, Any] = {"type": "object", "properties": {}}
    required = []
    others: Any = False
    for each in signature.parameters.values():
        own = kinds[each.name].schema
        if each.kind is each.VAR_KEYWORD:
            others = own or True
        elif each.kind is not each.VAR_POSITIONAL:
            made["properties"][each.name] = _property(own, each, docs.get(each.name))
            if each.default is each.empty:
                required.append(each.name)
    if required:
        made["required"] = required
    made["additionalProperties"] = others
    if definitions:
        made["$defs"] = dict(definitions)
    return made


def _documented(doc: str) -> dict[str, str]:
    try:
        return documented(doc)
    except Exception:  # prose keeps no adapter from starting
        return {}


def _property(own: dict[str, Any], parameter: inspect.Parameter, doc: str | None) -> dict[str, Any]:
    made = dict(own)
    if doc:
        made["description"] = doc
    if parameter.default is not parameter.empty:
        carried = _carried(parameter.default)
        # What is tagged is a value of the protocol, not of JSON.
        if carried is not None and '"$"' not in carried:
            made["default"] = json.loads(carried)
    return made


def _parameter(parameter: inspect.Parameter, doc: str) -> dict[str, Any]:
    made: dict[str, Any] = {"name": parameter.name, "kind": _KINDS[parameter.kind]}
    if parameter.annotation is not parameter.empty:
        made["type"] = _written(parameter.annotation)
    has_default = parameter.default is not parameter.empty
    if has_default:
        carried = _carried(parameter.default)
        if carried is None:
            made["default_repr"] = _shown(parameter.default)
        else:
            made["default"] = json.loads(carried)
    if doc:
        made["doc"] = doc
    made["required"] = not has_default and parameter.kind not in _VARIADIC
    return made


def _carried(value: Any) -> str | None:
    """The text of a value that fits a frame without buffers and is no burden to HELLO."""
    try:
        text, buffers = encode(value)
    except Exception:  # it cannot be carried, or its own methods raise
        return None
    return None if buffers or len(text) > _MAX_DEFAULT else text.decode()


def _written(annotation: Any) -> str:
    try:
        text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    except Exception:
        return "..."
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 3] + "..."


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:
        return "..."
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 3] + "..."
