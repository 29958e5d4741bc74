"""Why an argument is not what its annotation asks for, in words; must not know annotations or calls."""

from __future__ import annotations

from typing import Any

_MAX_REPR = 60


class BadArguments(Exception):
    """The arguments of a call do not fit. Raised before any code of the command runs."""


class Mismatch(Exception):
    """A value that does not fit, found somewhere in an argument."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        self.steps: list[str] = []
        """From the value outwards: `.name`, then `[3]` for `rows[3].name`."""

    def within(self, step: str) -> Mismatch:
        """The same, one step further out."""
        self.steps.append(step)
        return self

    def message(self, parameter: str) -> str:
        """Such as "`rows[3].name` has to be a str, not an int (5)"."""
        place = parameter + "".join(reversed(self.steps))
        return "`%s` %s" % (place if len(place) <= 200 else place[:197] + "...", self.problem)


def not_a(expected: str, value: Any) -> Mismatch:
    """The value is of another type, or another value, than `expected`, a phrase such as "an int"."""
    return Mismatch("has to be %s, not %s" % (expected, came(value)))


def came(value: Any) -> str:
    """What came, bounded however large it is: "a str ('three')"."""
    kind = type(value)
    if value is None or kind is bool:
        return repr(value)
    if kind in (list, tuple, set, frozenset):
        return "%s of %d item%s" % (with_article(kind.__name__), len(value), "" if len(value) == 1 else "s")
    if kind is dict:
        keys = ", ".join(shown(key) for key in list(value)[:3])
        return "a dict with the keys %s%s" % (keys, ", ..." if len(value) > 3 else "") if value else "an empty dict"
    return "%s (%s)" % (with_article(kind.__name__), shown(value))


def shown(value: Any) -> str:
    """A bounded repr that never raises."""
    if isinstance(value, (str, bytes)):
        value = value[: _MAX_REPR + 1]
    elif isinstance(value, int) and value.bit_length() > 256:  # repr refuses very long ones, and takes its time
        return "of %d bits" % value.bit_length()
    try:
        text = repr(value)
    except Exception:
        return "which cannot be shown"
    return text if len(text) <= _MAX_REPR else text[: _MAX_REPR - 3] + "..."


def with_article(name: str) -> str:
    """The name with `a` or `an` before it."""
    return ("an " if name[:1].lower() in "aeio" or name in ("UInt", "ndarray") else "a ") + name


def either(phrases: list[str]) -> str:
    """`an int, a str or None`."""
    distinct = list(dict.fromkeys(phrases))
    return distinct[0] if len(distinct) == 1 else "%s or %s" % (", ".join(distinct[:-1]), distinct[-1])
