"""Values that come back as they came, results that are hard to carry, and exceptions that are hard to tell."""

import asyncio
import datetime
import decimal
import math
import random
import sys
import traceback
import uuid


def echo(value=None):
    return value


def same(value, kind):
    return type(value).__name__ == kind


def generated(seed):
    """Some value of kinds that cross exactly; the same for the same seed."""
    return _value(random.Random(seed), 4)


def is_generated(seed, value):
    """None if the value is what `generated` returned, types and order included; else what it is."""
    return None if _is_same(generated(seed), value) else repr(value)


def _value(source, depth):
    pick = source.randrange(24 if depth else 16)
    if pick < 16:
        return _leaf(source, pick)
    items = [_value(source, depth - 1) for _ in range(source.randrange(5))]
    if pick == 16:
        return tuple(items)
    if pick == 17:
        return {source.choice(["$", "a", "b", "ä\0"]): item for item in items}
    if pick == 18:
        return dict(zip([1, (2, "x"), None, b"k", 2.5, "$"], items))
    if pick == 19:
        return {repr(item)[:5] for item in items}
    if pick == 20:
        return frozenset(range(len(items)))
    return items * source.randrange(4)


def _leaf(source, pick):
    day = datetime.date(2000, 1, 1) + datetime.timedelta(source.randint(-9999, 9999))
    time = datetime.time(source.randrange(24), 1, 2, source.randrange(10**6))
    zone = datetime.timezone(datetime.timedelta(minutes=source.randint(-1000, 1000)))
    return [
        None,
        source.random() < 0.5,
        source.randint(-(2**70), 2**70),
        source.randint(-9, 9),
        source.uniform(-1, 1) * 10.0 ** source.randint(-300, 300),
        source.choice([0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324]),
        "".join(chr(source.choice([0x24, 0x22, 0x5C, 0x41, 0xE4, 0x1F40D, 0x0, 0x1B])) for _ in range(5)),
        bytes(source.randrange(256) for _ in range(source.randrange(6))),
        day,
        time,
        time.replace(tzinfo=zone),
        datetime.datetime.combine(day, time),
        datetime.datetime.combine(day, time, zone),
        datetime.timedelta(source.randint(-99, 99), source.randrange(86400), source.randrange(10**6)),
        decimal.Decimal(source.randint(-(10**20), 10**20)).scaleb(source.randint(-20, 20)),
        uuid.UUID(int=source.getrandbits(128)),
    ][pick]


def _is_same(left, right):
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return math.copysign(1, left) == math.copysign(1, right) and (left == right or left != left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(_is_same, left, right))
    if isinstance(left, dict):
        return _is_same(list(left.items()), list(right.items()))
    return left == right


def cyclic():
    cycle = {"list": []}
    cycle["list"].append(cycle)
    return cycle


def surrogate():
    return ["fine", "\ud800"]


def repeated(text, times):
    return text * times


def keys():
    day = datetime.date(2026, 1, 2)
    return {
        None: 0, True: 1, 2: 2, 3.5: 3, "text": 4, b"bytes": 5, (1, ("a",)): 6, frozenset([7]): 7, day: 8,
        datetime.datetime(2026, 1, 2, 3): 9, datetime.time(1): 10, datetime.timedelta(1): 11,
        decimal.Decimal("1.5"): 12, uuid.UUID(int=1): 13, 2**70: 14,
    }  # fmt: skip


class Secretive:
    def __init__(self):
        self.token = "tell nobody"

    def __repr__(self):
        return "Secretive(token=%r)" % self.token


def secretive():
    return [1, Secretive()]


def table():
    import pandas

    return pandas.DataFrame({"n": [1, 2], "text": ["a", None]})


class Broken(ValueError):
    pass


class Rude(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def raises_class():
    raise Broken("it is")


def raises_rudely():
    raise Rude


def raises_from():
    try:
        {}["missing"]
    except KeyError as error:
        raise Broken("two\nlines") from error


def raises_while_handling():
    try:
        raises_from()
    except Broken:
        raise OSError(2, "No such file")  # noqa: B904 - that is the point


def raises_in_recursion(depth=500):
    if not depth:
        raise Broken
    raises_in_recursion(depth - 1)


def raises_group():
    try:
        raise Broken("inside")
    except Broken as error:
        inner = error
    nested = ExceptionGroup("nested", [ValueError("a"), Rude()])  # noqa: F821 - since 3.11
    group = ExceptionGroup("several", [inner, nested, KeyError("k")] + [ValueError(n) for n in range(20)])  # noqa: F821
    group.add_note("a note")
    raise group


def raises_syntax_error():
    compile("if True:\n    x = = 1", "made.py", "exec")


def raises_over_lines():
    return (
        len("a")
        + len("b")
        + None
    )


def raises_in_parts(numbers=(1, 0)):
    return numbers[0] + numbers[0] / numbers[1] * 2


def raises_in_long_call():
    return sorted(
        [
            1,
            2,
            3,
            4,
            None,
        ],
        key=lambda number: -number,
    )


def raises_behind_wide_text():
    return {"\u5bbd\u5bbd": "宽宽"}["宽"] or "é"["宽"]


def exits():
    sys.exit(3)


def interrupts():
    raise KeyboardInterrupt


def stops():
    raise GeneratorExit


def cancels():
    raise asyncio.CancelledError


def as_python_prints(command):
    try:
        globals()[command]()
    except BaseException as error:
        return "".join(traceback.format_exception(type(error), error, error.__traceback__.tb_next))
