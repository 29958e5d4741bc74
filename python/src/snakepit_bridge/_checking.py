"""Checking the arguments of a call before any code of its command runs; must not know annotations.

Built once for each command: a call costs a set lookup per argument of a plain type, and a command without anything to
check is called directly.
"""

from __future__ import annotations

import inspect
from typing import Any, Callable, FrozenSet, Mapping, NamedTuple, Optional, Tuple

from ._kinds_plain import ANYTHING, Check, Kind
from ._mismatch import BadArguments, Mismatch

_Slot = Tuple[str, Optional[Check], FrozenSet[type]]
"""The name of a parameter, its check, and the types that need none."""


class Checks(NamedTuple):
    """What a command's arguments have to be."""

    places: tuple[_Slot, ...]
    """By place."""
    names: dict[str, _Slot]
    """By name; only those with something to check."""
    rest: _Slot
    """Each of `*args`."""
    others: _Slot
    """Each of `**kwargs`."""
    known: frozenset[str]
    """Names that are no concern of `others`."""


def checks_of(signature: inspect.Signature, kinds: Mapping[str, Kind]) -> Checks | None:
    """The checks of a command; None if there is nothing to check."""
    if all(kind.check is None for kind in kinds.values()):
        return None
    places: list[_Slot] = []
    names: dict[str, _Slot] = {}
    rest = others = _slot("", ANYTHING)
    known = set()
    for each in signature.parameters.values():
        slot = _slot(each.name, kinds[each.name])
        if each.kind is each.VAR_POSITIONAL:
            rest = slot
        elif each.kind is each.VAR_KEYWORD:
            others = slot
        else:
            if each.kind is not each.KEYWORD_ONLY:
                places.append(slot)
            if each.kind is not each.POSITIONAL_ONLY:
                known.add(each.name)
                if slot[1] is not None:
                    names[each.name] = slot
    return Checks(tuple(places), names, rest, others, frozenset(known))


def checked(function: Callable[..., Any], checks: Checks) -> Callable[..., Any]:
    """The function, behind checks of its arguments, which raise `BadArguments`. How many there are, the call judges."""
    # Copies: counting references to what the lanes of a free-threaded interpreter share costs more than the checks.
    places = tuple(_copied(slot) for slot in checks.places)
    names = {name: _copied(slot) for name, slot in checks.names.items()}
    rest, others, known = _copied(checks.rest), _copied(checks.others), frozenset(list(checks.known))
    has_others = others[1] is not None
    count = len(places)

    def call(*args: Any, **kwargs: Any) -> Any:
        if args:
            for place, value in enumerate(args):
                slot = places[place] if place < count else rest
                if type(value) not in slot[2] and slot[1] is not None:
                    name = slot[0] if place < count else "%s[%d]" % (slot[0], place - count)
                    new = _fit(name, slot[1], value)
                    if new is not value:
                        args = (*args[:place], new, *args[place + 1 :])
        for name in kwargs:
            named = names.get(name)
            if named is not None:
                if type(kwargs[name]) not in named[2]:
                    kwargs[name] = _fit(name, named[1], kwargs[name])
            elif has_others and name not in known:
                kwargs[name] = _fit(name, others[1], kwargs[name])
        return function(*args, **kwargs)

    call.__wrapped__ = function  # type: ignore[attr-defined]
    return call


def _slot(name: str, kind: Kind) -> _Slot:
    return name, kind.check, kind.exact


def _copied(slot: _Slot) -> _Slot:
    return slot[0], slot[1], frozenset(list(slot[2]))


def _fit(name: str, check: Any, value: Any) -> Any:
    try:
        return check(value)
    except Mismatch as mismatch:
        message = mismatch.message(name)
    raise BadArguments(message)
