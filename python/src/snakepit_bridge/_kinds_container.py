"""Lists, tuples, sets, maps and whatever can be iterated, as checks of what is in them; must not know annotations.

JSON callers can send lists only, so lists are taken for tuples and sets, too. A container is rebuilt only if something
in it was converted.
"""

from __future__ import annotations

from typing import Any, Callable, Sequence

from ._kinds_plain import ANYTHING, PLAIN, Check, Kind, Schema
from ._mismatch import Mismatch, either, not_a, shown

_CONTAINERS = (list, tuple, set, frozenset)


def listed(item: Kind) -> Kind:
    """A list of items of one kind."""
    fitted = _items(item)

    def check(value: Any) -> Any:
        if type(value) is not list and not isinstance(value, (list, tuple)):
            raise not_a(expected, value)
        value = fitted(value)
        return list(value) if isinstance(value, tuple) else value

    expected = "a list" + _of(item)
    return Kind(expected, check, _array(item))


def fixed_tuple(items: Sequence[Kind]) -> Kind:
    """A tuple of as many items as there are kinds."""
    expected = "a tuple of %d item%s" % (len(items), "" if len(items) == 1 else "s")

    def check(value: Any) -> Any:
        if not isinstance(value, (tuple, list)) or len(value) != len(items):
            raise not_a(expected, value)
        made = tuple(fit(item, each, at_index, place) for place, (item, each) in enumerate(zip(items, value)))
        return value if type(value) is tuple and all(map(_is, made, value)) else made

    schema = {"type": "array", "prefixItems": [item.schema for item in items], "items": False, "minItems": len(items)}
    return Kind(expected, check, schema if items else {"type": "array", "maxItems": 0})


def open_tuple(first: Sequence[Kind], item: Kind, last: Sequence[Kind]) -> Kind:
    """A tuple that begins and ends with so many items of their own kinds, with any number of one kind in between."""
    least = len(first) + len(last)
    expected = "a tuple of %d or more items" % least

    def check(value: Any) -> Any:
        if not isinstance(value, (tuple, list)) or len(value) < least:
            raise not_a(expected, value)
        kinds = [*first, *[item] * (len(value) - least), *last]
        made = tuple(fit(kind, each, at_index, place) for place, (kind, each) in enumerate(zip(kinds, value)))
        return value if type(value) is tuple and all(map(_is, made, value)) else made

    schema: Schema = {"type": "array", "prefixItems": [kind.schema for kind in first], "minItems": least}
    if not first:
        del schema["prefixItems"]
    if not last:
        schema["items"] = item.schema
    return Kind(expected, check, schema)


def any_tuple(item: Kind) -> Kind:
    """A tuple of any number of items of one kind."""
    fitted = _items(item)
    expected = "a tuple" + _of(item)

    def check(value: Any) -> Any:
        if not isinstance(value, (tuple, list)):
            raise not_a(expected, value)
        value = fitted(value)
        return value if isinstance(value, tuple) else tuple(value)

    return Kind(expected, check, _array(item))


def unordered(taken: tuple[Any, ...], item: Kind) -> Kind:
    """A set of one of the types `taken`, also made from a list or another set."""
    cls = taken[0]
    expected = "a %s%s" % (cls.__name__, _of(item))
    fitted = _items(item)

    def check(value: Any) -> Any:
        if not isinstance(value, _CONTAINERS):
            raise not_a(expected, value)
        value = fitted(value)
        try:
            return value if isinstance(value, taken) else cls(value)
        except TypeError:  # a list among the items
            raise not_a(expected + " with hashable items", value) from None

    return Kind(expected, check, {**_array(item), "uniqueItems": True})


def iterable(expected: str, item: Kind, refused: Any) -> Kind:
    """A sequence, a collection or an iterable. Only what can be looked at without using it up is looked into."""
    fitted = _items(item)
    expected += _of(item)

    def check(value: Any) -> Any:
        if isinstance(value, _CONTAINERS):
            if isinstance(value, refused):
                raise not_a(expected, value)
            return fitted(value)
        # A str is a sequence of str, and nearly always a mistake.
        if isinstance(value, refused) or (isinstance(value, str) and item is not ANYTHING):
            raise not_a(expected, value)
        if not hasattr(value, "__iter__"):
            raise not_a(expected, value)
        return value

    return Kind(expected, check, _array(item))


def mapping(key: Kind, item: Kind) -> Kind:
    """A dict with keys and values of one kind each."""
    expected = "a dict"
    if key is not ANYTHING or item is not ANYTHING:
        expected += " from %s to %s" % (_plural(key), _plural(item))

    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise not_a(expected, value)
        made = None
        for name, each in value.items():
            new_name = name if type(name) in key.exact else _key(key, name)
            new = each if type(each) in item.exact else fit(item, each, at_key, name)
            if new is not each or new_name is not name:
                made = {} if made is None else made
                made[name] = (new_name, new)
        if made is None:
            return value
        return dict(made.get(name, (name, each)) for name, each in value.items())

    schema: Schema = {"type": "object"}
    if item.schema:
        schema["additionalProperties"] = item.schema
    if key is ANYTHING and item is ANYTHING:
        return Kind(expected, check, schema, frozenset((dict,)))
    return Kind(expected, check, schema)


def union(members: Sequence[Kind]) -> Kind:
    """What fits one of several kinds: the first that takes the value as it is, or else the first that takes it."""
    if any(member.check is None for member in members):
        return ANYTHING
    expected = either([member.expected for member in members])
    exact = frozenset().union(*(member.exact for member in members))
    checks: list[Check] = [member.check for member in members if member.check is not None]
    structured = [member for member in members if member.expected != "None"]

    def check(value: Any) -> Any:
        converted: list[Any] = []
        first: Mismatch | None = None
        for each in checks:
            try:
                made = each(value)
            except Mismatch as mismatch:
                if mismatch.steps or not mismatch.problem.startswith("has to be"):
                    first = first or mismatch
                continue
            if made is value:
                return value
            converted.append(made)
        if converted:
            return converted[0]
        if first is not None and len(structured) == 1:
            raise first  # `rows[3].name` says more than "has to be a list of Row or None"
        raise not_a(expected, value)

    return Kind(expected, check, {"anyOf": [member.schema for member in members]}, exact)


def at_key(key: Any) -> str:
    """How a value of a dict is named in a place: `['name']`."""
    return "[%s]" % shown(key)


at_index = "[{}]".format
at_field = ".{}".format


def or_none(kind: Kind) -> Kind:
    """The kind, or None: `count: int = None` says so without saying it."""
    return kind if kind.check is None or type(None) in kind.exact else union([kind, PLAIN[type(None)]])


def fit(kind: Kind, value: Any, name: Callable[[Any], str], place: Any) -> Any:
    """The value to use in place of `value`, which stands at `place` of its container, as `name` names it."""
    if kind.check is None or type(value) in kind.exact:
        return value
    try:
        return kind.check(value)
    except Mismatch as mismatch:
        raise mismatch.within(name(place)) from None


def _key(kind: Kind, key: Any) -> Any:
    if kind.check is None:
        return key
    try:
        return kind.check(key)
    except Mismatch as mismatch:
        raise Mismatch("has the key %s, which %s" % (shown(key), mismatch.problem)) from None


def _items(item: Kind) -> Check:
    """Checks what is in a list, tuple or set, which it gives back itself unless something was converted."""
    if item.check is None:
        return _same
    exact = item.exact

    def fitted(value: Any) -> Any:
        if exact and exact.issuperset(map(type, value)):  # one loop in C over most lists there are
            return value
        made = [each if type(each) in exact else fit(item, each, at_index, place) for place, each in enumerate(value)]
        if all(map(_is, made, value)):
            return value
        return made if isinstance(value, list) else _remade(value, made)

    return fitted


def _remade(value: Any, made: list[Any]) -> Any:
    base = next(each for each in _CONTAINERS if isinstance(value, each))
    return base(made)


def _is(one: Any, other: Any) -> bool:
    return one is other


def _same(value: Any) -> Any:
    return value


def _array(item: Kind) -> Schema:
    return {"type": "array", "items": item.schema} if item.schema else {"type": "array"}


def _of(item: Kind) -> str:
    return "" if item is ANYTHING else " of " + _plural(item)


def _plural(kind: Kind) -> str:
    """`an int` as in "a list of int"."""
    for article in ("an ", "a "):
        if kind.expected.startswith(article):
            return kind.expected[len(article) :]
    return kind.expected
